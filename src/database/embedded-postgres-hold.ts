import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../shared/backoff.ts'
import { type Connection, connect, serves } from './embedded-postgres-connection.ts'
import { holdName, type RunningServer, type ServerOptions } from './embedded-postgres-server.ts'

/** Any two numbers that every gateway knows. Advisory locks belong to a database: this is one of `postgres`. */
const holdLock = [0x7472, 0x6962]
/** What held for so long was no attempt of the outage before. */
const steadyMs = 60_000

/** How often, and after which waits, a lost server is looked for and started again before that is given up. */
export interface RestartLimits {
  readonly attempts: number
  readonly baseMs: number
  readonly maxMs: number
}

/** About a minute and a half, and what each start takes. */
export const restartLimits: RestartLimits = { attempts: 10, baseMs: 500, maxMs: 15_000 }

/**
 * Says, for as long as this gateway lives, that it uses the server: a session with a shared advisory lock, which the
 * server drops with the connection when the gateway is killed. Whoever can have the lock exclusively is alone.
 *
 * A lost session is taken up again in the background, with a server that is started again where it has ended; after so
 * many attempts in vain that is given up with a line in the log.
 */
export class Hold {
  readonly #options: ServerOptions
  readonly #port: number
  readonly #restart: (port: number, signal: AbortSignal, take: TakeServer) => Promise<void>
  readonly #limits: RestartLimits
  readonly #leaving = new AbortController()
  #connection: Connection
  #closed = false
  #attempts = 0
  #heldSinceMs = 0

  /**
   * The connection is its own from now on.
   * @param options.restart finds the server that runs meanwhile, or starts one, at the same port; what it finds is taken
   * before anybody else may stop it
   */
  constructor(
    options: ServerOptions & {
      restart: (port: number, signal: AbortSignal, take: TakeServer) => Promise<void>
      limits: RestartLimits
    },
    server: RunningServer,
  ) {
    this.#options = options
    this.#restart = options.restart
    this.#limits = options.limits
    this.#port = server.port
    this.#connection = server.connection
  }

  async take(): Promise<void> {
    await this.#takeUp(this.#connection)
  }

  /**
   * Gives up the hold. True: nobody else holds the server, nor can anybody until the connection is closed. Null: it
   * does not answer. The caller has the lock of the data folder, so nobody is starting, and closes afterwards.
   */
  async release(): Promise<boolean | null> {
    this.#leaving.abort()
    try {
      if (this.#connection.lost) this.#connection = await this.#reconnect()
      const { client } = this.#connection
      this.#connection.keepProcessAlive()
      await client.query('SELECT pg_advisory_unlock_shared($1, $2)', holdLock)
      const { rows } = await client.query<{ alone: boolean }>(
        'SELECT pg_try_advisory_lock($1, $2) AS alone',
        holdLock,
      )
      return rows[0]?.alone === true
    } catch {
      return null
    }
  }

  /** Nobody waits for a server any more that is being started again. */
  leave(): void {
    this.#leaving.abort()
  }

  async close(): Promise<void> {
    this.#leaving.abort()
    this.#closed = true
    await this.#connection.close()
  }

  async #takeUp(connection: Connection): Promise<void> {
    await connection.client.query('SELECT pg_advisory_lock_shared($1, $2)', holdLock)
    // What arrives after the release is released.
    this.#leaving.signal.throwIfAborted()
    this.#connection = connection
    this.#heldSinceMs = performance.now()
    connection.onLost(() => void this.#takeUpAgain())
  }

  async #takeUpAgain(): Promise<void> {
    const { signal } = this.#leaving
    const { log } = this.#options
    if (performance.now() - this.#heldSinceMs > steadyMs) this.#attempts = 0
    while (!signal.aborted && this.#attempts < this.#limits.attempts) {
      await delay(backoffMs(++this.#attempts, this.#limits), undefined, { ref: false })
      if (signal.aborted) return
      try {
        const connection = await this.#reconnect().catch(() => null)
        if (connection !== null) await this.#takeOrClose(connection)
        else await this.#restart(this.#port, signal, server => this.#takeOrClose(server.connection))
        return
      } catch (error) {
        if (!signal.aborted)
          log(`the embedded PostgreSQL is away (attempt ${this.#attempts}): ${(error as Error).message}`)
      }
    }
    if (!signal.aborted)
      log('the embedded PostgreSQL has ended and cannot be started again: restart the gateway')
  }

  async #takeOrClose(connection: Connection): Promise<void> {
    try {
      await this.#takeUp(connection)
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  async #reconnect(): Promise<Connection> {
    const connection = await connect({
      port: this.#port,
      password: this.#options.password,
      applicationName: holdName,
    })
    const same = await serves(connection, this.#options.dir).catch(() => false)
    if (same && !this.#closed) return connection
    await connection.close()
    throw new Error(same ? 'the hold was closed meanwhile' : 'another server has taken the port')
  }
}

/** Makes it this gateway's; or closes the connection, and throws. */
export type TakeServer = (server: RunningServer) => Promise<void>
