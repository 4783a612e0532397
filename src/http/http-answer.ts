import type { ExecutionResult } from 'graphql'
import { withoutHttp } from './mask-error.ts'

/** How a single result may be written. */
export type MediaType = 'application/graphql-response+json' | 'application/json'

/** A whole answer over HTTP, for whatever writes it. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const headersOf = (mediaType: MediaType) =>
  Object.freeze({
    'content-type': `${mediaType}; charset=utf-8`,
    'cache-control': 'no-store',
    vary: 'Accept, Origin',
  })
const HEADERS: Readonly<Record<MediaType, Readonly<Record<string, string>>>> = {
  'application/graphql-response+json': headersOf('application/graphql-response+json'),
  'application/json': headersOf('application/json'),
}

/** Of results that several are given: their text, made by the first who sends it. */
const sharedBodies = new WeakMap<ExecutionResult, { text: string | undefined }>()

/** To be called before it is handed out. */
export function shareBody(result: ExecutionResult): void {
  if (!result.errors) sharedBodies.set(result, { text: undefined })
}

function bodyOf(result: ExecutionResult): string {
  const shared = sharedBodies.get(result)
  if (!shared) return JSON.stringify(result)
  shared.text ??= JSON.stringify(result)
  return shared.text
}

/** @see https://graphql.github.io/graphql-over-http/draft/#sec-Response */
export function answerOf(result: ExecutionResult, mediaType: MediaType): HttpAnswer {
  if (!result.errors) return { status: 200, headers: HEADERS[mediaType], body: bodyOf(result) }
  const headers: Record<string, string> = { ...HEADERS[mediaType], ...retryAfter(result) }
  let status = 0
  for (const { extensions } of result.errors) {
    const http = extensions.http as HttpExtension | undefined
    if (!http) continue
    Object.assign(headers, http.headers)
    // To a client that knows no media type of GraphQL, an error status would mean that this is no answer of GraphQL at all.
    if (http.spec && mediaType === 'application/json') continue
    status = Math.max(status, http.status)
  }
  // With data, however little, it is an answer.
  if (result.data) status = 200
  if (status === 0) status = 'data' in result || mediaType === 'application/json' ? 200 : 500
  return { status, headers, body: JSON.stringify({ ...result, errors: withoutHttp(result.errors) }) }
}

/** When to try again, as a header, where an error says so: at the latest time that one says. RFC 9110 knows whole seconds only. */
export function retryAfter({ errors = [] }: ExecutionResult): Record<string, string> {
  let latestMs = 0
  for (const { extensions } of errors)
    if (typeof extensions.retryAfterMs === 'number') latestMs = Math.max(latestMs, extensions.retryAfterMs)
  return latestMs > 0 ? { 'retry-after': String(Math.ceil(latestMs / 1000)) } : {}
}

/** On an error, as `extensions.http`: how a transport with a status answers. No client sees it. */
export interface HttpExtension {
  readonly status: number
  /** A well-formed request whose document is at fault: 200 where the client asked for application/json. */
  readonly spec?: boolean
  readonly headers?: Readonly<Record<string, string>>
}
