import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
const CHECK = fileURLToPath(new URL('../../src/check-consistency.ts', import.meta.url))

let database: TestDatabase
let gateways: TestGateway[]
let user: string

beforeAll(async () => {
  database = await createTestDatabase()
  const open = () => startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })
  gateways = await Promise.all([open(), open()])
})
beforeEach(async () => {
  const [row] = await database.query<{ id: string }>(
    "INSERT INTO users (issuer, subject, email) VALUES ('', $1, 'a@example.com') RETURNING id",
    [randomUUID()],
  )
  user = row?.id ?? ''
})
afterAll(async () => {
  await Promise.all((gateways ?? []).map(gateway => gateway.close()))
  await database?.drop()
})

const clearedRows = async () => {
  let rows = 0
  for (const { metrics } of gateways)
    for (const { value } of (await metrics.maintenanceCleared.get()).values) rows += value
  return rows
}

/** Puts the hourly job in, as its time coming would, and waits until it has been done. */
async function clearNow(): Promise<void> {
  const id = randomUUID()
  await database.query("INSERT INTO tributary_jobs.job (id, name) VALUES ($1, 'clear-ended')", [id])
  await until(
    async () => {
      const [job] = await database.query<{ state: string }>(
        'SELECT state::text FROM tributary_jobs.job WHERE id = $1',
        [id],
      )
      return job?.state === 'completed'
    },
    { what: 'the job to be done' },
  )
}

/** One row that has ended long ago and one that has not, of every table that is cleared: their inserts, given an age. */
const ROWS: [table: string, insert: (ageHours: number) => [text: string, values: unknown[]], kept: number][] =
  [
    [
      'idempotency_keys',
      hours => [
        `INSERT INTO idempotency_keys (user_id, key, fingerprint, answer, created_at)
       VALUES ($1, $2, '', '{}', clock_timestamp() - $3 * interval '1 hour')`,
        [user, randomUUID(), hours],
      ],
      23,
    ],
    [
      'outbox',
      hours => [
        `INSERT INTO outbox (topic, key, payload, published_at)
       VALUES ('test', $1, '{}', clock_timestamp() - $2 * interval '1 hour')`,
        [randomUUID(), hours],
      ],
      23,
    ],
    [
      'attempt_windows',
      hours => [
        `INSERT INTO attempt_windows (key, count, ends_at) VALUES ($1, 1, clock_timestamp() - $2 * interval '1 hour')`,
        [randomUUID(), hours],
      ],
      -1,
    ],
    [
      'email_tokens',
      hours => [
        `INSERT INTO email_tokens (token_hash, user_id, purpose, expires_at)
       VALUES ($1, $2, 'VERIFY_EMAIL', clock_timestamp() - $3 * interval '1 hour')`,
        [randomUUID(), user, hours],
      ],
      23,
    ],
    [
      'sessions',
      hours => [
        `INSERT INTO sessions (id, user_id, expires_at) VALUES ($1, $2, clock_timestamp() - $3 * interval '1 hour')`,
        [randomUUID(), user, hours],
      ],
      23,
    ],
    [
      'leases',
      hours => [
        `WITH run AS (
         INSERT INTO generations (id, key, kind, user_id, state, epoch, started_at, finished_at)
         VALUES ($1::text::uuid, $1::text, 'CONVERSATION_REPLY', $2, 'SUCCEEDED', 1, clock_timestamp(), clock_timestamp() - $3 * interval '1 hour')
         RETURNING id)
       INSERT INTO leases (key, state, epoch, owner, lease_until, run_id, phase, progress)
       SELECT id::text, 'SUCCEEDED', 1, 1, clock_timestamp(), id, 'DONE', 1 FROM run`,
        [randomUUID(), user, hours],
      ],
      23,
    ],
  ]

