import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import pg from 'pg'
import { DatabaseError, explainDatabase } from './explain-database.ts'
import { SQLSTATE, sqlState } from './postgres-errors.ts'

/** The folder that ships with the gateway, in the layout of Prisma's own command line. */
export const MIGRATIONS_DIR = new URL('../../prisma/migrations/', import.meta.url)

/** Any number will do; every instance must use the same one. It is the one of `prisma migrate deploy`, which then waits too. */
const MIGRATION_LOCK = 72_707_369
/** Long enough for another instance to create every index of a large database. */
const LOCK_TIMEOUT_MS = 600_000
const CONNECT_TIMEOUT_MS = 10_000
const OLDEST_SERVER = 150_000

export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

interface Migration {
  name: string
  sql: string
  checksum: string
}

/**
 * Applies what `prisma/migrations` holds and the database has not seen, in order, once, however many instances start at
 * the same moment. Each migration and its record in `_prisma_migrations` commit together, so that a kill in between
 * leaves nothing half done; Prisma's own engine writes them apart, which is why it is not used here.
 * @returns the names of those applied now.
 * @throws DatabaseError or MigrationError with what to do, where the database cannot be used, or it and the folder do
 * not fit; the signal's reason once it
 * aborts, and then what was under way is rolled back.
 */
export async function migrate(
  url: string,
  log: (message: string) => void,
  options: { dir?: URL; signal?: AbortSignal | undefined } = {},
): Promise<string[]> {
  const { dir = MIGRATIONS_DIR, signal } = options
  const migrations = await readMigrations(dir)
  signal?.throwIfAborted()
  const socket = new Socket()
  const client = new pg.Client({
    connectionString: url,
    application_name: 'tributary-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    stream: () => socket,
  })
  // A connection lost in between rejects the query under way; the event of its own must only not end the process.
  client.on('error', () => {})
  let reached = false
  socket.once('connect', () => {
    reached = true
  })
  const hangUp = () => void socket.destroy()
  signal?.addEventListener('abort', hangUp, { once: true })
  try {
    await client.connect()
    const version = Number((await client.query('SHOW server_version_num')).rows[0].server_version_num)
    if (version < OLDEST_SERVER)
      throw new MigrationError(
        `The database is PostgreSQL ${Math.floor(version / 10_000)}; Tributary needs version 15 or later.`,
      )
    await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`)
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
    await client.query('SET lock_timeout = 5000')
    return await applyPending(client, migrations, log)
  } catch (error) {
    signal?.throwIfAborted()
    const known = error instanceof MigrationError ? undefined : explainDatabase(error, url, reached)
    throw known === undefined ? error : new DatabaseError(known, { cause: error })
  } finally {
    signal?.removeEventListener('abort', hangUp)
    // Ends the session, and the lock with it.
    await client.end()
  }
}

async function applyPending(
  client: pg.Client,
  migrations: Migration[],
  log: (message: string) => void,
): Promise<string[]> {
  await client.query(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id varchar(36) PRIMARY KEY NOT NULL, checksum varchar(64) NOT NULL, finished_at timestamptz,
    migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`)
  const { rows } = await client.query<{ migration_name: string; checksum: string; finished_at: Date | null }>(
    'SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL',
  )
  const appliedByName = new Map(rows.map(row => [row.migration_name, row]))
  const applied: string[] = []
  for (const migration of migrations) {
    const known = appliedByName.get(migration.name)
    if (known?.finished_at === null)
      throw new MigrationError(
        `Migration ${migration.name} was begun by another tool and never finished: see \`npx prisma migrate resolve --help\`.`,
      )
    if (known && known.checksum !== migration.checksum)
      throw new MigrationError(
        `Migration ${migration.name} was applied with another content: add a new migration instead of changing an old one.`,
      )
    if (known) continue
    log(`migrating the database: ${migration.name}`)
    await client.query('BEGIN')
    try {
      await client.query(migration.sql)
      await client.query(
        `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
         VALUES ($1, $2, $3, now(), clock_timestamp(), 1)`,
        [randomUUID(), migration.checksum, migration.name],
      )
      await client.query('COMMIT')
    } catch (error) {
      // Where the connection is gone, so is the transaction.
      await client.query('ROLLBACK').catch(() => {})
      if (sqlState(error) === SQLSTATE.insufficientPrivilege) throw error
      throw new MigrationError(
        `Migration ${migration.name} failed and was rolled back: ${(error as Error).message}`,
        { cause: error },
      )
    }
    applied.push(migration.name)
  }
  return applied
}

async function readMigrations(dir: URL): Promise<Migration[]> {
  const entries = await readdir(dir, { withFileTypes: true })
  const names = entries
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort()
  return Promise.all(
    names.map(async name => {
      const sql = await readFile(new URL(`${name}/migration.sql`, dir), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}
