import { type DocumentNode, type ExecutionResult, GraphQLError, getOperationAST } from 'graphql'
import { createYoga, isAsyncIterable, type Plugin, type YogaInitialContext } from 'graphql-yoga'
import { DatabaseAwayError, isDatabaseAway } from '../database/postgres-errors.ts'
import { resolveUser } from '../domain/users/resolve-user.ts'
import type { Context, Services } from '../schema/context.ts'
import { createLoaders } from '../schema/loaders.ts'
import { schema } from '../schema/schema.ts'
import { EVENT_ID, processEventStream } from './event-stream.ts'
import { renderGraphiqlPage } from './graphiql-page.ts'
import { literalPaths } from './literal-path.ts'
import { maskError } from './mask-error.ts'
import type { Retirement } from './retirement.ts'
import { endAfter, endAt } from './subscription-end.ts'
import { TokenError, type VerifiedToken, type VerifyToken } from './token.ts'

/** 10,000 data points of the longest form fit. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024
/** Many times what the look-up of a user takes behind a full pool; less than a client waits. */
const RESOLVE_USER_TIMEOUT_MS = 10_000

/** What a transport knows of a request, before anything of GraphQL is looked at. */
export interface ServerContext {
  requestId: string
  /** `Bearer …`, from the header or from connection_init. */
  authorization: string | undefined
  /** The address that attempts are counted for. */
  client: string
  /** Ends an event stream when the instance stops. */
  retirement?: Retirement
}

export type GraphqlServer = ReturnType<typeof createGraphqlServer>

export function createGraphqlServer(options: {
  services: Services
  verifyToken: VerifyToken
  graphiql: boolean
  /** Undefined: pages of this machine outside production, nobody in it. */
  corsOrigins: readonly string[] | undefined
  production: boolean
  developmentToken: string | undefined
}) {
  const { services, verifyToken } = options
  return createYoga<ServerContext, Context>({
    schema,
    graphqlEndpoint: '/graphql',
    landingPage: false,
    // Yoga would answer 200 to any address that ends in it; no address ends in this, and http-server has pages of its own.
    healthCheckEndpoint: '\n',
    logging: false,
    multipart: false,
    maxRequestBodySize: MAX_BODY_BYTES,
    graphiql: options.graphiql,
    renderGraphiQL: () => renderGraphiqlPage(options.developmentToken),
    cors: request => {
      const origin = request.headers.get('origin')
      const allowed =
        origin !== null &&
        (options.corsOrigins ? options.corsOrigins.includes(origin) : !options.production && isLocal(origin))
      return allowed
        ? {
            origin,
            methods: ['GET', 'POST'],
            allowedHeaders: ['authorization', 'content-type', 'last-event-id', 'x-request-id'],
            maxAge: 600,
          }
        : false
    },
    context: async (initial: YogaInitialContext & ServerContext): Promise<Context> => {
      const lastEventId = initial.request?.headers.get('last-event-id')
      return {
        services,
        requestId: initial.requestId,
        client: initial.client,
        ...(await authenticate(initial.authorization)),
        ...(initial.request?.signal && { signal: initial.request.signal }),
        ...(lastEventId && { lastEventId }),
        loaders: createLoaders(services),
      }
    },
    maskedErrors: false,
    plugins: [
      refuseForms,
      refuseBrokenParameters,
      eventStreams,
      subscriptions,
      errorCodes(services),
      observe(services),
    ],
  })

  async function authenticate(
    authorization: string | undefined,
  ): Promise<Pick<Context, 'principal' | 'viewer' | 'viewerUnknown' | 'tokenExpiresAt'>> {
    if (authorization === undefined) return { principal: null, viewer: null }
    const [, token] = /^Bearer +(\S+)$/i.exec(authorization) ?? []
    try {
      if (!token) throw new TokenError('The authorization is malformed: expected Bearer <token>.')
      const { principal, expiresAt }: VerifiedToken = await verifyToken(token)
      const tokenExpiresAt = expiresAt
      try {
        const viewer = await inTime(resolveUser(services.db, principal))
        if (!viewer) throw new TokenError('The session of this token has ended: log in.')
        return { principal, viewer, tokenExpiresAt }
      } catch (error) {
        // What can be done without the database is done; the rest says so when it asks for the viewer.
        if (!isDatabaseAway(error)) throw error
        return { principal, viewer: null, viewerUnknown: error, tokenExpiresAt }
      }
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
      throw new GraphQLError(error.message, {
        extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } },
      })
    }
  }
}

