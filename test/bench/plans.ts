import { setTimeout as sleep } from 'node:timers/promises'
import { FakeGenerator } from '../support/fake-generator.ts'
import { percentile, round, startBenchDatabase } from './bench-database.ts'
import { startBenchInstance } from './bench-instance.ts'

/**
 * `npm run bench -- plans`: 500 users over three instances, each asking for an analysis, a routine, a nutrition and a menu
 * at the same moment. The gateway's own time is what a request took less what its provider calls took.
 */
const USERS = 500
const INSTANCES = 3
const KINDS = ['ROUTINE', 'NUTRITION', 'MENU'] as const
/** Believable next to the database's milliseconds, short enough for a benchmark. */
const PROVIDER_MS = 200

const database = await startBenchDatabase()
const generator = new FakeGenerator()
generator.behave = async () => void (await sleep(PROVIDER_MS))
generator.behavePlan = async () => void (await sleep(PROVIDER_MS))
const instances = await Promise.all(
  Array.from({ length: INSTANCES }, () => startBenchInstance(database.url, generator)),
)
const users = await database.query<{ id: string }>(
  "INSERT INTO users (issuer, subject, email) SELECT '', 'plans ' || n, 'bench@example.com' FROM generate_series(1, $1) n RETURNING id",
  [USERS],
)

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
  users.flatMap(({ id: userId }, index) => {
    const common = {
      userId,
      archetype: 'PEAK_PERFORMER',
      forceRefresh: false,
      waitMs: null,
      idempotencyKey: null,
    } as const
    const at = (offset: number) => {
      const instance = instances[(index + offset) % INSTANCES]
      if (!instance) throw new Error('no instance')
      return instance
    }
    return [
      timed(1, () => at(0).requestAnalysis.execute(common)),
      ...KINDS.map((kind, offset) =>
        timed(2, () => at(offset).generatePlan.execute({ ...common, kind, days: null })),
      ),
    ]
  }),
)
const tookMs = performance.now() - startedAt
const [rows] = await database.query<{ analyses: number; plans: number; doubled: number }>(`
  SELECT (SELECT count(*)::int FROM analyses) AS analyses, (SELECT count(*)::int FROM plans) AS plans,
    (SELECT count(*)::int FROM (SELECT 1 FROM plans GROUP BY user_id, kind HAVING count(*) > 1) d) AS doubled`)
console.table([
  {
    requests: ownMs.length,
    'provider calls': generator.calls.length + generator.planCalls.length,
    ...rows,
    ...sources,
    'in all (ms)': Math.round(tookMs),
    'own time p50 (ms)': round(percentile(ownMs, 0.5)),
    'own time p99 (ms)': round(percentile(ownMs, 0.99)),
  },
])
await Promise.all(instances.map(instance => instance.close()))
await database.stop()
process.exit(0)
