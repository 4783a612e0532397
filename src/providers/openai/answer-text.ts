import type { JsonValue } from '../../shared/json.ts'

/**
 * The JSON that a model has written. Models that are not held to a schema like to put it into a Markdown fence.
 * @returns undefined when it is none
 */
export function parseAnswerText(content: string): JsonValue | undefined {
  const fenced = withoutFence(content.trim())
  for (const text of fenced === undefined ? [content] : [content, fenced]) {
    try {
      return JSON.parse(text) as JsonValue
    } catch {}
  }
  return undefined
}

function withoutFence(text: string): string | undefined {
  const from = text.indexOf('\n') + 1
  const to = text.lastIndexOf('```')
  return text.startsWith('```') && text.endsWith('```') && from > 0 && from <= to
    ? text.slice(from, to)
    : undefined
}

/** What JSON may carry and PostgreSQL may not store: NUL, and halves of surrogate pairs. */
export function storable<Value>(value: Value): Value
export function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '').toWellFormed()
  if (Array.isArray(value)) return value.map(storable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storable(key), storable(inner)]))
}
