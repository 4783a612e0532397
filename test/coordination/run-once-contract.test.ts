import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Acquisition, Lease, Leases, RunSubject } from '../../src/coordination/lease.ts'
import { PostgresLeases } from '../../src/coordination/postgres-leases.ts'
import {
  createDatabaseClient,
  type DatabaseClient,
  type Statement,
  type Value,
} from '../../src/database/client.ts'
import { HAND_OVER_CHANNEL, LIVENESS_LOCK_CLASS, RUN_CHANNEL } from '../../src/database/leases.ts'
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
    forget: async runId => store.forget(runId),
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
  async function startOwner({ through = client, notifiesProgress = true } = {}) {
    const session = new pg.Client(database.url)
    await session.connect()
    const { rows } = await session.query<{ number: number }>(
      "SELECT nextval('instance_numbers')::int AS number",
    )
    const number = rows[0]?.number ?? 0
    await session.query('SELECT pg_advisory_lock($1, $2)', [LIVENESS_LOCK_CLASS, number])
    const leases = new PostgresLeases({
      client: through,
      transaction,
      owner: () => number,
      ttlMs: TTL_MS,
      notifiesProgress,
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

  const subjectOf = (key: string): RunSubject => ({
    key,
    kind: 'BEHAVIOR_ANALYSIS',
    userId,
    archetype: 'PEAK_PERFORMER',
  })
  const granted = async (acquisition: Promise<Acquisition>): Promise<Lease> => {
    const answer = await acquisition
    if (answer.type !== 'acquired') throw new Error(`no lease, but ${JSON.stringify(answer)}`)
    return answer.lease
  }
  const FAILURE = { message: 'as the test wanted', retryable: true, retryAfterMs: 60_000 }

  test('takes nothing over for somebody without a session of their own: after a restart nobody has one', async () => {
    const [owner, other] = [await startOwner(), await startOwner()]
    const subject = subjectOf(randomUUID())
    await granted(owner.leases.acquire(subject))
    await Promise.all([owner.end(), other.end()])
    expect(await other.leases.acquire(subject)).toMatchObject({ type: 'running' })
    const back = await startOwner()
    onTestFinished(back.end)
    expect(await granted(back.leases.acquire(subject))).toMatchObject({
      epoch: 2,
      takeoverCause: 'owner_gone',
    })
  })

  test.each([true, false])(
    'tells whoever listens how a run ends, and of its steps where nobody else carries them: %s',
    async notifiesProgress => {
      const listener = new pg.Client(database.url)
      onTestFinished(() => listener.end())
      await listener.connect()
      const heard: string[] = []
      listener.on('notification', ({ channel, payload = '' }) => {
        if (channel === RUN_CHANNEL) heard.push(payload)
      })
      await listener.query(`LISTEN ${RUN_CHANNEL}`)
      const handedOver: string[] = []
      listener.on('notification', ({ channel, payload = '' }) => {
        if (channel === HAND_OVER_CHANNEL) handedOver.push(payload)
      })
      await listener.query(`LISTEN ${HAND_OVER_CHANNEL}`)
      const owner = await startOwner({ notifiesProgress })
      onTestFinished(owner.end)
      const { leases } = owner
      const step = { phase: 'GENERATING', progress: 0.5 } as const
      const expected: string[] = []
      const expectedHandedOver: string[] = []
      const handOver = (lease: Lease) => leases.handOver(lease)
      for (const [happen, tells] of [
        [(lease: Lease) => leases.advance(lease, step), notifiesProgress],
        [(lease: Lease) => leases.commit(lease, async () => randomUUID()), true],
        [(lease: Lease) => leases.fail(lease, FAILURE), true],
        [handOver, true],
        [(lease: Lease) => leases.withdraw(lease, { resultId: randomUUID(), inputRevision: 1 }), true],
      ] as const) {
        const lease = await granted(leases.acquire(subjectOf(randomUUID())))
        await happen(lease)
        if (tells) expected.push(lease.runId)
        if (happen === handOver) expectedHandedOver.push(lease.runId)
      }
      // Of what changes nothing there is nothing to tell.
      const ended = await granted(leases.acquire(subjectOf(randomUUID())))
      await leases.fail(ended, FAILURE)
      expected.push(ended.runId)
      await leases.advance(ended, step)
      await leases.fail(ended, FAILURE)
      await leases.handOver(ended)
      await leases.withdraw(ended, { resultId: randomUUID(), inputRevision: 1 })
      // What was sent before this has arrived with it.
      await database.query(`SELECT pg_notify('${RUN_CHANNEL}', 'the last')`)
      await until(() => heard.includes('the last'), { what: 'the last message' })
      expect(heard).toEqual([...expected, 'the last'])
      expect(handedOver).toEqual(expectedHandedOver)
    },
  )

  test.each([
    ['a run that ends', (leases: Leases, lease: Lease) => leases.commit(lease, async () => randomUUID()), 0],
    [
      'a wait after a failure that ends',
      (_: Leases, { key }: Lease) =>
        database.query('UPDATE leases SET retry_after = clock_timestamp() WHERE key = $1', [key]),
      1,
    ],
  ] as const)(
    '%s between the try and the look at who has the lease gives it to who asks',
    async (_, end, failures) => {
      const owner = await startOwner()
      onTestFinished(owner.end)
      const subject = subjectOf(randomUUID())
      const lease = await granted(owner.leases.acquire(subject))
      if (failures > 0) await owner.leases.fail(lease, FAILURE)
      let looks = 0
      const passedBy: DatabaseClient = Object.assign(Object.create(client), {
        query: async (statement: Statement, values: readonly Value[]) => {
          if (statement.name === 'leases-read-holder' && looks++ === 0) await end(owner.leases, lease)
          return client.query(statement, values)
        },
      })
      const other = await startOwner({ through: passedBy })
      onTestFinished(other.end)
      expect(await granted(other.leases.acquire(subject))).toMatchObject({ epoch: 2, attempts: failures })
      expect(looks).toBe(1)
    },
  )

  test('calls a run abandoned whose lease somebody has deleted, and lets it be run anew', async () => {
    const owner = await startOwner()
    onTestFinished(owner.end)
    const subject = subjectOf(randomUUID())
    const lease = await granted(owner.leases.acquire(subject))
    await database.query('DELETE FROM leases WHERE key = $1', [subject.key])
    expect(await owner.leases.find([lease.runId])).toMatchObject([
      { state: 'RUNNING', phase: 'WAITING', abandoned: true },
    ])
    expect(await granted(owner.leases.acquire(subject))).toMatchObject({ epoch: 1, takeoverCause: null })
  })

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
      newSubject: () => subjectOf(randomUUID()),
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
      forget: async runId => void (await database.query('DELETE FROM generations WHERE id = $1', [runId])),
      close: async () => {
        await Promise.all([first.end(), second.end()])
      },
    }
  })
})
