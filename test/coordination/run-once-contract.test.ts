import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe } from 'vitest'
import { PostgresLeases } from '../../src/coordination/postgres-leases.ts'
import { createDatabaseClient, type DatabaseClient } from '../../src/database/client.ts'
import { LIVENESS_LOCK_CLASS } from '../../src/database/leases.ts'
import { createRunTransaction, type RunTransaction } from '../../src/database/transaction.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { SimulatedLeases, SimulatedStore, STORE_RESULT, type Wire } from '../support/simulated-leases.ts'
import { leasesContract } from '../support/simulated-leases-contract.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

/** What the simulation is made of keeps the same promises as what it stands for. */

const TTL_MS = 60_000

leasesContract('the simulated store', { expiry: true, owners: true, claims: true }, async () => {
  let nowMs = 1_000_000
  const store = new SimulatedStore({ nowMs: () => nowMs++ })
  const wire: Wire = async (_, run) => run()
  const [first, second] = [1, 2].map(owner => {
    store.living.add(owner)
    return new SimulatedLeases({ store, wire, owner, ttlMs: TTL_MS })
  })
  if (!first || !second) throw new Error('unreachable')
  return {
    first,
    second,
    newSubject: () => ({ key: randomUUID(), kind: 'BEHAVIOR_ANALYSIS', userId: 'ada', archetype: null }),
    newResultId: () => randomUUID(),
    storing:
      id =>
      async (transaction, { runId, epoch }) => {
        await transaction.query(STORE_RESULT, [id, runId, epoch, 1])
        return id
      },
    isStored: async id => store.results.some(result => result.id === id),
    endBackoff: async key => store.age(key, { retryAfterMs: nowMs - 1 }),
    expire: async key => store.age(key, { leaseUntilMs: nowMs - 1 }),
    killFirst: async () => void store.living.delete(1),
    close: async () => {},
  }
})

describe('on a real PostgreSQL', () => {
  let database: TestDatabase
  let client: DatabaseClient
  let transaction: RunTransaction
  let userId: string
  beforeAll(async () => {
    database = await createTestDatabase()
    const logger = createLogger({ level: 'silent', format: 'json' })
    const metrics = createMetrics()
    client = createDatabaseClient({ url: database.url, poolSize: 10, lockTimeoutMs: 300, logger, metrics })
    transaction = createRunTransaction(client, { logger, metrics })
    const rows = await database.query<{ id: string }>(
      "INSERT INTO users (issuer, subject, email) VALUES ('test', 'ada', 'ada@example.com') RETURNING id",
    )
    userId = rows[0]?.id ?? ''
  })
  afterAll(async () => {
    await client.close()
    await database.drop()
  })

  /** An instance as the others see it: a session that holds its lock. */
  async function startOwner() {
    const session = new pg.Client(database.url)
    await session.connect()
    const { rows } = await session.query<{ number: number }>(
      "SELECT nextval('instance_numbers')::int AS number",
    )
    const number = rows[0]?.number ?? 0
    await session.query('SELECT pg_advisory_lock($1, $2)', [LIVENESS_LOCK_CLASS, number])
    const leases = new PostgresLeases({
      client,
      transaction,
      owner: () => number,
      ttlMs: TTL_MS,
      notifiesProgress: true,
    })
    let ended: Promise<void> | undefined
    return {
      leases,
      end: async () => {
        ended ??= session.end()
        await ended
        await until(
          async () => {
            const locks = await database.query(
              "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = $1::int::oid AND mode = 'ExclusiveLock'",
              [number],
            )
            return locks.length === 0
          },
          { what: 'the end of a session' },
        )
      },
    }
  }

  leasesContract('PostgreSQL', { expiry: true, owners: true, claims: true }, async () => {
    const [first, second] = await Promise.all([startOwner(), startOwner()])
    const set = (column: string) => async (key: string) => {
      await database.query(
        `UPDATE leases SET ${column} = clock_timestamp() - interval '1 ms' WHERE key = $1`,
        [key],
      )
    }
    return {
      first: first.leases,
      second: second.leases,
      newSubject: () => ({
        key: randomUUID(),
        kind: 'BEHAVIOR_ANALYSIS',
        userId,
        archetype: 'PEAK_PERFORMER',
      }),
      newResultId: () => randomUUID(),
      storing: id => async transaction => {
        const insert = {
          name: 'test-store-result',
          text: "INSERT INTO users (id, issuer, subject, email) VALUES ($1::uuid, 'result', $1, '') RETURNING 1",
        }
        await transaction.query(insert, [id])
        return id
      },
      isStored: async id => (await database.query('SELECT 1 FROM users WHERE id = $1', [id])).length === 1,
      endBackoff: set('retry_after'),
      expire: set('lease_until'),
      killFirst: first.end,
      close: async () => {
        await Promise.all([first.end(), second.end()])
      },
    }
  })
})
