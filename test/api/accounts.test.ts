import { Writable } from 'node:stream'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDatabaseClient } from '../../src/database/client.ts'
import { createRunTransaction } from '../../src/database/transaction.ts'
import { openTokens } from '../../src/domain/accounts/account-tokens.ts'
import { rotateKey } from '../../src/domain/accounts/rotate-key.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { type Sealed, SealingKeys } from '../../src/shared/sealing-keys.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { post } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, TEST_KEY, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateways: TestGateway[]
let urls: string[]
let log = ''

beforeAll(async () => {
  database = await createTestDatabase()
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
        settings: { LOG_LEVEL: 'trace', ACCOUNT_SYNC_MINUTES: '0' },
        logTo,
      }),
    ),
  )
  urls = gateways.map(({ url }) => url)
})
afterAll(async () => {
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
})

interface Outcome {
  __typename: string
  account: { provider: string; athleteId: string; expiresAt: string; updatedAt: string }
  issues: { path: string[]; message: string }[]
}

async function connect(token: string, input: Record<string, unknown> = {}, on = 0): Promise<Outcome> {
  const query = `mutation($input: ConnectAccountInput!) { connectAccount(input: $input) {
    __typename
    ... on ConnectAccountPayload { account { provider athleteId expiresAt updatedAt } }
    ... on InvalidInputError { issues { path message } }
  } }`
  const variables = {
    input: {
      provider: 'STRAVA',
      athleteId: '4711',
      accessToken: 'an-access-token',
      refreshToken: 'a-refresh-token',
      expiresAt: '2027-01-01T00:00:00.000Z',
      ...input,
    },
  }
  const answer = await post<{ connectAccount: Outcome }>(urls[on] ?? '', { query, variables, token })
  if (!answer.data) throw new Error(JSON.stringify(answer.errors))
  return answer.data.connectAccount
}

async function read(token: string) {
  const query = '{ viewer { accounts { provider athleteId expiresAt updatedAt } } }'
  const answer = await post<{ viewer: { accounts: Outcome['account'][] } }>(urls[1] ?? '', { query, token })
  return answer.data?.viewer.accounts
}

interface StoredAccount {
  userId: string
  accessToken: string
  refreshToken: string
  keyId: string
}
const stored = async (subject: string) => {
  const rows = await database.query<StoredAccount>(
    `SELECT user_id AS "userId", access_token AS "accessToken", refresh_token AS "refreshToken", key_id AS "keyId"
     FROM connected_accounts JOIN users ON users.id = user_id WHERE subject = $1`,
    [subject],
  )
  return rows[0] ?? { userId: '', accessToken: '', refreshToken: '', keyId: '' }
}
const keysOf = (...keys: string[]) => SealingKeys.load(async () => keys)
const newKey = () => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64')

