import type { ExecutionResult, GraphQLError } from 'graphql'
import { createYoga, type FetchAPI, isAsyncIterable, type Plugin } from 'graphql-yoga'
import type { Logger } from '../shared/logger.ts'
import { processEventStream } from './event-stream.ts'
import { renderGraphiqlPage } from './graphiql-page.ts'
import { answerOf, type MediaType } from './http-answer.ts'
import { checkBodyType, readJson } from './json-body.ts'
import { maskError } from './mask-error.ts'
import { EVENT_STREAM, readAccept } from './media-type.ts'
import type { RequestFacts, RunOperation } from './operation/operations.ts'
import { badRequest, Refused } from './operation/refused.ts'
import type { Retirement } from './retirement.ts'
import { PAGE_POLICY } from './security-headers.ts'

/** What is known of a request over HTTP, before anything of GraphQL is looked at. */
export interface ServerContext {
  requestId: string
  authorization: string | undefined
  /** The address that attempts are counted for. */
  client: string
  /** Ends an event stream when the instance stops. */
  retirement?: Retirement
  /** Without the headers that every answer has: whoever answers adds them. */
  bare?: boolean
  /** Called for an answer that may never end by itself. */
  becomesStream?: () => void
}

export type GraphqlServer = ReturnType<typeof createGraphqlServer>

/**
 * GraphQL over HTTP in all its forms: POST and GET, single results and event streams, GraphiQL, CORS. Yoga reads requests and
 * writes answers; what may be executed, and how, is `runOperation`'s alone.
 */
export function createGraphqlServer(options: {
  runOperation: RunOperation
  /** @throws Refused where an address has spent what it may: nothing that it sends is read then. */
  checkAddress: (client: string) => void
  graphiql: boolean
  maxBodyBytes: number
  /** Undefined: pages of this machine outside production, nobody in it. */
  corsOrigins: readonly string[] | undefined
  production: boolean
  developmentToken: string | undefined
  logger: Logger
}) {
  const { runOperation, checkAddress } = options
  return createYoga<ServerContext>({
    graphqlEndpoint: '/graphql',
    landingPage: false,
    // Yoga would answer 200 to any address that ends in it; no address ends in this, and http-server has pages of its own.
    healthCheckEndpoint: '\n',
    logging: false,
    multipart: false,
    maxRequestBodySize: options.maxBodyBytes,
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
            // Who asks is told by a token, never by what a browser adds on its own.
            credentials: false,
            methods: ['GET', 'POST'],
            allowedHeaders: ['authorization', 'content-type', 'last-event-id', 'x-request-id'],
            exposedHeaders: ['x-request-id', 'retry-after'],
            maxAge: 600,
          }
        : false
    },
    maskedErrors: false,
    plugins: [
      reading(checkAddress),
      refuseBrokenParameters,
      operations(runOperation),
      answers(runOperation, options.logger),
      responseHeaders,
    ],
  })
}

function isLocal(origin: string): boolean {
  return URL.canParse(origin) && ['localhost', '127.0.0.1', '[::1]'].includes(new URL(origin).hostname)
}

/** What is thrown here becomes an answer in `answers`. */
function reading(checkAddress: (client: string) => void): Plugin<ServerContext> {
  return {
    onRequestParse({ request, serverContext, setRequestParser }) {
      checkAddress((serverContext as unknown as ServerContext).client)
      if (request.method !== 'POST') return
      checkBodyType(request.headers)
      setRequestParser(readJson)
    },
  }
}

/** What Yoga would parse in the address without expecting it to fail. */
const refuseBrokenParameters: Plugin = {
  onRequestParse({ request, url }) {
    if (request.method !== 'GET') return
    for (const parameter of ['variables', 'extensions']) {
      const text = url.searchParams.get(parameter)
      if (text && !isJson(text)) throw badRequest(`${parameter}: expected JSON`)
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

function factsOf(request: Request, context: unknown): RequestFacts {
  const { requestId, authorization, client } = context as ServerContext
  return {
    requestId,
    authorization,
    client,
    readOnly: request.method === 'GET',
    streams: readAccept(request.headers.get('accept') ?? undefined).streams,
    signal: request.signal,
    lastEventId: request.headers.get('last-event-id') ?? undefined,
  }
}

/** Results of `runOperation`; every other one says that there was nothing to run. */
const ran = new WeakSet<object>()

function operations(runOperation: RunOperation): Plugin<ServerContext> {
  return {
    onParams({ request, params: sent, setParams, setParamsHandler }) {
      const documentId =
        request.method === 'GET' ? new URL(request.url).searchParams.get('documentId') : undefined
      const params = documentId == null ? sent : { ...sent, documentId }
      // What was sent is looked at there, in the same words whatever transport brought it; Yoga would refuse a document's id.
      setParams({ query: '' })
      setParamsHandler((async ({ context }: { context: unknown }) => {
        const result = await runOperation(params, factsOf(request, context))
        ran.add(result)
        return result
      }) as never)
    },
  }
}

const responseHeaders: Plugin = {
  onResponse({ response }) {
    // A cache between must not give one page's answer to another.
    if (!response.headers.has('vary')) response.headers.set('vary', 'Accept, Origin')
    if (response.headers.get('content-type')?.startsWith('text/html'))
      response.headers.set('content-security-policy', PAGE_POLICY)
  },
}

/** Every result, and what went wrong before there was one, such as a body that is no JSON. */
function answers(runOperation: RunOperation, logger: Logger): Plugin {
  return {
    async onResultProcess({ request, result, setResult, setResultProcessor, serverContext }) {
      const { single } = readAccept(request.headers.get('accept') ?? undefined)
      const { requestId, retirement, becomesStream } = serverContext as unknown as ServerContext
      if (isAsyncIterable(result)) becomesStream?.()
      else if (!Array.isArray(result) && result.errors && !ran.has(result)) {
        const errors = result.errors.map(error => maskError(error, requestId, logger))
        setResult(
          errors.some(isOurs)
            ? { errors }
            : await runOperation(new Refused(errors), factsOf(request, serverContext)),
        )
      }
      if (isAsyncIterable(result) || single === EVENT_STREAM)
        return setResultProcessor(
          (result, fetchAPI) => processEventStream(result, fetchAPI, retirement),
          EVENT_STREAM,
        )
      setResultProcessor(processSingleResult, single ?? 'application/json')
    },
  }
}

/** Whether the fault is this side's: nobody is to pay for it. */
function isOurs({ extensions: { code } }: GraphQLError): boolean {
  return code === 'INTERNAL' || code === 'UNAVAILABLE'
}

function processSingleResult(result: unknown, fetchAPI: FetchAPI, mediaType: string): Response {
  const { status, headers, body } = answerOf(result as ExecutionResult, mediaType as MediaType)
  // Yoga adds headers to the very object that it is given.
  return new fetchAPI.Response(body, { status, headers: { ...headers } })
}
