import { expect } from 'vitest'

/** A top-level error as a frontend sees it. */
export interface AnswerError {
  message: string
  path?: (string | number)[]
  locations?: { line: number; column: number }[]
  extensions: { code: string; [key: string]: unknown }
}

/** An answer with every byte of it, for looking at what a stranger could read. */
export interface WholeAnswer {
  status: number
  headers: Headers
  text: string
  data?: Record<string, unknown> | null
  errors?: AnswerError[]
}

/** The codes that the contract knows for top-level errors; NOT_FOUND stands beside them in its page on tokens. */
export const CONTRACT_CODES = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'BAD_USER_INPUT',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_TOO_COMPLEX',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_ONLY',
  'RATE_LIMITED',
  'PAYLOAD_TOO_LARGE',
  'UNAVAILABLE',
  'TIMEOUT',
  'INTERNAL',
]

const INTERNALS: Record<string, RegExp> = {
  'a stack': /\bat [^(\n]{1,80}\([^)]*:\d+:\d+\)|\bat (?:file|node):/,
  'a place in a source': /\.[cm]?[jt]s:\d+/,
  'a path of the machine': /file:\/\/|node_modules|(?:^|[\s"'(=])\/(?:work|home|root|usr|tmp|var|opt|etc)\//,
  SQL: /\b(?:SELECT|INSERT INTO|DELETE FROM|ON CONFLICT|RETURNING|LEFT JOIN)\b|\bUPDATE \w+ SET\b/,
  PostgreSQL: /postgres|prisma|\bpg_|sqlstate|violates|constraint|invalid input syntax|out of range: "/i,
  'an SQLSTATE': /\b(?:22P0\d|2200\d|22021|23\d{3}|42[0-9A-Z]{3}|40001|40P01)\b/,
  'an error of the runtime':
    /\b(?:Type|Syntax|Reference|Range|Zod|Aggregate|Database|JOSE)Error\b|originalError/,
}

/** What of our insides a text shows. */
export function internalsIn(text: string): string[] {
  return Object.entries(INTERNALS)
    .filter(([, pattern]) => pattern.test(text))
    .map(([what]) => what)
}

/** One exchange over real HTTP. Whatever the answer is, it must show nothing of our insides. */
export async function exchange(url: string, init: RequestInit, path = '/graphql'): Promise<WholeAnswer> {
  const response = await fetch(`${url}${path}`, init)
  const text = await response.text()
  expect(internalsIn(text), text.slice(0, 2000)).toEqual([])
  const isJson = response.headers.get('content-type')?.includes('json') && text !== ''
  return {
    status: response.status,
    headers: response.headers,
    text,
    ...(isJson ? (JSON.parse(text) as object) : {}),
  }
}

/** Sends an operation, or a body that is already text. */
export function ask(
  url: string,
  request: { query: string; variables?: unknown } | string,
  options: { token?: string; headers?: Record<string, string> } = {},
): Promise<WholeAnswer> {
  return exchange(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(options.token && { authorization: `Bearer ${options.token}` }),
      ...options.headers,
    },
    body: typeof request === 'string' ? request : JSON.stringify(request),
  })
}

/** The answer is top-level errors of one code alone, and names what it is about. */
export function expectError(answer: WholeAnswer, code: string, names: RegExp): AnswerError {
  const errors = answer.errors ?? []
  expect(
    errors.map(error => error.extensions?.code),
    answer.text,
  ).toEqual(errors.map(() => code))
  const [error] = errors
  if (!error) throw new Error(`no error in ${answer.text}`)
  expect(error.message).toMatch(names)
  expect(Object.values(answer.data ?? {}).filter(value => value !== null)).toEqual([])
  return error
}
