import { type ExecutionResult, type FormattedExecutionResult, type GraphQLError, parse } from 'graphql'
import { makeServer } from 'graphql-ws'
import type { WebSocket, WebSocketServer } from 'ws'
import type { Logger } from '../shared/logger.ts'
import { runInRequest } from '../shared/request-scope.ts'
import type { ClientAddress } from './client-address.ts'
import { type SocketExtra, speakGraphql } from './graphql-socket.ts'
import { withoutHttp } from './mask-error.ts'
import type { OperationResult, RunOperation } from './operation/operations.ts'
import { badRequest } from './operation/refused.ts'
import { retireSocket } from './retire-socket.ts'
import type { Retirement } from './retirement.ts'

/** graphql-ws wants one to hand to `execute`; ours looks at what the client sent, and at nothing else. */
const UNUSED = parse('{ __typename }')

/**
 * Queries, mutations and subscriptions over `graphql-transport-ws`, on the same way as over HTTP. An operation that is
 * refused never ends the socket, and the other operations on it; one that the client completes is left off.
 */
export function serveWebSockets(
  sockets: WebSocketServer,
  options: {
    runOperation: RunOperation
    newRequestId: () => string
    clientAddress: ClientAddress
    retirement: Retirement
    clientTimeoutMs: number
    logger: Logger
  },
): void {
  const { runOperation, newRequestId, clientAddress, retirement, clientTimeoutMs, logger } = options
  /** Of each socket the operations that have given nothing yet. */
  const answering = new WeakMap<WebSocket, Set<symbol>>()
  const execute = (args: unknown) => (args as { rootValue: () => Results }).rootValue() as never
  const graphql = makeServer<Record<string, unknown>, SocketExtra>({
    onConnect: ({ extra: { socket } }) => {
      const operations = new Set<symbol>()
      answering.set(socket, operations)
      retireSocket(retirement, socket, () => operations.size > 0)
    },
    execute,
    subscribe: execute,
    onSubscribe: ({ connectionParams, extra: { request, socket } }, _id, params) => {
      const { authorization } = connectionParams ?? {}
      const requestId = newRequestId()
      const run = (signal: AbortSignal) =>
        runInRequest(requestId, () =>
          runOperation(params, {
            requestId,
            // What is no text is refused as malformed, and takes nobody for a stranger.
            authorization:
              typeof authorization === 'string' || authorization == null ? (authorization ?? undefined) : '',
            client: clientAddress(request),
            readOnly: false,
            streams: true,
            socket,
            signal,
          }),
        )
      const operation = Symbol(requestId)
      answering.get(socket)?.add(operation)
      const answered = () => void answering.get(socket)?.delete(operation)
      return { document: UNUSED, rootValue: () => resultsOf(run, answered) } as never
    },
    onNext: (_connection, _id, _params, _args, result) =>
      result.errors &&
      ({ ...result, errors: withoutHttp(result.errors as GraphQLError[]) } as FormattedExecutionResult),
    onError: (_connection, _id, _params, errors) =>
      withoutHttp((errors as GraphQLError[]).flatMap(refusalsIn)),
  })
  sockets.on('connection', (socket, request) =>
    speakGraphql(
      { socket, request },
      {
        server: graphql,
        logger,
        clientTimeoutMs,
        onBroken: reason => {
          const facts = { authorization: undefined, readOnly: false, streams: false }
          // It has no id to be answered under; its address pays for it.
          void runOperation(badRequest(reason), {
            ...facts,
            requestId: newRequestId(),
            client: clientAddress(request),
          })
        },
      },
    ),
  )
}

type Results = AsyncIterableIterator<ExecutionResult>

/** Thrown to graphql-ws, which makes an `error` message of it. */
class NothingExecuted extends Error {
  readonly errors: readonly GraphQLError[]

  constructor(errors: readonly GraphQLError[]) {
    super('nothing was executed')
    this.errors = errors
  }
}

function refusalsIn(error: GraphQLError): readonly GraphQLError[] {
  return error.originalError instanceof NothingExecuted ? error.originalError.errors : [error]
}

/**
 * The results of an operation that starts with the first `next()` and is left off, whatever it waits for, with `return()`.
 * @param answered called once its result, its refusal or its stream is there, or nobody waits for it any more
 */
function resultsOf(run: (signal: AbortSignal) => Promise<OperationResult>, answered: () => void): Results {
  const leaving = new AbortController()
  const left = Promise.withResolvers<IteratorResult<ExecutionResult>>()
  const done = { done: true, value: undefined } as const
  let ended = false
  let stream: AsyncIterator<ExecutionResult> | undefined
  const start = async (): Promise<IteratorResult<ExecutionResult>> => {
    const result = await run(leaving.signal)
    if (Symbol.asyncIterator in result) {
      answered()
      stream = result[Symbol.asyncIterator]()
      if (!leaving.signal.aborted) return stream.next()
      await stream.return?.()
      return done
    }
    ended = true
    if (result.errors && !('data' in result)) {
      answered()
      throw new NothingExecuted(result.errors)
    }
    return { done: false, value: result }
  }
  return {
    async next() {
      if (ended) {
        answered()
        return done
      }
      return stream ? stream.next() : Promise.race([start(), left.promise])
    },
    async return() {
      ended = true
      answered()
      leaving.abort(new DOMException('the client has left', 'AbortError'))
      left.resolve(done)
      await stream?.return?.()
      return done
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