describe('each hour', () => {
  test('is put down for one job of all instances, and the consistency check for each month', async () => {
    const schedules = await database.query(
      'SELECT name, cron, timezone FROM tributary_jobs.schedule ORDER BY name',
    )
    expect(schedules).toEqual([
      { name: 'check-consistency', cron: '0 3 1 * *', timezone: 'UTC' },
      { name: 'clear-ended', cron: '17 * * * *', timezone: 'UTC' },
    ])
  })

  test.each(ROWS)('%s that have ended go, and those that still count stay', async (table, insert, kept) => {
    const count = async () =>
      (await database.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table}`))[0]?.count ?? 0
    const before = await count()
    for (const hours of [kept, 25, 300]) {
      const [text, values] = insert(hours)
      await database.query(text, values)
    }
    const cleared = await clearedRows()
    await clearNow()
    expect(await count()).toBe(before + 1)
    expect((await clearedRows()) - cleared).toBe(2)
  })

  test('more than one statement takes are all cleared', async () => {
    await database.query(
      `INSERT INTO attempt_windows (key, count, ends_at)
       SELECT 'many ' || n, 1, clock_timestamp() - interval '1 hour' FROM generate_series(1, 2500) n`,
    )
    await clearNow()
    const left = await database.query("SELECT 1 FROM attempt_windows WHERE key LIKE 'many %'")
    expect(left).toEqual([])
  })
})

describe('npm run check:consistency', () => {
  async function check(...args: string[]) {
    const env = { ...process.env, DATABASE_URL: database.url }
    return run(NODE, [CHECK, ...args], { env }).then(
      ({ stdout }) => ({ code: 0, out: stdout.trim() }),
      ({ code, stdout, stderr }) => ({ code: code as number, out: `${stdout}${stderr}`.trim() }),
    )
  }

  test('says that all is well, beside gateways at work', async () => {
    await requestAnalysis(gateways[0]?.url ?? '', await tokenOf('well'))
    expect(await check()).toEqual({ code: 0, out: 'ok: nothing is wrong' })
  })

  test('names what is wrong and ends with 1, and repairs what it is told to', async () => {
    await requestAnalysis(gateways[0]?.url ?? '', await tokenOf('miscounted'))
    await database.query(
      "UPDATE archetype_tracking SET analysis_count = 7 WHERE user_id = (SELECT id FROM users WHERE subject = 'miscounted')",
    )
    const found = await check()
    expect(found.code).toBe(1)
    expect(found.out).toMatch(/^tracking_mismatch: 1, such as [0-9a-f-]{36}:\w+\nWith --repair/)
    const repaired = await check('--repair')
    expect(repaired.code).toBe(0)
    expect(repaired.out).toContain('tracking_mismatch: 1, 1 repaired')
    expect((await check()).code).toBe(0)
  })

  test('two results of one run are found, and left to a person', async () => {
    await requestAnalysis(gateways[0]?.url ?? '', await tokenOf('doubled'))
    await database.query(
      `INSERT INTO analyses (user_id, type, archetype, mode, trigger, date, summary, result, data_point_count, data_revision, generation_id, created_at)
       SELECT user_id, type, archetype, mode, 'by hand', date, summary, result, data_point_count, data_revision, generation_id, created_at
       FROM analyses WHERE user_id = (SELECT id FROM users WHERE subject = 'doubled')`,
    )
    await database.query(
      "UPDATE archetype_tracking SET analysis_count = 2 WHERE user_id = (SELECT id FROM users WHERE subject = 'doubled')",
    )
    const left = await check('--repair')
    expect(left.code).toBe(1)
    expect(left.out).toMatch(/^duplicate_analysis: 1, such as [0-9a-f-]{36}\nWhat is left/)
    await database.query("DELETE FROM analyses WHERE trigger = 'by hand'")
    await check('--repair')
  })

  test('a fact that is promoted and not in the log of promotions is found', async () => {
    await database.query(
      `INSERT INTO collective_facts (hash, content, category, promoted_at, first_seen_at, last_confirmed_at)
       VALUES (sha256('x'), 'a fact', 'general', clock_timestamp(), clock_timestamp(), clock_timestamp())`,
    )
    expect((await check()).out).toContain('promotion_mismatch: 1')
    await database.query("DELETE FROM collective_facts WHERE hash = sha256('x')")
  })

  test('ends with 2 and says what to do where it cannot look', async () => {
    const env = { ...process.env, DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' }
    await expect(run(NODE, [CHECK], { env })).rejects.toMatchObject({ code: 2 })
    expect(await check('--mend')).toMatchObject({
      code: 2,
      out: expect.stringContaining('Usage: npm run check'),
    })
  })
})
