import type pg from 'pg'
import { LIVENESS_LOCK_CLASS } from '../database/leases.ts'
import { PinnedConnection, type PinnedConnectionOptions } from './pinned-connection.ts'

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
  #instance = 0

  constructor(options: Omit<PinnedConnectionOptions, 'name' | 'prepare'>) {
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
    // The session before may not have ended yet on the server: while it has not, nobody thinks that this instance is gone.
    const { rows } = await client.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock($1, $2) AS locked',
      [LIVENESS_LOCK_CLASS, this.#instance],
    )
    if (!rows[0]?.locked) throw new Error('the session before still holds the lock of this instance')
  }
}
