import pg from 'pg'
import { backoffMs } from '../shared/backoff.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'

export interface PinnedConnectionOptions {
  databaseUrl: string
  /** What the server's list of sessions and the log call it. */
  name: string
  /** How often the connection is asked whether it lives; an answer is waited for as long. */
  heartbeatMs: number
  clock: Clock
  logger: Logger
  /** What to LISTEN to, and who hears it. */
  listeners: Record<string, (payload: string) => void>
  /** Part of every connect, the first one too, before LISTEN; where it throws, the connect has failed. */
  prepare?: (client: pg.Client) => Promise<void>
  /** Messages may have been missed: everything must be read again. */
  onReconnect: () => void
}

const RECONNECT = { baseMs: 100, maxMs: 2000 }
const CONNECT_TIMEOUT_MS = 5000

/**
 * A session of its own, outside the pool, for what belongs to a session: LISTEN and advisory locks. A connection that
 * breaks is replaced, with growing waits and without end; one that is cut off without a word is noticed by asking.
 */
export class PinnedConnection {
  readonly #options: PinnedConnectionOptions
  #client: pg.Client | undefined
  #closed = false
  #failures = 0
  #cancelTimer: (() => void) | undefined
  #connecting: Promise<void> | undefined

  constructor(options: PinnedConnectionOptions) {
    this.#options = options
  }

  get connected(): boolean {
    return this.#client !== undefined
  }

  /** @throws when the first connect fails */
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
    const { databaseUrl, name, heartbeatMs, listeners, prepare } = this.#options
    const client = new pg.Client({
      connectionString: databaseUrl,
      application_name: `tributary-${name}`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: heartbeatMs,
      keepAlive: true,
    })
    client.on('error', () => this.#lost(client))
    client.on('end', () => this.#lost(client))
    client.on('notification', ({ channel, payload }) => {
      if (payload) listeners[channel]?.(payload)
    })
    try {
      await client.connect()
      await prepare?.(client)
      for (const channel of Object.keys(listeners)) await client.query(`LISTEN ${channel}`)
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

  #lost(client: pg.Client): void {
    if (this.#client !== client) return
    this.#client = undefined
    void client.end().catch(() => {})
    if (this.#closed) return
    this.#options.logger.warn(`the ${this.#options.name} connection was lost; reconnecting`)
    this.#reconnectSoon()
  }

  #reconnectSoon(): void {
    const { clock, logger, name, onReconnect } = this.#options
    this.#cancelTimer?.()
    this.#failures++
    this.#cancelTimer = clock.setTimer(
      () => {
        this.#connecting = this.#connect().then(
          () => {
            if (this.#closed) return
            logger.info(`the ${name} connection is back`)
            this.#scheduleHeartbeat()
            onReconnect()
          },
          error => {
            if (this.#closed) return
            logger.warn({ err: error, failures: this.#failures }, `no ${name} connection yet`)
            this.#reconnectSoon()
          },
        )
      },
      backoffMs(this.#failures, RECONNECT),
    )
  }

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
