import { connect } from 'node:net'
import pg from 'pg'
import { currentOperation, type OperationScope } from '../shared/operation-scope.ts'
import { SQLSTATE, sqlState } from './postgres-errors.ts'
import { type ColumnTypes, type Connection, PreparedQuery } from './prepared-query.ts'

/** A server that takes longer to be told has other troubles; the connection is given up then. */
const CANCEL_TIMEOUT_MS = 2000
/** https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-CANCELREQUEST */
const CANCEL_REQUEST = { bytes: 16, code: 80877102 }
/** What ends a transaction is never held back: its connection would go back to the pool in the middle of it. */
const ENDS_TRANSACTION = /^\s*(?:ROLLBACK|COMMIT)\b/i

/** Of pg's client, what its types leave out. */
interface Session {
  readonly processID: number
  readonly secretKey: number
  readonly host: string
  readonly port: number
  /** Several statements, of several operations, are under way at once. */
  readonly pipeline?: boolean
  readonly connection: Connection
}

const OUTDATED = new Set<string>([SQLSTATE.cachedPlanChanged, SQLSTATE.unknownStatement])

type Callback = (error: unknown, result?: unknown) => void

/**
 * A connection whose statements end with the operation that sent them. The server is told so over a connection of its own, and
 * the statement settles only once that has happened: a request to cancel that came later would meet another one's statement.
 */
export class CancellableClient extends pg.Client {
  /** When the answer that is waited for is given up, as `performance.now` counts. */
  #givenUpAtMs = Number.POSITIVE_INFINITY
  #underWay = 0
  #outdated = false
  readonly #answerTimeoutMs: number

  constructor(config: pg.ClientConfig & { answerTimeoutMs?: number }) {
    super(config)
    this.#answerTimeoutMs = config.answerTimeoutMs ?? Number.POSITIVE_INFINITY
  }

  override query(...args: unknown[]): never {
    const [config, second, third] = args
    if (typeof (config as { submit?: unknown })?.submit === 'function') return this.#pass(...args) as never
    const callback = (typeof second === 'function' ? second : third) as Callback | undefined
    const values = typeof second === 'function' ? undefined : second
    const result = this.#inOperation(textOf(config), () => this.#send(config, values))
    if (!callback) return result as never
    result.then(
      answer => callback(null, answer),
      error => callback(error),
    )
    return undefined as never
  }

  /** Prepared once on this connection. */
  runPrepared<Row>(
    statement: { readonly name: string; readonly text: string },
    values: readonly (string | null)[],
    types: ColumnTypes,
  ): Promise<Row[]> {
    return this.#inOperation(statement.text, () =>
      this.#answered<Row[]>(callback =>
        this.#pass(new PreparedQuery<Row>(statement, { values, types, callback })),
      ),
    )
  }

  #inOperation<Result>(text: string, send: () => Promise<Result>): Promise<Result> {
    const scope = currentOperation()
    const session = this as unknown as Session
    return scope && !session.pipeline ? cancellable(session, scope, text, send) : send()
  }

  /** Its statements were prepared for tables that have changed, or are not there any more: nobody else may be given it. */
  get outdated(): boolean {
    return this.#outdated
  }

  /** Ends the connection, and with it the statement, where an answer does not come: over one that has gone silent it never would. */
  giveUpIfLate(nowMs: number): void {
    if (nowMs > this.#givenUpAtMs) (this as unknown as Session).connection.stream.destroy()
  }

  /**
   * Always with a callback. Without one, the library makes a closure of its own and assigns it to the query, which V8
   * allocates among the old objects: all rows of all answers then outlive every collection of young ones.
   */
  #send(config: unknown, values: unknown): Promise<unknown> {
    return this.#answered(callback => this.#pass(config, values, callback))
  }

  #answered<Result>(send: (callback: (error: unknown, result: Result) => void) => void): Promise<Result> {
    this.#underWay++
    this.#waitFromNow()
    return new Promise((resolve, reject) => {
      send((error, result) => {
        this.#underWay--
        this.#waitFromNow()
        if (error) {
          this.#outdated ||= OUTDATED.has(sqlState(error) ?? '')
          reject(error)
        } else resolve(result)
      })
    })
  }

  #waitFromNow(): void {
    this.#givenUpAtMs =
      this.#underWay > 0 ? performance.now() + this.#answerTimeoutMs : Number.POSITIVE_INFINITY
  }

  #pass(...args: unknown[]): unknown {
    return (super.query as (...args: unknown[]) => unknown)(...args)
  }
}

