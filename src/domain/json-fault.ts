import type { JsonValue } from '../shared/json.ts'

/** Deeper than any honest document, and far from what PostgreSQL's parser takes. */
const MAX_DEPTH = 64
const UNSTORABLE = /[\0\p{Cs}]/u

/** Why the database cannot hold this JSON, or should not; undefined when it can. */
export function jsonFault(value: JsonValue, maxBytes: number): string | undefined {
  return faultIn(value, 1) ?? sizeFault(value, maxBytes)
}

function sizeFault(value: JsonValue, maxBytes: number): string | undefined {
  const bytes = Buffer.byteLength(JSON.stringify(value))
  return bytes > maxBytes ? `expected at most ${maxBytes} bytes of JSON, got ${bytes}` : undefined
}

function faultIn(value: JsonValue, depth: number): string | undefined {
  if (typeof value === 'string')
    return UNSTORABLE.test(value) ? 'expected text without characters that cannot be stored' : undefined
  if (typeof value === 'number')
    return Number.isFinite(value) ? undefined : 'expected numbers that are finite'
  if (value === null || typeof value !== 'object') return undefined
  if (depth > MAX_DEPTH) return `expected at most ${MAX_DEPTH} levels`
  const parts = Array.isArray(value) ? value : [...Object.keys(value), ...Object.values(value)]
  for (const part of parts) {
    const fault = faultIn(part, depth + 1)
    if (fault) return fault
  }
  return undefined
}
