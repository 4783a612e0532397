import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.ts'
import { migrate } from '../../src/database/migrate.ts'

export interface BenchDatabase {
  readonly url: string
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
  stop(): Promise<void>
}

/** A migrated PostgreSQL of the benchmark's own, gone afterwards. With pg_stat_statements, if it is to count statements. */
export async function startBenchDatabase({ countStatements = false } = {}): Promise<BenchDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tributary-bench-'))
  // As root the database runs under another account, which must get in.
  await chmod(dataDir, 0o755)
  let server = await startEmbeddedPostgres({ dataDir, log: () => {} })
  if (countStatements) {
    const client = new pg.Client(server.url)
    await client.connect()
    await client.query(`ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'`)
    await client.end()
    // A library is loaded at the start.
    await server.stop()
    server = await startEmbeddedPostgres({ dataDir, log: () => {} })
  }
  await migrate(server.url, () => {})
  const opened = useBenchDatabase(server.url)
  if (countStatements) await opened.query('CREATE EXTENSION pg_stat_statements')
  return {
    ...opened,
    async stop() {
      await opened.stop()
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** One that somebody else has started, and stops. */
export function useBenchDatabase(url: string): BenchDatabase {
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  pool.on('error', () => {})
  return {
    url,
    query: async (text, values) => (await pool.query(text, values)).rows,
    stop: () => pool.end(),
  }
}

/** Nearest rank, of values that are sorted here. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((one, other) => one - other)
  return (
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * fraction) - 1))] ?? Number.NaN
  )
}

export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits))
}