/** A server that hangs is as good as none: whoever can do without it must not wait for it. */
function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new DatabaseAwayError('the database did not answer')),
      RESOLVE_USER_TIMEOUT_MS,
    )
  })
  return Promise.race([answer, late]).finally(() => clearTimeout(timer))
}

function isLocal(origin: string): boolean {
  return URL.canParse(origin) && ['localhost', '127.0.0.1', '[::1]'].includes(new URL(origin).hostname)
}

/** A form of a foreign page can send these types without the browser asking first. */
const refuseForms: Plugin = {
  onRequestParse({ request, endResponse, fetchAPI }) {
    const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
    if (request.method !== 'POST' || type === 'application/json') return
    const error = {
      message: 'Send the operation as application/json.',
      extensions: { code: 'BAD_USER_INPUT' },
    }
    endResponse(fetchAPI.Response.json({ errors: [error] }, { status: 415 }))
  },
}

/** What Yoga would parse in the address without expecting it to fail. */
const refuseBrokenParameters: Plugin = {
  onRequestParse({ request, url, endResponse, fetchAPI }) {
    if (request.method !== 'GET') return
    for (const parameter of ['variables', 'extensions']) {
      const text = url.searchParams.get(parameter)
      if (!text || isJson(text)) continue
      const error = { message: `${parameter}: expected JSON`, extensions: { code: 'BAD_USER_INPUT' } }
      return endResponse(fetchAPI.Response.json({ errors: [error] }, { status: 400 }))
    }
  },
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const eventStreams: Plugin = {
  onResultProcess({ request, setResultProcessor, serverContext }) {
    const { retirement } = serverContext as unknown as ServerContext
    if (request.headers.get('accept')?.includes('text/event-stream'))
      setResultProcessor(
        (result, fetchAPI) => processEventStream(result, fetchAPI, retirement),
        'text/event-stream',
      )
  },
}

/** A subscription lives no longer than the token that it was opened with; each of its events may have an id of its own. */
const subscriptions: Plugin = {
  onSubscribe: ({ args }) => ({
    onSubscribeResult: ({ result, setResult }) => {
      if (!isAsyncIterable(result)) return
      const context = args.contextValue as unknown as Context
      // A client that goes on behind an event that could not be made would never get it; one that comes again does.
      const isMissing = ({ data }: ExecutionResult) => context.eventId !== undefined && !data
      const results = endAfter(result as AsyncIterable<ExecutionResult>, isMissing)
      const { tokenExpiresAt } = context
      setResult(tokenExpiresAt ? endAt(results, tokenExpiresAt, tokenExpired) : results)
      return {
        onNext: ({ result, setResult }) => {
          const { eventId } = context
          if (eventId !== undefined && (result as ExecutionResult).data)
            setResult({ ...result, [EVENT_ID]: eventId } as ExecutionResult)
        },
      }
    },
  }),
}

function tokenExpired(): ExecutionResult {
  const message = 'The token has expired: get a new one and subscribe again.'
  return { errors: [new GraphQLError(message, { extensions: { code: 'UNAUTHENTICATED' } })] }
}

/** Every error that leaves the gateway has a code of the contract. */
function errorCodes({ logger }: Services): Plugin<ServerContext> {
  const withCode = (error: unknown, code: string, path?: string) =>
    error instanceof GraphQLError
      ? new GraphQLError(path === undefined ? error.message : `${path}: ${error.message}`, {
          ...error,
          nodes: error.nodes ?? null,
          originalError: null,
          extensions: { ...error.extensions, code },
        })
      : error
  const masked = <Result extends ExecutionResult>(
    result: Result,
    requestId: string,
    signal?: AbortSignal,
  ): Result =>
    result.errors
      ? { ...result, errors: result.errors.map(error => maskError(error, requestId, logger, signal)) }
      : result
  return {
    onParse:
      () =>
      ({ result, replaceParseResult }) => {
        if (result instanceof Error) replaceParseResult(withCode(result, 'GRAPHQL_PARSE_FAILED') as Error)
      },
    onValidate:
      ({ params }) =>
      ({ valid, result, setResult }) => {
        if (valid) return
        const errors = result as readonly GraphQLError[]
        const paths = literalPaths(params.documentAST, errors)
        setResult(
          errors.map(error =>
            // Yoga keeps what it has validated, and hands out again what this has made of it.
            error.extensions.code === undefined
              ? (withCode(error, 'GRAPHQL_VALIDATION_FAILED', paths.get(error)) as GraphQLError)
              : error,
          ),
        )
      },
    onExecute: ({ args }) => ({
      onExecuteDone: ({ result, setResult }) => {
        const { requestId, signal } = args.contextValue as unknown as Context
        if (!isAsyncIterable(result)) setResult(masked(result, requestId, signal))
      },
    }),
    onSubscribe: ({ args }) => ({
      onSubscribeResult: ({ result, setResult }) => {
        const { requestId } = args.contextValue as unknown as ServerContext
        if (!isAsyncIterable(result)) return setResult(masked(result, requestId))
        return { onNext: event => event.setResult(masked(event.result as ExecutionResult, requestId)) }
      },
      // A source that breaks: what it says would go out over a WebSocket as it is.
      onSubscribeError: ({ error, setError }) => {
        const { requestId } = args.contextValue as unknown as ServerContext
        setError(maskError(error, requestId, logger))
      },
    }),
    // What went wrong before the execution, such as a body that is no JSON or a token that is refused.
    onResultProcess({ result, setResult, serverContext }) {
      if (!result || isAsyncIterable(result) || Array.isArray(result)) return
      setResult(masked(result as ExecutionResult, (serverContext as unknown as ServerContext).requestId))
    },
  }
}

/** Counts operations by their name, one of the schema's fields, which bounds the label; never by a client's string. */
function observe({ metrics }: Services): Plugin {
  const labelOf = (document: DocumentNode, operationName: string | null | undefined) => {
    const operation = getOperationAST(document, operationName)
    const fields = operation?.selectionSet.selections.flatMap(selection =>
      selection.kind === 'Field' ? [selection.name.value] : [],
    )
    return operation ? `${operation.operation} ${fields?.length === 1 ? fields[0] : 'several'}` : 'unknown'
  }
  return {
    onExecute: ({ args }) => {
      const operation = labelOf(args.document, args.operationName)
      const startedAtMs = performance.now()
      return {
        onExecuteDone: ({ result }) => {
          const failed = !isAsyncIterable(result) && result.errors
          metrics.graphqlRequests.inc({ operation, outcome: failed ? 'error' : 'success' })
          metrics.graphqlSeconds.observe({ operation }, (performance.now() - startedAtMs) / 1000)
        },
      }
    },
    onSubscribe: () => {
      let active = false
      const end = () => {
        if (active) metrics.subscriptionsActive.dec()
        active = false
      }
      return {
        onSubscribeResult: ({ result }) => {
          if (!isAsyncIterable(result)) return
          active = true
          metrics.subscriptionsActive.inc()
          return { onEnd: end }
        },
        // Its source has broken, and nobody will ask it to end.
        onSubscribeError: end,
      }
    },
  }
}
