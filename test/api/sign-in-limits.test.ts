import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Config } from '../../src/config.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post } from '../support/graphql-client.ts'
import { mailedToken, readMails, signIn, signInAnswer } from '../support/sign-in-client.ts'
import { FakeSmtpServer } from '../support/smtp-server.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let dataDir: string
let gateways: TestGateway[] = []

beforeEach(async () => {
  database = await createTestDatabase()
  dataDir = await mkdtemp(join(tmpdir(), 'tributary-limits-'))
})
afterEach(async () => {
  await Promise.all(gateways.splice(0).map(gateway => gateway.close()))
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

async function start(count: number, settings: Record<string, string> = {}, config: Partial<Config> = {}) {
  gateways = await Promise.all(
    Array.from({ length: count }, () =>
      startTestGateway({
        databaseUrl: database.url,
        generator: new FakeGenerator(),
        settings: { DATA_DIR: dataDir, TRUSTED_PROXIES: 'loopback', ...settings },
        config,
      }),
    ),
  )
  return gateways.map(({ url }) => url)
}

const PASSWORD = 'correct horse battery staple'
const register = (url: string, email: string) =>
  signIn(url, 'register', { input: { email, password: PASSWORD } })
/** What came of a login, or the code of the error. */
async function login(url: string, email: string, password = PASSWORD, from?: string): Promise<string> {
  const headers = from === undefined ? {} : { 'x-forwarded-for': from }
  const { data, errors } = await signInAnswer(url, 'login', { input: { email, password } }, { headers })
  const [error] = errors ?? []
  if (error?.extensions.code === 'RATE_LIMITED') expect(error.extensions.retryAfterMs).toBeGreaterThan(0)
  return error?.extensions.code ?? data?.login?.__typename ?? ''
}
const count = (outcomes: string[], outcome: string) => outcomes.filter(one => one === outcome).length

describe('attempts to log in', () => {
  test('for one address are 10 in a quarter of an hour, however many come at once on two gateways', async () => {
    const urls = await start(2)
    await register(urls[0] ?? '', 'anna@example.com')
    await register(urls[0] ?? '', 'ben@example.com')
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        login(urls[n % 2] ?? '', n % 3 ? 'anna@example.com' : 'ANNA@example.com', 'wrong password'),
      ),
    )
    expect(count(outcomes, 'CredentialsRejectedError')).toBe(10)
    expect(count(outcomes, 'RATE_LIMITED')).toBe(30)
    const [windows] = await database.query<{ ends: string }>(
      'SELECT max(ends_at)::text AS ends FROM attempt_windows',
    )
    expect(await login(urls[1] ?? '', 'anna@example.com')).toBe('RATE_LIMITED')
    // Whoever goes on does not wait for longer by it.
    expect(await database.query('SELECT max(ends_at)::text AS ends FROM attempt_windows')).toEqual([windows])
    expect(await login(urls[1] ?? '', 'ben@example.com')).toBe('LoginPayload')
    await database.query("UPDATE attempt_windows SET ends_at = now() - interval '1 s'")
    const next = await Promise.all(
      Array.from({ length: 14 }, (_, n) => login(urls[n % 2] ?? '', 'anna@example.com', 'wrong password')),
    )
    expect(count(next, 'CredentialsRejectedError')).toBe(10)
    await database.query("UPDATE attempt_windows SET ends_at = now() - interval '1 s'")
    expect(await login(urls[1] ?? '', 'anna@example.com')).toBe('LoginPayload')
  })

  test('do not keep out who resets the password', async () => {
    const [url = ''] = await start(1)
    await register(url, 'anna@example.com')
    for (let n = 0; n < 11; n++) await login(url, 'anna@example.com', 'a guess')
    expect(await login(url, 'anna@example.com')).toBe('RATE_LIMITED')
    await signIn(url, 'requestPasswordReset', { email: 'anna@example.com' })
    const token = await mailedToken(dataDir, 'anna@example.com', 2)
    await signIn(url, 'resetPassword', { input: { token, newPassword: 'a new password' } })
    expect(await login(url, 'anna@example.com', 'a new password')).toBe('LoginPayload')
  })

  test('that succeed begin anew: who mistypes nine times and then does not is not held back', async () => {
    const [url = ''] = await start(1)
    await register(url, 'anna@example.com')
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 9; n++)
        expect(await login(url, 'anna@example.com', 'typo')).toBe('CredentialsRejectedError')
      expect(await login(url, 'anna@example.com')).toBe('LoginPayload')
    }
  })

  test('that succeed do not use up their client’s, which those who share it would miss', async () => {
    const [url = ''] = await start(1)
    await register(url, 'anna@example.com')
    const used = () =>
      database.query<{ count: number }>("SELECT count FROM attempt_windows WHERE key LIKE 'login client %'")
    await login(url, 'anna@example.com', 'typo')
    for (let n = 0; n < 3; n++) await login(url, 'anna@example.com')
    expect(await used()).toEqual([{ count: 1 }])
  })

  test('of one client are 300, whatever addresses it tries; another client is not held back by it', async () => {
    const [url = ''] = await start(1)
    const attacker = '203.0.113.7'
    // As the proxy passes it on: what the client itself claims stands before what the proxy has seen.
    await login(url, 'a0@example.com', 'wrong password', `198.51.100.1, ${attacker}`)
    const counted = await database.query(
      'UPDATE attempt_windows SET count = 299 WHERE key LIKE $1 RETURNING 1',
      ['login client %'],
    )
    expect(counted).toHaveLength(1)
    expect(await login(url, 'a1@example.com', 'wrong password', `198.51.100.2, ${attacker}`)).toBe(
      'CredentialsRejectedError',
    )
    expect(await login(url, 'a2@example.com', 'wrong password', attacker)).toBe('RATE_LIMITED')
    expect(await login(url, 'a3@example.com', 'wrong password', '203.0.113.8')).toBe(
      'CredentialsRejectedError',
    )
    expect(await login(url, 'a4@example.com', 'wrong password')).toBe('CredentialsRejectedError')
  })

  test('of one client are those of its connection where no proxy is trusted, whatever it says of itself', async () => {
    const [url = ''] = await start(1, { TRUSTED_PROXIES: '' })
    await login(url, 'a0@example.com', 'wrong password', '203.0.113.7')
    await database.query("UPDATE attempt_windows SET count = 299 WHERE key LIKE 'login client %'")
    expect(await login(url, 'a1@example.com', 'wrong password', '203.0.113.8')).toBe(
      'CredentialsRejectedError',
    )
    expect(await login(url, 'a2@example.com', 'wrong password', '203.0.113.9')).toBe('RATE_LIMITED')
  })

  test('take as long for an address that nobody has as for a wrong password', async () => {
    const [url = ''] = await start(1)
    const known = Array.from({ length: 12 }, (_, n) => `known-${n}@example.com`)
    for (const email of known) await register(url, email)
    const times: Record<'known' | 'unknown' | 'malformed' | 'long', number[]> = {
      known: [],
      unknown: [],
      malformed: [],
      long: [],
    }
    const timed = async (of: keyof typeof times, email: string, password = 'wrong password') => {
      const startedAt = performance.now()
      expect(await login(url, email, password)).toBe('CredentialsRejectedError')
      times[of].push(performance.now() - startedAt)
    }
    for (const [n, email] of known.entries()) {
      await timed('known', email)
      await timed('unknown', `unknown-${n}@example.com`)
      await timed('malformed', `malformed ${n}`)
      await timed('long', email, 'x'.repeat(5000))
    }
    const median = (list: number[]) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0
    const reference = median(times.known)
    // Without a hash to verify it would be a tenth.
    for (const list of [times.unknown, times.malformed, times.long])
      expect(median(list) / reference).toBeGreaterThan(0.5)
  })
})

