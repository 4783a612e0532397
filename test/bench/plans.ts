import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { FakeGenerator } from '../support/fake-generator.ts'
import { percentile, round, startBenchDatabase } from './bench-database.ts'
import { type BenchInstance, startBenchInstance } from './bench-instance.ts'

/**
 * `npm run bench -- plans`: 500 users over three instances, each asking for an analysis, a routine, a nutrition and a menu
 * at the same moment; first all users at once, then some each second, which shows what a request costs that does not
 * wait behind 2,000 others. The gateway's own time is what a request took less what its provider calls took. Statements are
 * all that the instances send, BEGIN, COMMIT and renewals of leases included.
 */
const USERS = 500
const INSTANCES = 3
const KINDS = ['ROUTINE', 'NUTRITION', 'MENU'] as const
/** Believable next to the database's milliseconds, short enough for a benchmark. */
const PROVIDER_MS = 200
const SPREAD_MS = 20_000

let statements = 0
const { query } = pg.Client.prototype
pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
  statements++
  return (query as (...args: unknown[]) => unknown).apply(this, args)
} as typeof query

const database = await startBenchDatabase()
const generator = new FakeGenerator()
generator.behave = async () => void (await sleep(PROVIDER_MS))
generator.behavePlan = async () => void (await sleep(PROVIDER_MS))
const instances = await Promise.all(
  Array.from({ length: INSTANCES }, () => startBenchInstance(database.url, generator)),
)
console.table([await run('all at once', 0), await run(`over ${SPREAD_MS / 1000} s`, SPREAD_MS)])
await Promise.all(instances.map(instance => instance.close()))
await database.stop()
process.exit(0)

async function run(load: string, spreadMs: number) {
  const users = await database.query<{ id: string }>(
    "INSERT INTO users (issuer, subject, email) SELECT '', $2 || n, 'bench@example.com' FROM generate_series(1, $1) n RETURNING id",
    [USERS, load],
  )
  const statementsBefore = statements
  const callsBefore = generator.calls.length + generator.planCalls.length
  const ownMs: number[] = []
  const sources: Record<string, number> = {}
  const timed = async (providerCalls: number, work: () => Promise<{ type: string; source?: string }>) => {
    const startedAt = performance.now()
    const outcome = await work()
    ownMs.push(performance.now() - startedAt - providerCalls * PROVIDER_MS)
    const name = outcome.type === 'result' ? String(outcome.source) : outcome.type
    sources[name] = (sources[name] ?? 0) + 1
  }
  const startedAt = performance.now()
  await Promise.all(
    users.map(async ({ id }, index) => {
      await sleep((spreadMs * index) / USERS)
      const at = (offset: number) => instances[(index + offset) % INSTANCES] as BenchInstance
      await askForAll(id, at, timed)
    }),
  )
  const tookMs = performance.now() - startedAt
  const sent = statements - statementsBefore
  const [rows] = await database.query<{ analyses: number; plans: number; doubled: number }>(
    `SELECT (SELECT count(*)::int FROM analyses WHERE user_id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))) AS analyses,
       (SELECT count(*)::int FROM plans WHERE user_id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))) AS plans,
       (SELECT count(*)::int FROM (SELECT 1 FROM plans WHERE user_id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))
          GROUP BY user_id, kind HAVING count(*) > 1) d) AS doubled`,
    [JSON.stringify(users.map(({ id }) => id))],
  )
  const calls = generator.calls.length + generator.planCalls.length - callsBefore
  const plans = KINDS.length * USERS
  assert.deepEqual(rows, { analyses: USERS, plans, doubled: 0 })
  assert.equal(calls, USERS + plans, 'one provider call for each of them')
  for (const source of Object.keys(sources))
    assert.ok(['FRESH', 'JOINED', 'RECENT'].includes(source), `${source} for none`)
  return {
    load,
    requests: ownMs.length,
    'provider calls': calls,
    'statements a run': round(sent / (USERS + plans)),
    ...rows,
    ...sources,
    'in all (ms)': Math.round(tookMs),
    'own time p50 (ms)': round(percentile(ownMs, 0.5)),
    'own time p99 (ms)': round(percentile(ownMs, 0.99)),
  }
}

async function askForAll(
  userId: string,
  at: (offset: number) => BenchInstance,
  timed: (providerCalls: number, work: () => Promise<{ type: string; source?: string }>) => Promise<void>,
): Promise<void> {
  const request = {
    userId,
    archetype: 'PEAK_PERFORMER',
    forceRefresh: false,
    waitMs: null,
    idempotencyKey: null,
  } as const
  await Promise.all([
    timed(1, () => at(0).requestAnalysis.execute(request)),
    // A plan waits for the analysis, then for its own call.
    ...KINDS.map((kind, offset) =>
      timed(2, () => at(offset).generatePlan.execute({ ...request, kind, days: null })),
    ),
  ])
}
