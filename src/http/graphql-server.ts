import type { ExecutionResult } from 'graphql'
import { createYoga, type FetchAPI, isAsyncIterable, type Plugin } from 'graphql-yoga'
import type { Logger } from '../shared/logger.ts'
import { processEventStream } from './event-stream.ts'
import { renderGraphiqlPage } from './graphiql-page.ts'
import { answerOf, type MediaType } from './http-answer.ts'
import { maskError } from './mask-error.ts'
import { EVENT_STREAM, readAccept } from './media-type.ts'
import type { RunOperation } from './operation/operations.ts'
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
  graphiql: boolean
  maxBodyBytes: number
  /** Undefined: pages of this machine outside production, nobody in it. */
  corsOrigins: readonly string[] | undefined
  production: boolean
  developmentToken: string | undefined
  logger: Logger
}) {
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
      refuseForms,
      refuseBrokenParameters,
      operations(options.runOperation),
      answers(options.logger),
      responseHeaders,
    ],
  })
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

function operations(runOperation: RunOperation): Plugin<ServerContext> {
  return {
    onParams({ request, params: sent, setParams, setParamsHandler }) {
      const documentId =
        request.method === 'GET' ? new URL(request.url).searchParams.get('documentId') : undefined
      const params = documentId == null ? sent : { ...sent, documentId }
      // What was sent is looked at there, in the same words whatever transport brought it; Yoga would refuse a document's id.
      setParams({ query: '' })
      const accepted = readAccept(request.headers.get('accept') ?? undefined)
      setParamsHandler(({ context }) => {
        const { requestId, authorization, client } = context as unknown as ServerContext
        return runOperation(params, {
          requestId,
          authorization,
          client,
          readOnly: request.method === 'GET',
          streams: accepted.streams,
          signal: request.signal,
          lastEventId: request.headers.get('last-event-id') ?? undefined,
        }) as never
      })
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
function answers(logger: Logger): Plugin {
  return {
    onResultProcess({ request, result, setResult, setResultProcessor, serverContext }) {
      const { single } = readAccept(request.headers.get('accept') ?? undefined)
      const { requestId, retirement, becomesStream } = serverContext as unknown as ServerContext
      if (isAsyncIterable(result)) becomesStream?.()
      else if (!Array.isArray(result) && result.errors)
        setResult({ ...result, errors: result.errors.map(error => maskError(error, requestId, logger)) })
      if (isAsyncIterable(result) || single === EVENT_STREAM)
        return setResultProcessor(
          (result, fetchAPI) => processEventStream(result, fetchAPI, retirement),
          EVENT_STREAM,
        )
      setResultProcessor(processSingleResult, single ?? 'application/json')
    },
  }
}

function processSingleResult(result: unknown, fetchAPI: FetchAPI, mediaType: string): Response {
  const { status, headers, body } = answerOf(result as ExecutionResult, mediaType as MediaType)
  return new fetchAPI.Response(body, { status, headers })
}