test.each([
  ['register', 300, { input: { email: 'ben@example.com', password: PASSWORD } }],
  ['requestPasswordReset', 100, { email: 'ben@example.com' }],
  ['requestEmailVerification', 100, { email: 'ben@example.com' }],
] as const)(
  'of one client, %s is answered %i times an hour, whoever it is for',
  async (field, limit, variables) => {
    const [url = ''] = await start(1)
    const ask = async (from: string) => {
      const { errors } = await signInAnswer(url, field, variables, { headers: { 'x-forwarded-for': from } })
      return errors?.[0]?.extensions.code ?? 'answered'
    }
    expect(await ask('203.0.113.7')).toBe('answered')
    await database.query("UPDATE attempt_windows SET count = $1 WHERE key LIKE '% client %'", [limit - 1])
    expect(await ask('203.0.113.7')).toBe('answered')
    expect(await ask('203.0.113.7')).toBe('RATE_LIMITED')
    expect(await ask('203.0.113.8')).toBe('answered')
  },
)

test('an address gets five mails of a kind an hour, and whoever asks for more is told nothing of it', async () => {
  const urls = await start(2)
  await register(urls[0] ?? '', 'anna@example.com')
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      signIn(urls[n % 2] ?? '', n < 20 ? 'requestPasswordReset' : 'requestEmailVerification', {
        email: 'anna@example.com',
      }),
    ),
  )
  expect(answers).toEqual(answers.map(() => ({ accepted: true })))
  await mailedToken(dataDir, 'anna@example.com', 11)
  const jobs = await database.query(
    "SELECT data->>'purpose' AS purpose, count(*)::int AS n FROM tributary_jobs.job WHERE name = 'sign-in-mail' GROUP BY 1 ORDER BY 1",
  )
  // The first to verify is the one of the registration. Those who use up one kind leave the other alone.
  expect(jobs).toEqual([
    { purpose: 'RESET_PASSWORD', n: 5 },
    { purpose: 'VERIFY_EMAIL', n: 6 },
  ])
  expect(await readMails(dataDir, 'anna@example.com')).toHaveLength(11)
})

