import type { JsonValue } from '../../shared/json.ts'

/**
 * The JSON that a model has written. Models that are not held to a schema like to think aloud before it, and to put it into
 * a Markdown fence.
 * @returns undefined when it is none
 */
export function parseAnswerText(content: string): JsonValue | undefined {
  const said = afterThought(content)
  for (const text of [content, said, withoutFence(said.trim())]) {
    if (text === undefined) continue
    try {
      return JSON.parse(text) as JsonValue
    } catch {}
  }
  return undefined
}

/** What a model says after what it thinks aloud, some of them without a tag before it; nothing while it still thinks. */
export function afterThought(content: string): string {
  const end = content.indexOf(THOUGHT_ENDS)
  const begins = content.trimStart().startsWith(THOUGHT_BEGINS)
  if (begins && end < 0) return ''
  // Within JSON it is part of a text.
  const isJson = content.trimStart().startsWith('{')
  return end < 0 || isJson ? content : content.slice(end + THOUGHT_ENDS.length)
}

const THOUGHT_BEGINS = '<think>'
const THOUGHT_ENDS = '</think>'

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