describe('a connected account', () => {
  test('shows whose it is and how long it lasts, to its user alone', async () => {
    const token = await tokenOf('rider')
    const { account } = await connect(token)
    expect(account).toMatchObject({
      provider: 'STRAVA',
      athleteId: '4711',
      expiresAt: '2027-01-01T00:00:00.000Z',
    })
    expect(await read(token)).toEqual([account])
    expect(await read(await tokenOf('stranger'))).toEqual([])
  })

  test('keeps its tokens sealed in the database, out of the log and out of the schema', async () => {
    const token = await tokenOf('secretive')
    const secrets = { accessToken: 'access-f00dfeed', refreshToken: 'refresh-f00dfeed' }
    await connect(token, secrets)
    // Also where the input is wrong, and where a statement fails.
    await connect(token, { ...secrets, athleteId: '' })
    const row = await stored('secretive')
    expect(JSON.stringify(row)).not.toContain('f00dfeed')
    expect(await openTokens(await keysOf(TEST_KEY), { ...row, provider: 'STRAVA' }, row)).toEqual(secrets)
    expect(log).toContain('database connection acquired')
    expect(log).not.toContain('f00dfeed')
    const { data } = await post(urls[0] ?? '', {
      query: '{ __type(name: "ConnectedAccount") { fields { name } } }',
    })
    expect(JSON.stringify(data)).not.toMatch(/token/i)
  })

  test('cannot be opened as the token of another user, of another kind, or when a bit of it is changed', async () => {
    await connect(await tokenOf('careful'))
    const row = await stored('careful')
    const keys = await keysOf(TEST_KEY)
    const owner = { userId: row.userId, provider: 'STRAVA' as const }
    await openTokens(keys, owner, row)
    const wrong = [
      openTokens(keys, { ...owner, userId: crypto.randomUUID() }, row),
      openTokens(keys, { ...owner, provider: 'WAKATIME' }, row),
      openTokens(keys, owner, { ...row, accessToken: row.refreshToken }),
      openTokens(keys, owner, { ...row, accessToken: row.accessToken.slice(0, -4) }),
      openTokens(await keysOf(newKey()), owner, row),
    ]
    for (const attempt of wrong) await expect(attempt).rejects.toThrow()
  })

  test('keeps the tokens that expire last of 30 that two gateways store at once, and of one that comes late', async () => {
    const token = await tokenOf('busy')
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, index) => {
        const day = ((index * 7) % 30) + 1
        const expiresAt = `2027-06-${String(day).padStart(2, '0')}T00:00:00.000Z`
        return connect(
          token,
          { expiresAt, accessToken: `access of ${day}`, refreshToken: `refresh of ${day}` },
          index % 2,
        )
      }),
    )
    expect(outcomes.map(({ __typename }) => __typename)).toEqual(outcomes.map(() => 'ConnectAccountPayload'))
    const late = await connect(token, { expiresAt: '2027-05-01T00:00:00.000Z', accessToken: 'late' })
    expect(late.account.expiresAt).toBe('2027-06-30T00:00:00.000Z')
    expect(await read(token)).toMatchObject([{ expiresAt: '2027-06-30T00:00:00.000Z' }])
    const row = await stored('busy')
    expect(await openTokens(await keysOf(TEST_KEY), { ...row, provider: 'STRAVA' }, row)).toEqual({
      accessToken: 'access of 30',
      refreshToken: 'refresh of 30',
    })
  })

  test('becomes another athlete’s whenever that one’s tokens expire', async () => {
    const token = await tokenOf('switcher')
    await connect(token)
    const other = await connect(token, { athleteId: '815', expiresAt: '2026-12-31T00:00:00.000Z' })
    expect(other.account).toMatchObject({ athleteId: '815', expiresAt: '2026-12-31T00:00:00.000Z' })
    expect(await read(token)).toHaveLength(1)
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['an empty athlete', { athleteId: '' }, 'athleteId'],
    ['an athlete with a line end', { athleteId: 'a\nb' }, 'athleteId'],
    ['an empty token', { accessToken: '' }, 'accessToken'],
    ['a token that no header can carry', { refreshToken: 'a\u0000' }, 'refreshToken'],
    ['a token of 9,000 characters', { accessToken: 'x'.repeat(9000) }, 'accessToken'],
    ['an expiry in another age', { expiresAt: '1969-01-01T00:00:00.000Z' }, 'expiresAt'],
  ])('is not made of %s', async (_what, input, field) => {
    const token = await tokenOf('careless')
    const { issues } = await connect(token, input)
    expect(issues.map(({ path }) => path)).toEqual([['input', field]])
    expect(await read(token)).toEqual([])
  })
})

