import { randomUUID } from 'node:crypto'
import type { Lease } from '../../src/coordination/lease.ts'
import { PostgresLeases } from '../../src/coordination/postgres-leases.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { type BenchDatabase, percentile, round } from './bench-database.ts'
import { startBenchInstance } from './bench-instance.ts'

const ROUNDS = 300
const UNDER_LOAD = 16

/** The statements of a lease one by one, alone and with 16 others at it. */
export async function benchLeases(database: BenchDatabase): Promise<void> {
  const instance = await startBenchInstance(database.url, new FakeGenerator())
  const { client, transaction, coordination } = instance
  const leases = new PostgresLeases({
    client,
    transaction,
    owner: () => coordination.instance,
    ttlMs: 15_000,
    notifiesProgress: true,
  })
  const [user] = await database.query<{ id: string }>(
    "INSERT INTO users (issuer, subject, email) VALUES ('', 'leases', 'bench@example.com') RETURNING id",
  )
  const userId = user?.id ?? ''
  const times: Record<string, number[]> = {
    acquire: [],
    'refused acquire': [],
    renew: [],
    advance: [],
    'fenced commit': [],
  }
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    const result = await work()
    times[what]?.push(performance.now() - startedAt)
    return result
  }
  const round1 = async () => {
    const subject = {
      key: randomUUID(),
      kind: 'BEHAVIOR_ANALYSIS',
      userId,
      archetype: 'PEAK_PERFORMER',
    } as const
    const acquired = await timed('acquire', () => leases.acquire(subject))
    if (acquired.type !== 'acquired') throw new Error('not acquired')
    const lease: Lease = acquired.lease
    await timed('refused acquire', () => leases.acquire(subject))
    await timed('renew', () => leases.renew([lease]))
    await timed('advance', () => leases.advance(lease, { phase: 'GENERATING', progress: 0.5 }))
    await timed('fenced commit', () => leases.commit(lease, async () => randomUUID()))
  }
  const report = (load: string) =>
    Object.fromEntries(
      Object.entries(times).map(([what, values]) => [
        `${what}, ${load}`,
        { 'p50 (ms)': round(percentile(values, 0.5), 2), 'p99 (ms)': round(percentile(values, 0.99), 2) },
      ]),
    )
  const reset = () => {
    for (const values of Object.values(times)) values.length = 0
  }
  for (let index = 0; index < 50; index++) await round1()
  reset()
  for (let index = 0; index < ROUNDS; index++) await round1()
  const alone = report('alone')
  reset()
  await Promise.all(
    Array.from({ length: UNDER_LOAD }, async () => {
      for (let index = 0; index < ROUNDS / 4; index++) await round1()
    }),
  )
  console.table({ ...alone, ...report(`${UNDER_LOAD} at once`) })
  await instance.close()
}
