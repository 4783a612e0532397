import { setTimeout as delay } from 'node:timers/promises'
import { type Connection, connect, serves } from './embedded-postgres-connection.ts'
import { holdName, type RunningServer, type ServerOptions } from './embedded-postgres-server.ts'

/** Any two numbers that every gateway knows. Advisory locks belong to a database: this is one of `postgres`. */
const holdLock = [0x7472, 0x6962]
const retryMs = 500
/** As long as recovery may take: when one session is killed, PostgreSQL ends all of them and recovers. */
const giveUpMs = 60_000

/**
 * Says, for as long as this gateway lives, that it uses the server: a session with a shared advisory lock, which the
 * server drops with the connection when the gateway is killed. Whoever can have the lock exclusively is alone.
 *
 * A lost session is taken up again in the background, and given up with a line in the log after a minute.
 */
export class Hold {
  readonly #options: ServerOptions
  readonly #port: number
  #connection: Connection
  #releasing = false
  #closed = false

  /** The connection is its own from now on. */
  constructor(options: ServerOptions, server: RunningServer) {
    this.#options = options
    this.#port = server.port
    this.#connection = server.connection
  }

  async take(): Promise<void> {
    await this.#connection.client.query('SELECT pg_advisory_lock_shared($1, $2)', holdLock)
    this.#connection.onLost(() => void this.#takeUpAgain())
  }

  /**
   * Gives up the hold. True: nobody else holds the server, nor can anybody until the connection is closed. Null: it
   * does not answer. The caller has the lock of the data folder, so nobody is starting, and closes afterwards.
   */
  async release(): Promise<boolean | null> {
    this.#releasing = true
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

  async close(): Promise<void> {
    this.#releasing = true
    this.#closed = true
    await this.#connection.close()
  }

  async #takeUpAgain(): Promise<void> {
    const deadline = performance.now() + giveUpMs
    while (!this.#releasing && performance.now() < deadline) {
      await delay(retryMs, undefined, { ref: false })
      const connection = await this.#reconnect().catch(() => null)
      if (connection === null) continue
      try {
        await connection.client.query('SELECT pg_advisory_lock_shared($1, $2)', holdLock)
      } catch {
        await connection.close()
        continue
      }
      // What arrives after the release is released.
      if (this.#releasing) return connection.close()
      this.#connection = connection
      connection.onLost(() => void this.#takeUpAgain())
      return
    }
    if (!this.#releasing) this.#options.log('the embedded PostgreSQL has ended: restart the gateway')
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