describe('the rotation of the key', () => {
  test('seals every account anew while gateways go on storing with the old one, which it tells', async () => {
    const metrics = createMetrics()
    const logger = createLogger({ level: 'silent', format: 'json' })
    const client = createDatabaseClient({
      url: database.url,
      poolSize: 3,
      lockTimeoutMs: 5000,
      logger,
      metrics,
    })
    try {
      const transaction = createRunTransaction(client, { logger, metrics })
      await Promise.all(Array.from({ length: 7 }, async (_, n) => connect(await tokenOf(`sealed-${n}`))))
      const next = newKey()
      const keys = await keysOf(next, TEST_KEY)
      const late = Promise.all(
        Array.from({ length: 20 }, async (_, n) =>
          connect(await tokenOf(`sealed-${n % 7}`), { expiresAt: `2027-07-${n + 10}T00:00:00.000Z` }, n % 2),
        ),
      )
      const { resealed } = await rotateKey({ db: client, transaction, keys })
      expect(resealed).toBeGreaterThanOrEqual(7)
      await late
      const last = await rotateKey({ db: client, transaction, keys })
      expect(last.left).toBe(0)
      expect(await rotateKey({ db: client, transaction, keys })).toEqual({ resealed: 0, left: 0 })
      const row = await stored('sealed-0')
      expect(row.keyId).toBe((await keysOf(next)).keyId)
      expect(await openTokens(await keysOf(next), { ...row, provider: 'STRAVA' }, row)).toMatchObject({
        accessToken: 'an-access-token',
      })
    } finally {
      await client.close()
    }
  })

  test('keeps what is stored while it has a row, and passes over one that somebody holds', async () => {
    const metrics = createMetrics()
    const logger = createLogger({ level: 'silent', format: 'json' })
    const client = createDatabaseClient({
      url: database.url,
      poolSize: 3,
      lockTimeoutMs: 1000,
      logger,
      metrics,
    })
    const holder = new pg.Client(database.url)
    await holder.connect()
    try {
      const transaction = createRunTransaction(client, { logger, metrics })
      await database.query('DELETE FROM connected_accounts')
      await Promise.all(['kept', 'held'].map(async name => connect(await tokenOf(name))))
      const { userId } = await stored('held')
      await holder.query('BEGIN')
      await holder.query('SELECT 1 FROM connected_accounts WHERE user_id = $1 FOR UPDATE', [userId])
      // Waits with the tokens that it has read.
      const gate = new Gate()
      const real = await keysOf(newKey(), TEST_KEY)
      const keys = {
        keyId: real.keyId,
        seal: (secret: string, as: string) => real.seal(secret, as),
        open: async (sealed: Sealed, as: string) => {
          await gate.pass()
          return real.open(sealed, as)
        },
      } as SealingKeys
      const rotating = rotateKey({ db: client, transaction, keys })
      await gate.arrived(1)
      let isStored = false
      const storing = connect(await tokenOf('kept'), {
        accessToken: 'a newer one',
        expiresAt: '2027-02-01T00:00:00.000Z',
      }).then(() => {
        isStored = true
      })
      const waits = () =>
        database.query(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INTO connected_accounts%'",
        )
      await until(async () => isStored || (await waits()).length === 1, { what: 'the newer tokens to come' })
      gate.open()
      const { resealed, left } = await rotating
      expect(resealed).toBeGreaterThanOrEqual(1)
      // The one that is held, and perhaps the one that came meanwhile.
      expect(left).toBeGreaterThanOrEqual(1)
      await storing
      const row = await stored('kept')
      expect(await openTokens(real, { ...row, provider: 'STRAVA' }, row)).toMatchObject({
        accessToken: 'a newer one',
      })
    } finally {
      await holder.end()
      await client.close()
    }
  })

  test('a gateway that meets a key made since its start looks for it, once more', async () => {
    const [old, next] = [newKey(), newKey()]
    const sealed = (await keysOf(next, old)).seal('secret', 'as')
    const kept = [old]
    const keys = await SealingKeys.load(async () => [...kept])
    await expect(keys.open(sealed, 'as')).rejects.toThrow('which is not there')
    kept.unshift(next)
    expect(await keys.open(sealed, 'as')).toBe('secret')
  })
})