async function cancellable<Result>(
  session: Session,
  scope: OperationScope,
  text: string,
  send: () => Promise<Result>,
): Promise<Result> {
  const endsTransaction = ENDS_TRANSACTION.test(text)
  if (scope.end && !endsTransaction) throw scope.end.reason
  let cancelling: Promise<void> | undefined
  const forget = endsTransaction
    ? () => {}
    : scope.onEnd(() => {
        cancelling = cancel(session)
      })
  try {
    return await send()
  } catch (error) {
    throw scope.end && sqlState(error) === SQLSTATE.queryCanceled ? scope.end.reason : error
  } finally {
    forget()
    await cancelling
  }
}

/** Settles once the server has closed the connection, by which it says that its process has the signal. Never rejects. */
function cancel({ host, port, processID, secretKey, connection }: Session): Promise<void> {
  return new Promise(resolve => {
    const request = Buffer.alloc(CANCEL_REQUEST.bytes)
    for (const [i, value] of [CANCEL_REQUEST.bytes, CANCEL_REQUEST.code, processID].entries())
      request.writeInt32BE(value, i * 4)
    request.writeInt32BE(secretKey, 12)
    const socket = connect(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port })
    const end = (told: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      // It may still be told, at any time: nobody else may use this connection any more.
      if (!told) connection.stream.destroy()
      resolve()
    }
    const timer = setTimeout(end, CANCEL_TIMEOUT_MS, false)
    socket.once('connect', () => socket.end(request))
    socket.once('error', () => end(false))
    socket.once('close', () => end(true))
    socket.resume()
  })
}

function textOf(config: unknown): string {
  if (typeof config === 'string') return config
  return String((config as { text?: unknown } | null)?.text ?? '')
}

const LATE_CHECK_MS = 1000

/** A pool of such connections. Who asks waits for promises alone, and so goes on in their own name, not in that of who gave a connection back. */
export class CancellablePool extends pg.Pool {
  readonly #connections = new Set<CancellableClient>()
  readonly #lateCheck: NodeJS.Timeout

  constructor({ answerTimeoutMs, ...config }: pg.PoolConfig & { answerTimeoutMs: number }) {
    super({ ...config, answerTimeoutMs, Client: CancellableClient } as unknown as pg.PoolConfig)
    const ours = (connection: unknown) => connection as CancellableClient
    this.on('connect', connection => this.#connections.add(ours(connection)))
    // Before the pool looks whether it can be lent again.
    this.on('release', (_error, connection) => {
      if (ours(connection).outdated) void ours(connection).end()
    })
    this.on('remove', connection => this.#connections.delete(ours(connection)))
    // One timer for all of them: one for each statement costs more than all else that is done for it here.
    this.#lateCheck = setInterval(() => {
      const nowMs = performance.now()
      for (const connection of this.#connections) connection.giveUpIfLate(nowMs)
    }, LATE_CHECK_MS).unref()
  }

  override query(...[config, values, callback]: unknown[]): never {
    if (typeof values === 'function' || callback !== undefined)
      throw new TypeError('this pool answers by promises alone: give no callback')
    return this.#lend(connection => connection.query(config, values) as Promise<unknown>) as never
  }

  /** On any connection, on which it is prepared once. */
  runPrepared<Row>(
    statement: { readonly name: string; readonly text: string },
    values: readonly (string | null)[],
    types: ColumnTypes,
  ): Promise<Row[]> {
    return this.#lend(connection => connection.runPrepared<Row>(statement, values, types))
  }

  async #lend<Result>(work: (connection: CancellableClient) => Promise<Result>): Promise<Result> {
    const connection = (await this.connect()) as unknown as CancellableClient & pg.PoolClient
    let failed: Error | undefined
    try {
      return await work(connection)
    } catch (error) {
      failed = error as Error
      throw error
    } finally {
      connection.release(failed)
    }
  }

  override end(...args: unknown[]): never {
    const ended = (super.end as (...args: unknown[]) => Promise<void> | undefined)(...args)
    // What is under way still may never be answered.
    const stop = () => clearInterval(this.#lateCheck)
    ended?.then(stop, stop)
    return ended as never
  }
}