test('mails go to the server of MAIL_URL, again when it would not take one, and nobody waits for it', async () => {
  const server = await FakeSmtpServer.start()
  try {
    server.refusals.push('451 try again later', '421 too busy')
    const [url = ''] = await start(1, { MAIL_URL: `${server.url}?from=coach@example.com` })
    expect((await register(url, 'anna@example.com')).__typename).toBe('RegisterPayload')
    await until(() => server.mails.length === 1, { what: 'the mail to be taken', deadlineMs: 30_000 })
    const [mail = ''] = server.mails
    expect(mail).toMatch(/^From: coach@example\.com\r$/m)
    expect(mail).toMatch(/^To: anna@example\.com\r$/m)
    const [, token = ''] = /^([\w-]{43})\r$/m.exec(mail) ?? []
    expect((await signIn(url, 'verifyEmail', { token })).user.emailVerified).toBe(true)
    expect(server.refusals).toEqual([])
  } finally {
    server.close()
  }
})

test('where somebody else signs the tokens, signing in is theirs, and the rest works', async () => {
  const jwt = {
    secret: undefined,
    jwksUrl: 'http://127.0.0.1:1/keys',
    issuer: undefined,
    audience: undefined,
  }
  const [url = ''] = await start(1, {}, { jwt })
  for (const [field, variables] of [
    ['register', { input: { email: 'anna@example.com', password: PASSWORD } }],
    ['login', { input: { email: 'anna@example.com', password: PASSWORD } }],
    ['refreshSession', { refreshToken: 'x' }],
    ['verifyEmail', { token: 'x' }],
    ['requestPasswordReset', { email: 'anna@example.com' }],
    ['requestEmailVerification', { email: 'anna@example.com' }],
    ['resetPassword', { input: { token: 'x', newPassword: PASSWORD } }],
  ] as const) {
    const { errors } = await signInAnswer(url, field, variables)
    expect(
      errors?.map(({ extensions }) => extensions.code),
      field,
    ).toEqual(['UNAVAILABLE'])
    expect(errors?.[0]?.message).toContain('elsewhere')
  }
  expect((await post(url, { query: '{ viewer { id } }' })).data).toEqual({ viewer: null })
})

test('a gateway that checks issuer and audience takes the sessions that it began', async () => {
  const [url = ''] = await start(1, { JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'coaching' })
  await register(url, 'anna@example.com')
  const { session } = await signIn(url, 'login', { input: { email: 'anna@example.com', password: PASSWORD } })
  const answer = await post(url, { query: '{ viewer { email } }', token: session.accessToken })
  expect(answer.data).toEqual({ viewer: { email: 'anna@example.com' } })
})
