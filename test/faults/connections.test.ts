import { Writable } from 'node:stream'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabaseClient, type DatabaseClient } from '../../src/database/client.ts'
import { createRunTransaction, type RunTransaction } from '../../src/database/transaction.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const POOL_SIZE = 8
const AT_ONCE = 24
const OPERATIONS = 5000

let database: TestDatabase
let gateways: TestGateway[]
let client: DatabaseClient
let transaction: RunTransaction
const logged: Record<string, unknown>[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  await database.query('CREATE TABLE wanted (id int PRIMARY KEY)')
  await database.query('INSERT INTO wanted SELECT generate_series(1, 1000)')
  gateways = await Promise.all(
    [1, 2].map(() =>
      startTestGateway({
        databaseUrl: database.url,
        generator: new FakeGenerator(),
        settings: { DATABASE_POOL_SIZE: '6', ACCOUNT_SYNC_MINUTES: '0' },
      }),
    ),
  )
  const destination = new Writable({
    write(chunk, _encoding, done) {
      for (const line of String(chunk).trim().split('\n')) logged.push(JSON.parse(line))
      done()
    },
  })
  const logger = createLogger({ level: 'debug', format: 'json', destination })
  const metrics = createMetrics()
  client = createDatabaseClient({
    url: database.url,
    poolSize: POOL_SIZE,
    lockTimeoutMs: 20,
    logger,
    metrics,
  })
  transaction = createRunTransaction(client, { logger, metrics })
})
afterAll(async () => {
  await client?.close()
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
})

const statement = (name: string, text: string) => ({ name: `connections-${name}`, text })
const DIVIDE = statement('divide', 'SELECT 1 / ($1::int - $1::int) AS x')
const CAST = statement('cast', 'SELECT $1::text::uuid AS x')
const DUPLICATE = statement('duplicate', 'INSERT INTO wanted VALUES ($1::int) RETURNING id')
const LOCK = statement('lock', 'SELECT id FROM wanted WHERE id = $1::int FOR UPDATE')
const SLOW = statement('slow', 'SELECT pg_sleep(0.2)::text AS x')
const IMPATIENT = statement('impatient', "SELECT set_config('statement_timeout', '5', true) AS x")
const END_SESSION = statement('end-session', 'SELECT pg_terminate_backend(pg_backend_pid()) AS x')

class Refused extends Error {}

/** Each fails or is broken off; each in a way of its own. */
const kinds: Record<string, (n: number) => Promise<unknown>> = {
  'a statement that fails': n => client.query(DIVIDE, [n]),
  'a parameter that does not fit': n => client.query(CAST, [`no uuid ${n}`]),
  'a row that is there': n => client.query(DUPLICATE, [(n % 1000) + 1]),
  'a transaction that throws before its first statement': () =>
    transaction('throws-first', () => Promise.reject(new Refused())),
  'a transaction that throws after writing and locking': n =>
    transaction('throws-late', async t => {
      await t.query(LOCK, [(n % 900) + 1])
      await t.query(DUPLICATE, [10_000 + n])
      throw new Refused()
    }),
  'a transaction whose statement fails': n =>
    transaction('statement-fails', async t => {
      await t.query(LOCK, [(n % 900) + 1])
      await t.query(DIVIDE, [n])
    }),
  'a transaction that goes on after its statement failed': n =>
    transaction('goes-on', async t => {
      await t.query(DIVIDE, [n]).catch(() => {})
      await t.query(LOCK, [1])
    }),
  'a transaction that throws after a savepoint was rolled back': n =>
    transaction('savepoint', async t => {
      await t.savepoint(async () => void (await t.query(DIVIDE, [n])))
      throw new Refused()
    }),
  'a transaction that waits for a lock in vain': () =>
    transaction('waits', async t => {
      await t.query(LOCK, [1000])
    }),
  'a transaction whose statement takes too long': () =>
    transaction('too-long', async t => {
      await t.query(IMPATIENT)
      await t.query(SLOW)
    }),
  'a transaction that takes too long': n =>
    transaction(
      'overdue',
      async t => {
        await t.query(LOCK, [(n % 900) + 1])
        await t.query(SLOW)
        await t.query(SLOW)
      },
      { timeoutMs: 50 },
    ),
  'a request that is refused for its input': async n => {
    await ask(n, `mutation { updatePreferences(input: { calorieGoal: ${n % 700} }) { __typename } }`)
    throw new Refused()
  },
  'a request that loses a race': async n => {
    await ask(n, 'mutation { updatePreferences(input: { expectedVersion: 77 }) { __typename } }')
    throw new Refused()
  },
  'a request whose client leaves': async n => {
    const leave = new AbortController()
    const asked = ask(
      n,
      'mutation { updatePreferences(input: { calorieGoal: 2000 }) { __typename } }',
      leave.signal,
    )
    setTimeout(() => leave.abort(), n % 20)
    await asked
    throw new Refused()
  },
  'a request for an analysis whose client leaves': async n => {
    const leave = new AbortController()
    const asked = ask(
      n,
      'mutation { requestAnalysis(input: { archetype: PEAK_PERFORMER }) { __typename } }',
      leave.signal,
    )
    setTimeout(() => leave.abort(), n % 20)
    await asked
    throw new Refused()
  },
}
/** These cost a connection each: some are enough. */
const rareKinds: Record<string, (n: number) => Promise<unknown>> = {
  'a session that the server ends': () => client.query(END_SESSION),
  'a transaction whose session the server ends': n =>
    transaction('session-ends', async t => {
      await t.query(LOCK, [(n % 900) + 1])
      await t.query(END_SESSION)
    }),
}

