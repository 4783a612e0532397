import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { createDatabaseClient } from '../../src/database/client.ts'
import { createRunTransaction } from '../../src/database/transaction.ts'
import { ContributeFact } from '../../src/domain/facts/contribute-fact.ts'
import { factHash } from '../../src/domain/facts/normalise-fact.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { type BenchDatabase, percentile, round, startBenchDatabase } from './bench-database.ts'

/**
 * `npm run bench:facts`: contributions a second of 50 concurrent callers, to one fact and to 1,000 facts: the use case,
 * and one transaction each written by hand over `pg` on a pool of the same size. Every contribution is of a user who has
 * not contributed the fact before. `SECONDS=2` makes each of the four runs, three times in turn, that long.
 */
const CALLERS = 50
const POOL = 10
// Each contributes a fact once: more than a run takes.
const USERS = 200_000
const SECONDS = Number(process.env.SECONDS ?? 5)
const ROUNDS = 3
const THRESHOLD = 3

type Contribute = (userId: string, fact: string) => Promise<void>

const database = await startBenchDatabase()
const users = (
  await database.query<{ id: string }>(
    `INSERT INTO users (issuer, subject, email)
     SELECT '', 'facts ' || n, 'bench@example.com' FROM generate_series(1, $1) n RETURNING id`,
    [USERS],
  )
).map(user => user.id)

const contenders = { 'by hand': await byHand(database), 'group commit': groupCommit(database) }
const rows: Record<string, Record<string, number>> = {}
for (const facts of [1, 1000]) {
  const rates: Record<string, number[]> = {}
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, contender] of Object.entries(contenders)) {
      const { rate, times } = await run(contender.contribute, facts)
      rates[name] = [...(rates[name] ?? []), rate]
      rows[`${facts} facts, ${name}`] = {
        'contributions/s': Math.round(percentile(rates[name], 0.5)),
        'p50 (ms)': round2(percentile(times, 0.5)),
        'p99 (ms)': round2(percentile(times, 0.99)),
      }
    }
  }
  const [hand, group] = [rates['by hand'] ?? [], rates['group commit'] ?? []]
  rows[`${facts} facts, group commit to by hand`] = {
    times: round(percentile(group, 0.5) / percentile(hand, 0.5)),
  }
}
const [wrong] = await database.query<{ count: number }>(
  `SELECT count(*)::int AS count FROM collective_facts f
   WHERE source_count <> (SELECT count(*) FROM fact_sources s WHERE s.fact_id = f.id)
     OR (promoted_at IS NOT NULL) <> (source_count >= ${THRESHOLD})`,
)
console.table(rows)
console.log(`facts whose count or promotion is wrong: ${wrong?.count}`)
for (const contender of Object.values(contenders)) await contender.close()
await database.stop()
process.exit(0)

function round2(ms: number): number {
  return round(ms, 2)
}

/** Callers in a closed loop; of several facts each in turn, and then the next user. */
async function run(contribute: Contribute, count: number): Promise<{ rate: number; times: number[] }> {
  const name = randomUUID()
  const facts = Array.from({ length: count }, (_, index) => `fact ${index} of ${name}`)
  const times: number[] = []
  let next = 0
  const startedAt = performance.now()
  const untilMs = startedAt + SECONDS * 1000
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (performance.now() < untilMs) {
        const number = next++
        const user = users[Math.floor(number / count)]
        if (user === undefined) throw new Error('too few users for so many contributions')
        const askedAt = performance.now()
        await contribute(user, facts[number % count] ?? '')
        times.push(performance.now() - askedAt)
      }
    }),
  )
  return { rate: times.length / ((performance.now() - startedAt) / 1000), times }
}

function groupCommit({ url }: BenchDatabase) {
  const logger = createLogger({ level: 'warn', format: 'json' })
  const metrics = createMetrics()
  const db = createDatabaseClient({ url, poolSize: POOL, lockTimeoutMs: 5000, logger, metrics })
  const contributeFact = new ContributeFact({
    db,
    transaction: createRunTransaction(db, { logger, metrics }),
    promotionThreshold: THRESHOLD,
    eventsCommitted: () => {},
    clock: systemClock,
    metrics,
  })
  return {
    async contribute(userId: string, content: string) {
      const outcome = await contributeFact.execute({ userId, content, category: 'general' })
      if (outcome.type !== 'contributed' || !outcome.counted) throw new Error('not counted')
    },
    close: () => db.close(),
  }
}

/** What one would write without much thought, with everything prepared. */
async function byHand({ url }: BenchDatabase) {
  const pool = new pg.Pool({ connectionString: url, max: POOL })
  pool.on('error', () => {})
  const statements = {
    upsert: `INSERT INTO collective_facts (hash, content, category, first_seen_at, last_confirmed_at)
      VALUES (decode($1, 'hex'), $2, 'general', clock_timestamp(), clock_timestamp()) ON CONFLICT (hash) DO NOTHING`,
    lock: "SELECT id FROM collective_facts WHERE hash = decode($1, 'hex') FOR UPDATE",
    source: `INSERT INTO fact_sources (fact_id, user_id, contributed_at) VALUES ($1, $2, clock_timestamp())
      ON CONFLICT DO NOTHING`,
    count: `UPDATE collective_facts SET source_count = source_count + 1, last_confirmed_at = clock_timestamp(),
        promoted_at = coalesce(promoted_at, CASE WHEN source_count + 1 >= ${THRESHOLD} THEN clock_timestamp() END)
      WHERE id = $1 RETURNING source_count = ${THRESHOLD} AS promoted`,
    event: `INSERT INTO outbox (topic, key, payload) VALUES ('fact.promoted', 'fact:' || $1 || ':promoted', '{}')
      ON CONFLICT DO NOTHING`,
  }
  return {
    async contribute(userId: string, content: string) {
      const client = await pool.connect()
      const query = (name: keyof typeof statements, values: unknown[]) =>
        client.query({ name, text: statements[name], values })
      try {
        const hash = factHash(content)
        await client.query('BEGIN')
        await query('upsert', [hash, content])
        const { id } = (await query('lock', [hash])).rows[0]
        const { rowCount } = await query('source', [id, userId])
        if (rowCount !== 1) throw new Error('not counted')
        const { promoted } = (await query('count', [id])).rows[0]
        if (promoted) await query('event', [id])
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    },
    close: () => pool.end(),
  }
}
