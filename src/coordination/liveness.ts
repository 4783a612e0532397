import pg from 'pg'
import { LIVENESS_LOCK_CLASS, RUN_CHANNEL } from '../database/leases.ts'
import { backoffMs } from '../shared/backoff.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'

export interface LivenessOptions {
  databaseUrl: string
  /** How often the connection is asked whether it lives; an answer is waited for as long. */
  heartbeatMs: number
  clock: Clock
  logger: Logger
  onWake: (runId: string) => void
  /** Messages may have been missed: everything must be read again. */
  onReconnect: () => void
}

const RECONNECT = { baseMs: 100, maxMs: 2000 }
const CONNECT_TIMEOUT_MS = 5000
const FIND_SESSION_BEFORE = `
  SELECT pid FROM pg_locks
  WHERE locktype = 'advisory' AND classid = $1::int::oid AND objid = $2::int::oid AND mode = 'ExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid = $3::int`

/**
 * The pinned connection of an instance. Its session holds an advisory lock under the instance's number, which tells the
 * others, the moment it is free, that this instance is gone; and it LISTENs for what happens to runs.
 *
 * A connection that breaks is replaced, with growing waits and without end, and the new session takes the same lock: an
 * instance that lives through a restart of its database keeps its runs, unless somebody has taken them over, which
 * the fence tells. A provider's answer that is paid for is not thrown away for a broken connection.
 */
export class Liveness {
  readonly #options: LivenessOptions
  #client: pg.Client | undefined
  #instance = 0
  /** The backend of the last session that asked for the lock. */
  #session = 0
  #closed = false
  #failures = 0
  #cancelTimer: (() => void) | undefined
  #connecting: Promise<void> | undefined

  constructor(options: LivenessOptions) {
    this.#options = options
  }

  /** The number of this instance, never given to another. */
  get instance(): number {
    return this.#instance
  }

  get connected(): boolean {
    return this.#client !== undefined
  }

  async start(): Promise<void> {
    await this.#connect()
    this.#scheduleHeartbeat()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer?.()
    await this.#connecting?.catch(() => {})
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => {})
  }

  async #connect(): Promise<void> {
    const client = this.#createClient()
    client.on('error', () => this.#lost(client))
    client.on('end', () => this.#lost(client))
    client.on('notification', message => {
      if (message.payload) this.#options.onWake(message.payload)
    })
    try {
      await client.connect()
      if (this.#instance === 0) {
        const { rows } = await client.query<{ number: number }>(
          "SELECT nextval('instance_numbers')::int AS number",
        )
        this.#instance = rows[0]?.number ?? 0
      }
      await this.#takeLock(client)
      await client.query(`LISTEN ${RUN_CHANNEL}`)
    } catch (error) {
      client.removeAllListeners('end')
      // Not waited for: over a connection that has gone silent it does not end.
      void client.end().catch(() => {})
      throw error
    }
    if (this.#closed) return client.end()
    this.#client = client
    this.#failures = 0
  }

  #createClient(): pg.Client {
    return new pg.Client({
      connectionString: this.#options.databaseUrl,
      application_name: 'tributary-liveness',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: this.#options.heartbeatMs,
      keepAlive: true,
    })
  }

  async #takeLock(client: pg.Client): Promise<void> {
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
    const client = this.#createClient()
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('SELECT pg_terminate_backend($1)', [pid])
    } finally {
      void client.end().catch(() => {})
    }
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client) return
    this.#client = undefined
    void client.end().catch(() => {})
    if (this.#closed) return
    this.#options.logger.warn({ instance: this.#instance }, 'the liveness connection was lost; reconnecting')
    this.#reconnectSoon()
  }

  #reconnectSoon(): void {
    this.#cancelTimer?.()
    this.#failures++
    this.#cancelTimer = this.#options.clock.setTimer(
      () => {
        this.#connecting = this.#connect().then(
          () => {
            this.#options.logger.info({ instance: this.#instance }, 'the liveness connection is back')
            this.#scheduleHeartbeat()
            this.#options.onReconnect()
          },
          error => {
            if (this.#closed) return
            this.#options.logger.warn(
              { err: error, instance: this.#instance, failures: this.#failures },
              'no liveness connection yet',
            )
            this.#reconnectSoon()
          },
        )
      },
      backoffMs(this.#failures, RECONNECT),
    )
  }

  /** A connection that is cut off without a word is noticed by asking. */
  #scheduleHeartbeat(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = this.#options.clock.setTimer(async () => {
      const client = this.#client
      if (!client) return
      try {
        await client.query('SELECT 1')
        if (this.#client === client && !this.#closed) this.#scheduleHeartbeat()
      } catch {
        this.#lost(client)
      }
    }, this.#options.heartbeatMs)
  }
}