let tokens: string[] = []
function ask(n: number, query: string, signal?: AbortSignal) {
  const url = gateways[n % 2]?.url ?? ''
  return post(url, { query, token: tokens[n % tokens.length] ?? '', ...(signal && { signal }) })
}

/** What the server says of the sessions of gateways and of the pool under test. */
function sessionsThat(condition: string) {
  return database.query<{ state: string; query: string }>(
    `SELECT state, query FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tributary' AND ${condition}`,
  )
}

test(`${OPERATIONS} failing and aborted operations leave every pool whole, no session in a transaction, no lock`, async () => {
  tokens = await Promise.all(Array.from({ length: 7 }, (_, n) => tokenOf(`unlucky-${n}`)))

  const holder = new pg.Client(database.url)
  await holder.connect()
  await holder.query('BEGIN; SELECT 1 FROM wanted WHERE id = 1000 FOR UPDATE')

  const outcomes: Record<string, { failed: number; succeeded: number }> = {}
  let next = 0
  const names = Object.keys(kinds)
  const rareNames = Object.keys(rareKinds)
  const worker = async () => {
    while (next < OPERATIONS) {
      const n = next++
      const rare = n % 100 === 0
      const name = (rare ? rareNames[(n / 100) % rareNames.length] : names[n % names.length]) ?? ''
      outcomes[name] ??= { failed: 0, succeeded: 0 }
      const count = outcomes[name]
      const operation = rare ? rareKinds[name] : kinds[name]
      await operation?.(n).then(
        () => count.succeeded++,
        () => count.failed++,
      )
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  await holder.query('ROLLBACK')
  await holder.end()

  // Every one of them failed, as it was meant to.
  expect(Object.keys(outcomes).sort()).toEqual([...names, ...rareNames].sort())
  for (const [name, { failed, succeeded }] of Object.entries(outcomes)) {
    expect(failed, name).toBeGreaterThan(0)
    expect(succeeded, name).toBe(0)
  }

  // The pool is whole: nothing is out, nobody waits, and all of it can be had at once.
  await until(() => client.pool.idleCount === client.pool.totalCount, { what: 'every connection to be back' })
  expect(client.pool.waitingCount).toBe(0)
  const held = await Promise.all(Array.from({ length: POOL_SIZE }, () => client.pool.connect()))
  expect(client.pool.totalCount).toBe(POOL_SIZE)
  for (const one of held) one.release()
  for (const gateway of gateways) {
    await until(
      async () => {
        const text = await (await fetch(`${gateway.url}/metrics`)).text()
        const [, active] = /^database_pool_connections\{state="active"\} (\d+)/m.exec(text) ?? []
        const [, waiting] = /^database_pool_connections\{state="waiting"\} (\d+)/m.exec(text) ?? []
        return active === '0' && waiting === '0'
      },
      { what: 'the pool of a gateway to be whole' },
    )
  }

  // The server agrees.
  await until(async () => (await sessionsThat("state LIKE 'idle in transaction%'")).length === 0, {
    what: 'no session to be idle in a transaction',
  })
  const locks = () =>
    database.query(
      `SELECT mode, locktype FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
       WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.state = 'idle' AND locktype <> 'advisory'`,
    )
  expect(await locks()).toEqual([])
  expect(await database.query('SELECT 1 FROM wanted WHERE id > 1000')).toEqual([])

  // And so does the log: what was acquired was released, what began ended.
  const count = (msg: string) => logged.filter(entry => entry.msg === msg).length
  expect(count('database connection acquired')).toBeGreaterThan(2000)
  expect(count('database connection released')).toBe(count('database connection acquired'))
  expect(count('begin')).toBeGreaterThan(1000)
  expect(count('rollback')).toBeGreaterThanOrEqual(count('begin'))
  const rollback = logged.find(entry => entry.msg === 'rollback' && entry.transaction === 'throws-late')
  expect(rollback?.ms).toBeGreaterThan(0)

  // What comes next works.
  await expect(transaction('fine', t => t.query(LOCK, [1]))).resolves.toEqual([{ id: 1 }])
  const fine = await ask(0, 'mutation { updatePreferences(input: { calorieGoal: 2100 }) { __typename } }')
  expect(fine.data).toEqual({ updatePreferences: { __typename: 'UpdatePreferencesPayload' } })
}, 300_000)
