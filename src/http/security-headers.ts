import type { ServerResponse } from 'node:http'

/** For answers that no page shows: nothing in them may be run, framed, or taken for another type. */
const HEADERS: readonly [name: string, value: string][] = [
  ['x-content-type-options', 'nosniff'],
  ['x-frame-options', 'DENY'],
  ['referrer-policy', 'no-referrer'],
  ['cross-origin-resource-policy', 'same-origin'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
]

/**
 * For GraphiQL, all of whose code is in the page, with workers that it makes of itself: a browser lets it ask this server and
 * nobody else.
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' 'unsafe-eval' blob:",
  "style-src 'unsafe-inline'",
  'worker-src blob: data:',
  "font-src 'self' data:",
  "img-src 'self' data:",
  "connect-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export function setSecurityHeaders(response: ServerResponse): void {
  for (const [name, value] of HEADERS) response.setHeader(name, value)
}

/** The same, name and value in turns, for an answer that writes all its headers at once: Node takes that as it is. */
export const SECURITY_HEADERS: readonly string[] = HEADERS.flat()
