import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { decodeJwt } from 'jose'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post } from '../support/graphql-client.ts'
import { mailedToken, readMails, signIn, signInAnswer } from '../support/sign-in-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateways: TestGateway[]
let dataDir: string
let [here, there] = ['', '']
let log = ''

beforeAll(async () => {
  database = await createTestDatabase()
  dataDir = await mkdtemp(join(tmpdir(), 'tributary-sign-in-'))
  const logTo = new Writable({
    write(chunk, _encoding, done) {
      log += chunk
      done()
    },
  })
  gateways = await Promise.all(
    [1, 2].map(() =>
      startTestGateway({
        databaseUrl: database.url,
        generator: new FakeGenerator(),
        settings: { DATA_DIR: dataDir, LOG_LEVEL: 'trace' },
        logTo,
      }),
    ),
  )
  here = gateways[0]?.url ?? ''
  there = gateways[1]?.url ?? ''
})
afterAll(async () => {
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

const PASSWORD = 'correct horse battery staple'
let addresses = 0
const newAddress = () => `user-${addresses++}@example.com`

const register = (email: string, password = PASSWORD, on = here) =>
  signIn(on, 'register', { input: { email, password } })
const login = (email: string, password = PASSWORD, on = here) =>
  signIn(on, 'login', { input: { email, password } })
const refresh = (refreshToken: string, on = here) => signIn(on, 'refreshSession', { refreshToken })

async function newSession(email = newAddress()) {
  await register(email)
  return (await login(email)).session
}
const whoAmI = async (token: string, on = there) => {
  const answer = await post<{ viewer: { id: string; email: string } | null }>(on, {
    query: '{ viewer { id email } }',
    token,
  })
  return answer.data?.viewer ?? answer.errors?.[0]?.extensions.code
}
const lives = async ({ refreshToken }: { refreshToken: string }) =>
  (await refresh(refreshToken)).__typename === 'RefreshSessionPayload'

describe('registering', () => {
  test('mails a token that verifies the address once, and signs in on every instance', async () => {
    const email = 'Anna.Smith@Example.com'
    const { user } = await register(email)
    expect(user).toMatchObject({ email, emailVerified: false })
    const token = await mailedToken(dataDir, email)
    const { session } = await login('anna.smith@example.COM', PASSWORD, there)
    expect(session.user).toEqual(user)
    expect(await whoAmI(session.accessToken, here)).toEqual({ id: user.id, email })
    expect((await signIn(there, 'verifyEmail', { token })).user).toEqual({ ...user, emailVerified: true })
    expect(await signIn(here, 'verifyEmail', { token })).toMatchObject({ code: 'TOKEN_REJECTED' })
    expect((await login(email)).session.user.emailVerified).toBe(true)
  })

  test('of one address 20 times at once on two gateways makes one user and one mail', async () => {
    const email = newAddress()
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        register(index % 3 ? email : email.toUpperCase(), PASSWORD, index % 2 ? here : there),
      ),
    )
    const made = outcomes.filter(({ __typename }) => __typename === 'RegisterPayload')
    expect(made).toHaveLength(1)
    expect(outcomes.filter(({ code }) => code === 'EMAIL_TAKEN')).toHaveLength(19)
    const to = made[0]?.user.email ?? ''
    await mailedToken(dataDir, to)
    const rows = await database.query('SELECT 1 FROM users WHERE lower(email) = $1', [email])
    expect(rows).toHaveLength(1)
    const jobs = await database.query<{ state: string }>(
      "SELECT state FROM tributary_jobs.job WHERE name = 'sign-in-mail' AND data->>'emailKey' = $1",
      [email],
    )
    expect(jobs).toHaveLength(1)
  })

  test('gives a user whom no token of another source can name', async () => {
    const session = await newSession()
    const viewer = (await whoAmI(session.accessToken)) as { id: string; email: string }
    const [{ subject } = { subject: '' }] = await database.query<{ subject: string }>(
      'SELECT subject FROM users WHERE id = (SELECT id FROM users WHERE email = $1)',
      [viewer.email],
    )
    const foreign = await tokenOf(subject, { email: viewer.email })
    expect(await whoAmI(foreign)).toMatchObject({ email: viewer.email })
    expect(((await whoAmI(foreign)) as { id: string }).id).not.toBe(viewer.id)
    // Whoever has the secret may sign what they like, and still gets no session that never was.
    const iss = 'urn:tributary:sign-in'
    expect(await whoAmI(await tokenOf(subject, { iss }))).toBe('UNAUTHENTICATED')
    expect(await whoAmI(await tokenOf(subject, { iss, sid: crypto.randomUUID() }))).toBe('UNAUTHENTICATED')
    const { sid } = decodeJwt((await newSession()).accessToken)
    // Somebody else's session, a session that a token of another source names, and a role that no session has.
    expect(await whoAmI(await tokenOf(subject, { iss, sid }))).toBe('UNAUTHENTICATED')
    expect(await whoAmI(await tokenOf('a stranger', { sid: crypto.randomUUID() }))).toMatchObject({
      email: 'a stranger@example.com',
    })
    const mine = decodeJwt(session.accessToken)
    const staff = await tokenOf(subject, { iss, sid: mine.sid, roles: ['ADMIN'] })
    expect(await whoAmI(staff)).toMatchObject({ id: viewer.id })
    const { errors } = await post(here, { query: '{ operations { __typename } }', token: staff })
    expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
  })

  test.each<[string, string, string, string]>([
    ['a password of 7 characters', 'a@example.com', '1234567', 'password'],
    ['a password of 5,000 characters', 'a@example.com', 'x'.repeat(5000), 'password'],
    ['a password with half a character', 'a@example.com', 'long enough \ud83d', 'password'],
    ['an address without a host', 'anna', PASSWORD, 'email'],
    ['an address with a Cyrillic а', 'аnna@example.com', PASSWORD, 'email'],
    ['an address with a joiner nobody sees', 'an\u200dna@example.com', PASSWORD, 'email'],
    ['an address written from right to left', '\u202eanna@example.com', PASSWORD, 'email'],
    ['an address with a dotless ı', 'annı@example.com', PASSWORD, 'email'],
    ['two addresses', 'a@example.com,b@example.com', PASSWORD, 'email'],
    ['an address with a header in it', 'a@example.com\r\nBcc: b@example.com', PASSWORD, 'email'],
    ['an address of 255 characters', `${'a'.repeat(243)}@example.com`, PASSWORD, 'email'],
  ])('refuses %s by name', async (_what, email, password, field) => {
    const outcome = await register(email, password)
    expect(outcome).toMatchObject({ __typename: 'InvalidInputError', code: 'INVALID_INPUT' })
    expect(outcome.issues[0]?.path).toEqual(['input', field])
    expect(await login(email, password)).toMatchObject({ code: 'CREDENTIALS_REJECTED' })
  })

  test('takes any other password, and the same one however a keyboard composes it', async () => {
    const email = newAddress()
    await register(email, ' \tpässwörd 🔐 \u0000')
    expect((await login(email, ' \tpa\u0308sswo\u0308rd 🔐 \u0000')).session).toBeDefined()
    expect(await login(email, 'pässwörd 🔐')).toMatchObject({ code: 'CREDENTIALS_REJECTED' })
  })
})

