import { AsyncResource } from 'node:async_hooks'
import { connect } from 'node:net'
import pg from 'pg'
import { currentOperation, type OperationScope } from '../shared/operation-scope.ts'
import { SQLSTATE, sqlState } from './postgres-errors.ts'

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
  readonly connection: { readonly stream: { destroy(): void } }
}

/**
 * A connection whose statements end with the operation that sent them. The server is told so over a connection of its own, and
 * the statement settles only once that has happened: a request to cancel that came later would meet another one's statement.
 */
export class CancellableClient extends pg.Client {
  override query(...args: unknown[]): never {
    const [config, second, third] = args
    const scope = currentOperation()
    const session = this as unknown as Session
    const send = (...sent: unknown[]) => (super.query as (...sent: unknown[]) => unknown)(...sent)
    if (!scope || session.pipeline || typeof (config as { submit?: unknown })?.submit === 'function')
      return send(...args) as never
    const callback = (typeof second === 'function' ? second : third) as
      | ((error: unknown, result?: unknown) => void)
      | undefined
    const values = typeof second === 'function' ? undefined : second
    const result = cancellable(session, scope, textOf(config), () => send(config, values) as Promise<unknown>)
    if (!callback) return result as never
    result.then(
      answer => callback(null, answer),
      error => callback(error),
    )
    return undefined as never
  }
}

async function cancellable(
  session: Session,
  scope: OperationScope,
  text: string,
  send: () => Promise<unknown>,
): Promise<unknown> {
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

/** A pool that calls back on behalf of whoever asked, and not of whoever has just given a connection back. */
export class CancellablePool extends pg.Pool {
  constructor(config: pg.PoolConfig) {
    super({ ...config, Client: CancellableClient as never })
  }

  override connect(callback?: unknown): never {
    const connect = (callback?: unknown) => (super.connect as (callback?: unknown) => unknown)(callback)
    return connect(
      typeof callback === 'function' ? AsyncResource.bind(callback as () => void) : callback,
    ) as never
  }
}
