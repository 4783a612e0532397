import type { Server } from 'node:http'
import type { ExecutionArgs, FormattedExecutionResult, GraphQLError } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import type { Logger } from '../shared/logger.ts'
import { runInRequest } from '../shared/request-scope.ts'
import { clientAddress } from './client-address.ts'
import { type GraphqlServer, MAX_BODY_BYTES, type ServerContext } from './graphql-server.ts'
import { maskError, withoutHttp } from './mask-error.ts'
import { retireSocket } from './retire-socket.ts'
import type { Retirement } from './retirement.ts'

/** What Yoga's enveloped executor hands through graphql-ws' arguments. */
interface Enveloped {
  execute(args: unknown): never
  subscribe(args: unknown): never
}

const envelopedOf = (args: ExecutionArgs) => (args as unknown as { rootValue: Enveloped }).rootValue
const requestIdOf = (args: ExecutionArgs) => (args.contextValue as ServerContext).requestId

/** Queries, mutations and subscriptions over `graphql-transport-ws`, through the same plugins as over HTTP. */
export function serveWebSockets(
  server: Server,
  graphql: GraphqlServer,
  options: { newRequestId: () => string; logger: Logger; retirement: Retirement },
): { close(): Promise<void> } {
  const { newRequestId, logger, retirement } = options
  const sockets = new WebSocketServer({
    server,
    path: '/graphql',
    maxPayload: MAX_BODY_BYTES,
    // Clients take it for an instance that is not there yet or any more, and try again.
    verifyClient: (_info, verified) =>
      retirement.begun ? verified(false, 503, 'This instance is stopping') : verified(true),
  })
  const disposable = useServer<{ authorization?: unknown }>(
    {
      onConnect: connection => retireSocket(retirement, connection),
      execute: args => runInRequest(requestIdOf(args), () => envelopedOf(args).execute(args)),
      subscribe: args => runInRequest(requestIdOf(args), () => envelopedOf(args).subscribe(args)),
      onNext: (_connection, _id, _params, _args, result) =>
        result.errors &&
        ({ ...result, errors: withoutHttp(result.errors as GraphQLError[]) } as FormattedExecutionResult),
      onError: (_connection, _id, _params, errors) => withoutHttp(errors as GraphQLError[]),
      onSubscribe: async (connection, _id, params) => {
        const { authorization } = connection.connectionParams ?? {}
        const initial: ServerContext = {
          requestId: newRequestId(),
          authorization: typeof authorization === 'string' ? authorization : undefined,
          client: clientAddress(connection.extra.request),
        }
        const enveloped = graphql.getEnveloped({ ...initial, params } as never)
        try {
          const document = enveloped.parse(params.query)
          const errors = enveloped.validate(enveloped.schema, document)
          if (errors.length > 0) return errors as GraphQLError[]
          return {
            schema: enveloped.schema,
            operationName: params.operationName,
            document,
            variableValues: params.variables,
            contextValue: await enveloped.contextFactory(),
            rootValue: { execute: enveloped.execute, subscribe: enveloped.subscribe },
          } as never
        } catch (error) {
          // An operation that is refused must not end the socket, and the other operations on it.
          return [maskError(error, initial.requestId, logger)]
        }
      },
    },
    sockets,
  )
  return { close: async () => disposable.dispose() }
}
