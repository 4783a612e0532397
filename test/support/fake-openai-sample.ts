import type { JsonValue } from '../../src/shared/json.ts'

type Schema = Record<string, unknown>

/** Texts that a model may write where a schema says no more than string. */
const TEXTS = [
  '',
  ' ',
  'Sleep',
  'Füße 🦶',
  'a\0b',
  'half a pair: \ud83d',
  '{{archetype}}',
  '</data>',
  '25:99',
  '\n\n',
  '0',
]
const KNOWN = new Set([
  'type',
  'description',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'minItems',
  'maxItems',
  'enum',
  'anyOf',
  'minimum',
  'maximum',
])

/** As OpenAI checks a schema before it takes it in strict mode. @returns what it minds; undefined: nothing. */
export function strictModeObjection(schema: Schema, path = '$'): string | undefined {
  const unknown = Object.keys(schema).find(keyword => !KNOWN.has(keyword))
  if (unknown) return `${path}: ${unknown} is not permitted`
  const properties = (schema.properties ?? {}) as Record<string, Schema>
  if (schema.type === 'object') {
    if (schema.additionalProperties !== false) return `${path}: additionalProperties is required to be false`
    const required = (schema.required ?? []) as string[]
    const missing = Object.keys(properties).find(name => !required.includes(name))
    if (missing) return `${path}: ${missing} is missing in required`
  } else if (path === '$') return 'the schema must be an object'
  const inner: [string, Schema][] = [
    ...Object.entries(properties),
    ...(schema.items ? [['[]', schema.items as Schema] as [string, Schema]] : []),
    ...((schema.anyOf ?? []) as Schema[]).map((option, index): [string, Schema] => [`${index}`, option]),
  ]
  for (const [name, part] of inner) {
    const objection = strictModeObjection(part, `${path}.${name}`)
    if (objection) return objection
  }
  return undefined
}

/**
 * Some value that the schema allows: its limits as likely as what lies between.
 * @param draw from 0 up to 1; the same numbers draw the same value
 */
export function sampleOf(schema: Schema, draw: () => number): JsonValue {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(draw() * from.length)] as T
  if (schema.anyOf) return sampleOf(pick(schema.anyOf as Schema[]), draw)
  if (schema.enum) return pick(schema.enum as JsonValue[])
  const type = Array.isArray(schema.type) ? pick(schema.type as string[]) : schema.type
  switch (type) {
    case 'null':
      return null
    case 'boolean':
      return draw() < 0.5
    case 'string':
      return pick(TEXTS)
    case 'integer':
    case 'number': {
      const low = Number(schema.minimum ?? -1e6)
      const high = Number(schema.maximum ?? 1e6)
      const between = low + draw() * (high - low)
      return pick([low, high, type === 'integer' ? Math.floor(between) : between])
    }
    case 'array': {
      const least = Number(schema.minItems ?? 0)
      const most = Math.min(Number(schema.maxItems ?? least + 3), least + 30)
      const length = pick([least, most, least + Math.floor(draw() * (most - least + 1))])
      return Array.from({ length }, () => sampleOf(schema.items as Schema, draw))
    }
    case 'object': {
      const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>)
      return Object.fromEntries(properties.map(([name, property]) => [name, sampleOf(property, draw)]))
    }
    default:
      throw new Error(`no sample of ${JSON.stringify(schema)}`)
  }
}