describe('a refresh token', () => {
  test('works once and brings the next; the access token shows the same user', async () => {
    const first = await newSession()
    const second = (await refresh(first.refreshToken, there)).session
    expect(second.user).toEqual(first.user)
    expect(second.refreshToken).not.toBe(first.refreshToken)
    expect(await whoAmI(second.accessToken)).toMatchObject({ id: first.user.id })
    const lifeMs = new Date(second.expiresAt).getTime() - Date.now()
    expect(lifeMs).toBeGreaterThan(800_000)
    expect(lifeMs).toBeLessThanOrEqual(900_000)
  })

  test('that comes a second time ends its whole family, and no other session', async () => {
    const email = newAddress()
    const stolen = await newSession(email)
    const other = (await login(email)).session
    const next = (await refresh(stolen.refreshToken)).session
    const newest = (await refresh(next.refreshToken, there)).session
    expect(await refresh(stolen.refreshToken, there)).toMatchObject({ code: 'TOKEN_REJECTED' })
    for (const { refreshToken } of [next, newest])
      expect(await refresh(refreshToken)).toMatchObject({ code: 'TOKEN_REJECTED' })
    expect(await whoAmI(newest.accessToken)).toBe('UNAUTHENTICATED')
    expect(await whoAmI(other.accessToken)).toMatchObject({ email })
    expect(await lives(other)).toBe(true)
  })

  test('that two gateways get at the same moment has exactly one successor, which lives', async () => {
    const session = await newSession()
    // Holds everybody at the point where the token is used, so that all have come before anyone is done.
    const row = `(SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = '${session.user.email}')`
    const holder = new pg.Client(database.url)
    await holder.connect()
    try {
      await holder.query(`BEGIN; SELECT 1 FROM sessions WHERE id = ${row} FOR UPDATE`)
      const outcomes = Promise.all(
        Array.from({ length: 8 }, (_, index) => refresh(session.refreshToken, index % 2 ? here : there)),
      )
      await until(
        async () =>
          (
            await database.query(
              "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%UPDATE sessions%'",
            )
          ).length === 8,
        { what: 'eight refreshes to wait for the session' },
      )
      await holder.query('COMMIT')
      const refreshed = (await outcomes).filter(({ __typename }) => __typename === 'RefreshSessionPayload')
      expect(refreshed).toHaveLength(1)
      expect((await outcomes).filter(({ code }) => code === 'TOKEN_REJECTED')).toHaveLength(7)
      const [next] = refreshed
      expect(await lives(next?.session ?? session)).toBe(true)
    } finally {
      await holder.end()
    }
  })

  test.each([
    ['cut short', (token: string) => token.slice(0, -1)],
    ['with a space', (token: string) => `${token} `],
    ['that is empty', () => ''],
    ['that is a hash', () => 'x'.repeat(43)],
    ['with half a character', () => '\ud83d\u0000'],
  ])('%s is refused, and the session lives', async (_what, change) => {
    const session = await newSession()
    expect(await refresh(change(session.refreshToken))).toMatchObject({ code: 'TOKEN_REJECTED' })
    expect(await lives(session)).toBe(true)
  })

  test('of a session that was not refreshed for 30 days is refused', async () => {
    const session = await newSession()
    await database.query(
      `UPDATE sessions SET expires_at = now() WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
      [session.user.email],
    )
    expect(await lives(session)).toBe(false)
    expect(await whoAmI(session.accessToken)).toBe('UNAUTHENTICATED')
  })
})

describe('logging out', () => {
  const logout = async (token: string | undefined, refreshToken: string) => {
    const { data, errors } = await signInAnswer(there, 'logout', { refreshToken }, token ? { token } : {})
    return errors?.[0]?.extensions.code ?? (data as unknown as { logout: boolean } | undefined)?.logout
  }

  test('ends the session at once, its access token included, and only once', async () => {
    const session = await newSession()
    const other = (await login(session.user.email)).session
    expect(await logout(session.accessToken, session.refreshToken)).toBe(true)
    expect(await whoAmI(session.accessToken)).toBe('UNAUTHENTICATED')
    // Of whoever has a session, that is looked at even where nothing else is asked for.
    const idle = await post(there, { query: '{ __typename }', token: session.accessToken })
    expect(idle.errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED')
    expect(await lives(session)).toBe(false)
    expect(await logout(other.accessToken, session.refreshToken)).toBe(false)
    expect(await lives(other)).toBe(true)
  })

  test('does nothing to the session of another user, nor without a token', async () => {
    const [mine, others] = [await newSession(), await newSession()]
    expect(await logout(mine.accessToken, others.refreshToken)).toBe(false)
    expect(await logout(mine.accessToken, 'nonsense')).toBe(false)
    expect(await logout(undefined, others.refreshToken)).toBe('UNAUTHENTICATED')
    expect(await lives(others)).toBe(true)
  })
})

describe('resetting a password', () => {
  const request = (email: string) => signIn(here, 'requestPasswordReset', { email })
  const reset = (token: string, newPassword: string, on = there) =>
    signIn(on, 'resetPassword', { input: { token, newPassword } })

  test('ends all sessions, takes the new password and no more the old, and proves the address', async () => {
    const email = newAddress()
    const sessions = [await newSession(email), (await login(email)).session]
    const stranger = await newSession()
    expect(await request(email.toUpperCase())).toEqual({ accepted: true })
    const token = await mailedToken(dataDir, email, 2)
    expect(await reset(token, 'short')).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ path: ['input', 'newPassword'] }],
    })
    expect((await reset(token, 'a new password')).user).toMatchObject({ email, emailVerified: true })
    for (const session of sessions) {
      expect(await whoAmI(session.accessToken)).toBe('UNAUTHENTICATED')
      expect(await lives(session)).toBe(false)
    }
    expect(await lives(stranger)).toBe(true)
    expect(await login(email)).toMatchObject({ code: 'CREDENTIALS_REJECTED' })
    expect(await lives((await login(email, 'a new password')).session)).toBe(true)
    expect(await reset(token, 'another password')).toMatchObject({ code: 'TOKEN_REJECTED' })
  })

  test('with one token at the same moment happens once; a second mail’s token is void then', async () => {
    const email = newAddress()
    await register(email)
    await mailedToken(dataDir, email)
    await request(email)
    const first = await mailedToken(dataDir, email, 2)
    await request(email)
    const second = await mailedToken(dataDir, email, 3)
    const passwords = ['password one', 'password two', 'password three', 'password four']
    const outcomes = await Promise.all(
      passwords.map((word, index) => reset(first, word, index % 2 ? here : there)),
    )
    const won = outcomes.findIndex(({ __typename }) => __typename === 'ResetPasswordPayload')
    expect(outcomes.filter(({ code }) => code === 'TOKEN_REJECTED')).toHaveLength(3)
    expect(await reset(second, 'password five')).toMatchObject({ code: 'TOKEN_REJECTED' })
    expect((await login(email, passwords[won])).session).toBeDefined()
  })

  test('leaves no session of a login that came with the old password at the same moment', async () => {
    const email = newAddress()
    await register(email)
    await mailedToken(dataDir, email)
    for (let round = 0; round < 3; round++) {
      const old = round === 0 ? PASSWORD : `password ${round - 1}`
      await request(email)
      const token = await mailedToken(dataDir, email, 2 + round)
      const [, ...logins] = await Promise.all([
        reset(token, `password ${round}`),
        ...Array.from({ length: 6 }, (_, index) => login(email, old, index % 2 ? here : there)),
      ])
      for (const { session } of logins) if (session) expect(await lives(session)).toBe(false)
      expect((await login(email, `password ${round}`)).session).toBeDefined()
    }
  })

  test('a token is good for one thing, one user, an hour, and only whole', async () => {
    const [email, other] = [newAddress(), newAddress()]
    await Promise.all([register(email), register(other)])
    const verifying = await mailedToken(dataDir, email)
    expect(await reset(verifying, PASSWORD)).toMatchObject({ code: 'TOKEN_REJECTED' })
    await request(email)
    const token = await mailedToken(dataDir, email, 2)
    expect(await signIn(here, 'verifyEmail', { token })).toMatchObject({ code: 'TOKEN_REJECTED' })
    expect(await reset(token.slice(1), PASSWORD)).toMatchObject({ code: 'TOKEN_REJECTED' })
    await signIn(here, 'requestPasswordReset', { email: other })
    const others = await mailedToken(dataDir, other, 2)
    await reset(token, 'the password of one')
    expect((await login(other)).session).toBeDefined()
    expect((await reset(others, 'the password of the other')).user).toMatchObject({ email: other })
    expect((await login(other, 'the password of the other')).session).toBeDefined()
    await request(email)
    const late = await mailedToken(dataDir, email, 3)
    const lives = await database.query(
      `SELECT DISTINCT purpose, round(extract(epoch FROM max(expires_at - now())) / 3600)::int AS hours FROM email_tokens
       WHERE expires_at > now() GROUP BY purpose ORDER BY purpose`,
    )
    expect(lives).toEqual([
      { purpose: 'VERIFY_EMAIL', hours: 48 },
      { purpose: 'RESET_PASSWORD', hours: 1 },
    ])
    await database.query('UPDATE email_tokens SET expires_at = now()')
    expect(await reset(late, PASSWORD)).toMatchObject({ code: 'TOKEN_REJECTED' })
    expect(await signIn(here, 'verifyEmail', { token: verifying })).toMatchObject({ code: 'TOKEN_REJECTED' })
  })

  test('is answered alike for an address that nobody has, which gets no mail', async () => {
    for (const email of ['nobody@example.com', 'no address', '', 'ann\u0000@example.com'])
      expect(await request(email)).toEqual({ accepted: true })
    await until(
      async () =>
        (
          await database.query(
            "SELECT 1 FROM tributary_jobs.job WHERE name = 'sign-in-mail' AND data->>'emailKey' = 'nobody@example.com' AND state = 'completed'",
          )
        ).length === 1,
      { what: 'the job for nobody to end' },
    )
    expect(await readMails(dataDir, 'nobody@example.com')).toEqual([])
  })
})

describe('another mail for verifying an address', () => {
  const request = (email: string) => signIn(here, 'requestEmailVerification', { email })
  const jobsEnd = (email: string, count: number) =>
    until(
      async () =>
        (
          await database.query(
            "SELECT 1 FROM tributary_jobs.job WHERE name = 'sign-in-mail' AND data->>'emailKey' = $1 AND state = 'completed'",
            [email.toLowerCase()],
          )
        ).length === count,
      { what: `${count} jobs for ${email} to end` },
    )

  test('comes to whoever let the first one expire, and to nobody who is verified, or not registered', async () => {
    const email = newAddress()
    await register(email)
    const late = await mailedToken(dataDir, email)
    await database.query(
      'UPDATE email_tokens SET expires_at = now() FROM users WHERE users.id = user_id AND email = $1',
      [email],
    )
    expect(await signIn(here, 'verifyEmail', { token: late })).toMatchObject({ code: 'TOKEN_REJECTED' })
    expect(await request(email.toUpperCase())).toEqual({ accepted: true })
    const token = await mailedToken(dataDir, email, 2)
    expect(await signIn(there, 'resetPassword', { input: { token, newPassword: PASSWORD } })).toMatchObject({
      code: 'TOKEN_REJECTED',
    })
    expect((await signIn(there, 'verifyEmail', { token })).user).toMatchObject({ email, emailVerified: true })
    expect(await request(email)).toEqual({ accepted: true })
    await jobsEnd(email, 3)
    expect(await readMails(dataDir, email)).toHaveLength(2)
    for (const nobody of ['unverified-nobody@example.com', 'no address', ''])
      expect(await request(nobody)).toEqual({ accepted: true })
    await jobsEnd('unverified-nobody@example.com', 1)
    expect(await readMails(dataDir, 'unverified-nobody@example.com')).toEqual([])
  })
})

test('what is stored and logged holds no password and no token', async () => {
  const email = newAddress()
  const session = await newSession(email)
  const secrets = [await mailedToken(dataDir, email), session.refreshToken, session.accessToken, PASSWORD]
  const tables = [
    'users',
    'credentials',
    'sessions',
    'refresh_tokens',
    'email_tokens',
    'attempt_windows',
    'tributary_jobs.job',
  ]
  const rows = await Promise.all(tables.map(table => database.query(`SELECT * FROM ${table}`)))
  const stored = JSON.stringify(rows)
  expect(stored).toContain(email)
  expect(stored).toContain('$argon2id$v=19$m=19456,t=2,p=1$')
  for (const secret of secrets) {
    expect(stored).not.toContain(secret)
    expect(log).not.toContain(secret)
  }
  expect(log).toContain('"transaction":"log-in"')
  const names = await readdir(join(dataDir, 'mail'))
  expect(names.filter(name => !name.endsWith('.eml'))).toEqual([])
  const mail = await readFile(join(dataDir, 'mail', names[0] ?? ''), 'utf8')
  expect(mail).toMatch(/^Content-Transfer-Encoding: 7bit\r$/m)
})
