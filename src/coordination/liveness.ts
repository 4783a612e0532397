import pg from 'pg'
import { LIVENESS_LOCK_CLASS } from '../database/leases.ts'
import { PinnedConnection, type PinnedConnectionOptions } from './pinned-connection.ts'

const CONNECT_TIMEOUT_MS = 5000
const FIND_SESSION_BEFORE = `
  SELECT pid FROM pg_locks
  WHERE locktype = 'advisory' AND classid = $1::int::oid AND objid = $2::int::oid AND mode = 'ExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid = $3::int`

/**
 * The life sign of an instance: a session that holds an advisory lock under the instance's number, which tells the
 * others, the moment it is free, that this instance is gone.
 *
 * A new session takes the same lock: an instance that lives through a restart of its database keeps its runs, unless
 * somebody has taken them over, which the fence tells. A provider's answer that is paid for is not thrown away for a
 * broken connection.
 */
export class Liveness {
  readonly #connection: PinnedConnection
  readonly #databaseUrl: string
  readonly #heartbeatMs: number
  #instance = 0
  /** The backend of the last session that asked for the lock. */
  #session = 0

  constructor(options: Omit<PinnedConnectionOptions, 'name' | 'prepare'>) {
    this.#databaseUrl = options.databaseUrl
    this.#heartbeatMs = options.heartbeatMs
    this.#connection = new PinnedConnection({
      ...options,
      name: 'liveness',
      prepare: client => this.#takeLock(client),
    })
  }

  /** The number of this instance, never given to another. */
  get instance(): number {
    return this.#instance
  }

  get connected(): boolean {
    return this.#connection.connected
  }

  start(): Promise<void> {
    return this.#connection.start()
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  async #takeLock(client: pg.Client): Promise<void> {
    if (this.#instance === 0) {
      const { rows } = await client.query<{ number: number }>(
        "SELECT nextval('instance_numbers')::int AS number",
      )
      this.#instance = rows[0]?.number ?? 0
    }
    const lock = [LIVENESS_LOCK_CLASS, this.#instance]
    const before = await client.query(FIND_SESSION_BEFORE, [...lock, this.#session])
    if (before.rows.length > 0) {
      // Behind a connection that broke without a word our session lives on, for hours where nobody ends it. Its lock is
      // asked for first: it passes on to this session, and there is no moment in which the instance seems to be gone.
      const taken = client.query('SELECT pg_advisory_lock($1, $2)', lock)
      await Promise.all([taken, this.#endSession(this.#session)])
    } else {
      const { rows } = await client.query<{ locked: boolean }>(
        'SELECT pg_try_advisory_lock($1, $2) AS locked',
        lock,
      )
      if (!rows[0]?.locked) throw new Error('somebody else holds the lock of this instance')
    }
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    this.#session = rows[0]?.pid ?? 0
  }

  async #endSession(pid: number): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#databaseUrl,
      application_name: 'tributary-liveness',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: this.#heartbeatMs,
    })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('SELECT pg_terminate_backend($1)', [pid])
    } finally {
      void client.end().catch(() => {})
    }
  }
}
