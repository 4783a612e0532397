import { createDatabaseClient, type DatabaseClient } from '../../src/database/client.ts'
import { SQLSTATE, sqlState } from '../../src/database/postgres-errors.ts'
import { upsertStats } from '../../src/database/stats.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { percentile, round, startBenchDatabase } from './bench-database.ts'

/**
 * `npm run bench:upsert`: the same writes of stats as select-then-write and as the one statement that the gateway uses, by one
 * writer and by 20, in turns. Each key is written 20 times, by whichever writers come to it. `-- --ops 200` does fewer.
 */
const opsArgument = process.argv.indexOf('--ops')
const OPS = opsArgument < 0 ? 4000 : Number(process.argv[opsArgument + 1])
const TURNS = 5
const WRITERS = 20
const WRITES_PER_KEY = 20

const database = await startBenchDatabase()
const metrics = createMetrics()
const client = createDatabaseClient({
  url: database.url,
  poolSize: WRITERS,
  lockTimeoutMs: 5000,
  logger: createLogger({ level: 'silent', format: 'json' }),
  metrics,
})
let statements = 0
const counting: DatabaseClient = {
  ...client,
  query(statement, values) {
    statements++
    return client.query(statement, values)
  },
}

const SELECT = {
  name: 'bench-select',
  text: `SELECT 1 FROM provider_stats WHERE user_id = $1::uuid AND provider = 'STRAVA' AND stats_type = $2::text`,
}
const INSERT = {
  name: 'bench-insert',
  text: `INSERT INTO provider_stats (user_id, provider, stats_type, data, updated_at)
    VALUES ($1::uuid, 'STRAVA', $2::text, $3::jsonb, clock_timestamp()) RETURNING *`,
}
const UPDATE = {
  name: 'bench-update',
  text: `UPDATE provider_stats SET data = $3::jsonb, updated_at = clock_timestamp()
    WHERE user_id = $1::uuid AND provider = 'STRAVA' AND stats_type = $2::text RETURNING *`,
}

const data = { distance: 1234.5, rides: 12 }
const ways = {
  'select, then write': async (userId: string, key: string) => {
    const known = await counting.query(SELECT, [userId, key])
    await counting.query(known.length > 0 ? UPDATE : INSERT, [userId, key, JSON.stringify(data)])
  },
  'one upsert': async (userId: string, key: string) => {
    await upsertStats(counting, userId, 'STRAVA', [{ statsType: key, data }])
  },
}

interface Figures {
  done: number
  seconds: number
  times: number[]
  statements: number
  duplicates: number
}
const figures = new Map<string, Figures>()

async function measure(
  way: keyof typeof ways,
  writers: number,
  turn: number,
  record: boolean,
): Promise<void> {
  const [user] = await database.query<{ id: string }>(
    'INSERT INTO users (issuer, subject, email) VALUES ($1, $2, $3) RETURNING id',
    ['', `${way} ${writers} ${turn} ${record}`, 'bench@example.com'],
  )
  const name = `${way}, ${writers === 1 ? 'one writer' : `${writers} writers`}`
  const known = figures.get(name) ?? { done: 0, seconds: 0, times: [], statements: 0, duplicates: 0 }
  statements = 0
  let next = 0
  const startedAt = performance.now()
  const write = async () => {
    while (next < OPS) {
      const key = `stats-${Math.floor(next++ / WRITES_PER_KEY)}`
      const writeStartedAt = performance.now()
      try {
        await ways[way](user?.id ?? '', key)
        known.done++
        known.times.push(performance.now() - writeStartedAt)
      } catch (error) {
        if (sqlState(error) !== SQLSTATE.uniqueViolation) throw error
        known.duplicates++
      }
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
  known.seconds += (performance.now() - startedAt) / 1000
  known.statements += statements
  if (record) figures.set(name, known)
}

try {
  // The connections are there and the statements planned before anything counts.
  for (const way of Object.keys(ways) as (keyof typeof ways)[]) await measure(way, WRITERS, 0, false)
  for (let turn = 0; turn < TURNS; turn++)
    for (const writers of [1, WRITERS])
      for (const way of Object.keys(ways) as (keyof typeof ways)[]) await measure(way, writers, turn, true)
  const rows = [...figures].map(([name, { done, seconds, times, statements, duplicates }]) => ({
    name,
    'writes/s': Math.round(done / seconds),
    'mean (ms)': round(times.reduce((sum, time) => sum + time, 0) / times.length, 2),
    'p99 (ms)': round(percentile(times, 0.99), 2),
    'statements/write': round(statements / (done + duplicates), 2),
    'duplicate-key errors': duplicates,
  }))
  console.table(Object.fromEntries(rows.map(({ name, ...rest }) => [name, rest])))
  const rate = (name: string) => rows.find(row => row.name === name)?.['writes/s'] ?? Number.NaN
  for (const load of ['one writer', `${WRITERS} writers`]) {
    const gain = rate(`one upsert, ${load}`) / rate(`select, then write, ${load}`) - 1
    console.log(`${load}: ${gain >= 0 ? '+' : ''}${Math.round(gain * 100)} % writes a second`)
  }
} finally {
  await client.close()
  await database.stop()
}
