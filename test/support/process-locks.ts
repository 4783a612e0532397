import pg from 'pg'
import { onTestFinished } from 'vitest'
import { LIVENESS_LOCK_CLASS } from '../../src/database/leases.ts'
import { until } from './until.ts'

/** A lock of the test in the database: whoever needs it stands still exactly there. */
export interface HeldLock {
  /** Waits until somebody stands before it. @returns the backend's pid. */
  waitedFor(): Promise<number>
  /** Waits until the backend's statement has given up, as it does after LOCK_TIMEOUT_MS. */
  givenUp(pid: number): Promise<void>
  /** Idempotent. What the statement did is undone. */
  release(): Promise<void>
  /** Releases, and what the statement did stays. */
  commit(): Promise<void>
}

/**
 * Takes a lock by a statement in a transaction that stays open.
 * - `LOCK TABLE … IN EXCLUSIVE MODE` lets others read and makes them wait where they would write.
 * - `LOCK TABLE … IN ACCESS EXCLUSIVE MODE` makes them wait where they would read.
 */
export async function holdLock(databaseUrl: string, statement: string): Promise<HeldLock> {
  const holder = await connect(databaseUrl)
  const observer = await connect(databaseUrl)
  await holder.query('BEGIN')
  await holder.query(statement)
  const { rows } = await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  let released: Promise<void> | undefined
  const release = async () => {
    // Where the server has gone away, so has the lock.
    await holder.end().catch(() => {})
    await observer.end().catch(() => {})
  }
  let startedAt: unknown
  const lock: HeldLock = {
    async waitedFor() {
      let waiting: number | undefined
      await until(
        async () => {
          const blocked = await observer.query<{ pid: number; startedAt: string }>(
            `SELECT pid, query_start::text AS "startedAt" FROM pg_stat_activity
             WHERE $1::int = ANY (pg_blocking_pids(pid)) ORDER BY query_start LIMIT 1`,
            [rows[0]?.pid],
          )
          waiting = blocked.rows[0]?.pid
          startedAt = blocked.rows[0]?.startedAt
          return waiting !== undefined
        },
        { what: `somebody to wait for the lock of: ${statement}` },
      )
      return waiting ?? 0
    },
    async givenUp(pid) {
      await until(
        async () => {
          const same = await observer.query(
            `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND query_start = $2::timestamptz AND wait_event_type = 'Lock'`,
            [pid, startedAt],
          )
          return same.rows.length === 0
        },
        { what: `the wait for the lock of: ${statement} to be over` },
      )
    },
    release() {
      released ??= release()
      return released
    },
    async commit() {
      await holder.query('COMMIT')
      await lock.release()
    },
  }
  onTestFinished(() => lock.release())
  return lock
}

/**
 * Breaks the liveness connection of an instance and keeps it from coming back until the end of the test or `release`:
 * to the others it is gone, while it lives and its pool works.
 */
export async function cutOffLiveness(
  databaseUrl: string,
  instance: number,
): Promise<{ release(): Promise<void> }> {
  const client = await connect(databaseUrl)
  // Asked for before the owner's session ends, so that there is no moment between.
  const taken = client.query('SELECT pg_advisory_lock_shared($1, $2)', [LIVENESS_LOCK_CLASS, instance])
  const killer = await connect(databaseUrl)
  await terminateLiveness(killer, instance)
  await taken
  await killer.end()
  let released: Promise<void> | undefined
  const release = () => {
    released ??= client.end()
    return released
  }
  onTestFinished(release)
  return { release }
}

/** Ends the session that holds the advisory lock of the instance. */
export async function terminateLiveness(
  client: { query: (text: string, values: unknown[]) => Promise<unknown> },
  instance: number,
): Promise<void> {
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_locks
     WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND granted AND mode = 'ExclusiveLock'
       -- Numbers and locks belong to a database; the view shows those of all.
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [LIVENESS_LOCK_CLASS, instance],
  )
}

async function connect(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'test' })
  client.on('error', () => {})
  await client.connect()
  return client
}
