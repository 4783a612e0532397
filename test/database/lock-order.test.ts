import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { giveAttemptBack, takeAttempt } from '../../src/database/attempts.ts'
import { createDatabaseClient, type DatabaseClient } from '../../src/database/client.ts'
import { insertDataPoints } from '../../src/database/data-points.ts'
import { upsertStats } from '../../src/database/stats.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

/** Rows of one call: enough that two calls meet in the middle. */
const ROWS = 300
const ROUNDS = 25
const WRITERS = 4

let database: TestDatabase
let client: DatabaseClient
let userId: string

beforeAll(async () => {
  database = await createTestDatabase()
  client = createDatabaseClient({
    url: database.url,
    poolSize: WRITERS,
    lockTimeoutMs: 10_000,
    logger: createLogger({ level: 'silent', format: 'json' }),
    metrics: createMetrics(),
  })
  const [user] = await database.query<{ id: string }>(
    "INSERT INTO users (issuer, subject, email) VALUES ('', 'writer', 'writer@example.com') RETURNING id",
  )
  userId = user?.id ?? ''
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

const rows = Array.from({ length: ROWS }, (_, n) => `row ${n}`)
const backwards = [...rows].reverse()

/** Several at once, half of them in the opposite order. A deadlock would be an error of one of them. */
async function both(write: (names: readonly string[], round: number) => Promise<unknown>): Promise<void> {
  for (let round = 0; round < ROUNDS; round++)
    await Promise.all(
      Array.from({ length: WRITERS }, (_, writer) => write(writer % 2 ? rows : backwards, round)),
    )
}

describe('calls that write the same rows in opposite orders do not deadlock:', () => {
  test('stats', async () => {
    await both(names =>
      upsertStats(
        client,
        userId,
        'STRAVA',
        names.map(statsType => ({ statsType, data: {} })),
      ),
    )
    expect(await database.query('SELECT 1 FROM provider_stats')).toHaveLength(ROWS)
  })

  test('data points', async () => {
    await both((names, round) =>
      insertDataPoints(
        client,
        userId,
        1,
        names.map(name => ({
          metric: 'steps',
          value: 1,
          unit: null,
          recordedAt: new Date('2026-01-01T00:00:00Z'),
          source: `round ${round}`,
          externalId: name,
        })),
      ),
    )
    expect(await database.query('SELECT 1 FROM data_points')).toHaveLength(ROWS * ROUNDS)
  })

  test('attempts, also where one is given back', async () => {
    await both(async (names, round) => {
      await takeAttempt(
        client,
        names.map(key => ({ key, limit: 10, windowMs: 60_000 })),
      )
      const [first = '', second = ''] = round % 2 ? names : [...names].reverse()
      await giveAttemptBack(client, first, second)
    })
  })
})
