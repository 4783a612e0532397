import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { until } from '../support/until.ts'
import { type BenchDatabase, round, startBenchDatabase } from './bench-database.ts'
import { type BenchInstance, startBenchInstance } from './bench-instance.ts'
import { benchHandover } from './handover.ts'
import { benchLeases } from './leases.ts'

/**
 * `npm run bench:coordination`: what coalescing costs and saves, on a PostgreSQL and instances of its own.
 * `npm run bench:coordination -- waiters keys leases handover` chooses; all four are the default.
 */
const parts = process.argv.slice(2)
const wanted = (part: string) => parts.length === 0 || parts.includes(part)

const database = await startBenchDatabase()
try {
  if (wanted('waiters'))
    console.table([
      await manyCallersOneKey(database, [10_000]),
      await manyCallersOneKey(database, [3000, 3000, 3000]),
    ])
  if (wanted('keys')) console.table([await manyKeys(database, { keys: 200, callers: 50, instances: 3 })])
  if (wanted('leases')) await benchLeases(database)
  if (wanted('handover')) await benchHandover(database)
} finally {
  await database.stop()
}
process.exit(0)

async function newUser(subject: string): Promise<string> {
  const [row] = await database.query<{ id: string }>(
    "INSERT INTO users (issuer, subject, email) VALUES ('', $1, 'bench@example.com') RETURNING id",
    [subject],
  )
  if (!row) throw new Error('no user')
  return row.id
}

async function withInstances<T>(
  count: number,
  generator: FakeGenerator,
  work: (instances: BenchInstance[]) => Promise<T>,
): Promise<T> {
  const instances = await Promise.all(
    Array.from({ length: count }, () => startBenchInstance(database.url, generator)),
  )
  try {
    return await work(instances)
  } finally {
    await Promise.all(instances.map(instance => instance.close()))
  }
}

/** `callers[i]` concurrent requests on instance i, all for one key; the provider answers when all of them wait. */
async function manyCallersOneKey(_database: BenchDatabase, callers: number[]) {
  const generator = new FakeGenerator()
  const gate = new Gate()
  let committedAt = 0
  generator.behave = () => gate.pass()
  const total = callers.reduce((sum, count) => sum + count, 0)
  return withInstances(callers.length, generator, async instances => {
    const userId = await newUser(`one key ${callers}`)
    // Warm code and connections with another key.
    const warmUp = await newUser(`warm up ${callers}`)
    gate.open()
    await Promise.all(instances.map(instance => ask(instance, warmUp)))
    generator.calls.length = 0
    const closed = new Gate()
    generator.behave = () => closed.pass()

    globalThis.gc?.()
    const before = process.memoryUsage().heapUsed
    const answers = instances.flatMap((instance, index) =>
      Array.from({ length: callers[index] ?? 0 }, () => ask(instance, userId)),
    )
    const waiters = () =>
      instances.reduce((sum, { coordination }) => sum + coordination.runOnce.figures.waiters, 0)
    await until(() => waiters() === total && closed.arrivals > 0, { what: 'all callers to wait' })
    globalThis.gc?.()
    const perWaiter = (process.memoryUsage().heapUsed - before) / total
    closed.open()
    const seen = watchCommit(userId).then(at => {
      committedAt = at
    })
    const outcomes = await Promise.all(answers)
    const lastAt = performance.now()
    await seen
    const sources = Object.groupBy(outcomes, outcome =>
      outcome.type === 'result' ? outcome.source : outcome.type,
    )
    const [rows] = await database.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM analyses WHERE user_id = $1',
      [userId],
    )
    return {
      callers: callers.join(' + '),
      'provider calls': generator.calls.length,
      rows: rows?.count,
      FRESH: sources.FRESH?.length ?? 0,
      JOINED: sources.JOINED?.length ?? 0,
      'bytes a waiter': Math.round(perWaiter),
      'commit seen to last answer (ms)': round(lastAt - committedAt),
    }
  })
}

async function watchCommit(userId: string): Promise<number> {
  await until(
    async () => (await database.query('SELECT 1 FROM analyses WHERE user_id = $1', [userId])).length > 0,
    { what: 'the commit' },
  )
  return performance.now()
}

function ask(instance: BenchInstance, userId: string) {
  return instance.requestAnalysis.execute({
    userId,
    archetype: 'PEAK_PERFORMER',
    forceRefresh: false,
    waitMs: null,
    idempotencyKey: null,
  })
}

async function manyKeys(
  _database: BenchDatabase,
  load: { keys: number; callers: number; instances: number },
) {
  const generator = new FakeGenerator()
  const gate = new Gate()
  generator.behave = () => gate.pass()
  return withInstances(load.instances, generator, async instances => {
    const users = await Promise.all(
      Array.from({ length: load.keys }, (_, index) => newUser(`many keys ${index}`)),
    )
    const startedAt = performance.now()
    const answers = users.flatMap(userId =>
      Array.from({ length: load.callers }, (_, index) => {
        const instance = instances[index % instances.length]
        if (!instance) throw new Error('no instance')
        return ask(instance, userId)
      }),
    )
    await until(() => gate.arrivals === load.keys, { what: 'every key to be generated', deadlineMs: 60_000 })
    const startedMs = performance.now() - startedAt
    gate.open()
    await Promise.all(answers)
    const [rows] = await database.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM analyses WHERE user_id = ANY($1)',
      [users],
    )
    return {
      load: `${load.keys} keys × ${load.callers} callers, ${load.instances} instances`,
      'provider calls': generator.calls.length,
      rows: rows?.count,
      'until all runs had begun (ms)': Math.round(startedMs),
      'in all (ms)': Math.round(performance.now() - startedAt),
    }
  })
}
