import type { IncomingMessage, ServerResponse } from 'node:http'
import { OperationScope } from '../shared/operation-scope.ts'
import type { ServerContext } from './graphql-server.ts'
import { answerOf, type HttpAnswer } from './http-answer.ts'
import { EVENT_STREAM, readAccept } from './media-type.ts'
import type { RunOperation } from './operation/operations.ts'
import { SECURITY_HEADERS, setSecurityHeaders } from './security-headers.ts'

/** Answers a request for GraphQL, whatever it is. */
export type ServeGraphql = (
  request: IncomingMessage,
  response: ServerResponse,
  context: ServerContext,
) => void | Promise<void>

/** What an operation needs; whatever is longer is rare, and read by the transport that knows every limit. */
const MAX_PLAIN_BYTES = 64 * 1024
const JSON_BODY = /^application\/json(?:\s*;\s*charset=utf-8)?$/i

/**
 * The short way of what nearly every request is: an operation by POST, in JSON of a known and moderate length, answered at once
 * and whole. It reads and writes; what may be executed, and how an answer looks, is decided where the full transport has it
 * decided. Whatever is out of the ordinary, as a page of another origin, a broken body or a stream, takes the full transport,
 * which is given the body that has been read: so there is one answer to it.
 */
export function plainPost(
  full: ServeGraphql,
  runOperation: RunOperation,
  { maxBodyBytes }: { maxBodyBytes: number },
): ServeGraphql {
  const maxBytes = Math.min(MAX_PLAIN_BYTES, maxBodyBytes)
  return async (request, response, context) => {
    const inFull = () => {
      if (context.bare) setCommonHeaders(response, context.requestId)
      return full(request, response, context)
    }
    const single = isPlain(request, maxBytes) ? readAccept(request.headers.accept).single : undefined
    if (single === undefined || single === EVENT_STREAM) return inFull()
    const body = await readBody(request)
    // Its client has left in the midst of it.
    if (!body) return
    const params = parse(body)
    if (params === undefined || mayStream(params)) {
      Object.assign(request, { body })
      return inFull()
    }
    const scope = new OperationScope()
    response.on('close', () => {
      if (!response.writableFinished) scope.endWith(new DOMException('the client has left', 'AbortError'))
    })
    const result = await runOperation(params, {
      requestId: context.requestId,
      authorization: context.authorization,
      client: context.client,
      readOnly: false,
      streams: false,
      scope,
    })
    if (Symbol.asyncIterator in result)
      throw new Error('an operation that subscribes to nothing gave a stream')
    const { status, headers, body: text } = answerOf(result, single)
    const length = Buffer.byteLength(text)
    if (context.bare) response.writeHead(status, allHeaders(headers, context.requestId, length))
    else response.writeHead(status, { ...headers, 'content-length': length })
    response.end(text)
  }
}

/** Whether it is likely to take the short way to its end, and with an answer that nothing compresses: its headers are written at once. */
export function isBare({ method, url, headers }: IncomingMessage): boolean {
  return method === 'POST' && url === '/graphql' && headers['accept-encoding'] === undefined
}

/** What every answer has. */
export function setCommonHeaders(response: ServerResponse, requestId: string): void {
  setSecurityHeaders(response)
  response.setHeader('x-request-id', requestId)
}

function allHeaders(headers: HttpAnswer['headers'], requestId: string, length: number): string[] {
  const all = [...SECURITY_HEADERS, 'x-request-id', requestId]
  for (const name in headers) all.push(name, headers[name] ?? '')
  all.push('content-length', String(length))
  return all
}

function isPlain({ method, url, headers }: IncomingMessage, maxBytes: number): boolean {
  const length = Number(headers['content-length'])
  return (
    method === 'POST' &&
    url === '/graphql' &&
    length > 0 &&
    length <= maxBytes &&
    headers.origin === undefined &&
    headers['transfer-encoding'] === undefined &&
    headers['content-encoding'] === undefined &&
    headers.expect === undefined &&
    JSON_BODY.test(headers['content-type'] ?? '')
  )
}

/** @returns undefined where its client leaves before it is whole. */
function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)))
    // After the end it changes nothing.
    request.on('close', () => resolve(undefined))
  })
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

/** No document that subscribes is without the word; and one that is not there may be known by its hash. */
function mayStream(params: unknown): boolean {
  const query = (params as { query?: unknown } | null)?.query
  return typeof query !== 'string' || query === '' || query.includes('subscription')
}
