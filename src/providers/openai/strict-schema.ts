import { z } from 'zod'

export type JsonSchema = { [keyword: string]: unknown }

/** Keywords that structured output takes in strict mode, and that say something a server can hold a model to. */
const KEYWORDS = new Set([
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

/**
 * The JSON schema of a zod type as strict mode wants it: every property required, none beside them. Whatever satisfies
 * it satisfies the zod type.
 * @throws Error where the type asks for what such a schema cannot say, a refinement or the form of a string: an answer
 * could then be refused that kept to all it was told
 */
export function strictJsonSchema(type: z.ZodType): JsonSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(type, {
    override: ({ zodSchema, path }) => {
      const checks = zodSchema._zod.def.checks ?? []
      if (checks.some(check => check._zod.def.check === 'custom'))
        throw new Error(`a schema cannot say what the check at ${place(path)} asks for`)
    },
  }) as JsonSchema
  if (schema.type !== 'object') throw new Error('strict mode takes only an object at the top of a schema')
  assertStrict(schema, [])
  return schema
}

function assertStrict(schema: JsonSchema, path: readonly (string | number)[]): void {
  for (const keyword of Object.keys(schema)) {
    if (!KEYWORDS.has(keyword)) throw new Error(`strict mode does not know ${keyword} at ${place(path)}`)
  }
  const { properties, items, anyOf } = schema as {
    properties?: Record<string, JsonSchema>
    items?: JsonSchema
    anyOf?: JsonSchema[]
  }
  if (schema.type === 'object') {
    const required = new Set((schema.required as string[] | undefined) ?? [])
    if (schema.additionalProperties !== false)
      throw new Error(`strict mode takes only closed objects, unlike that at ${place(path)}`)
    for (const [name, property] of Object.entries(properties ?? {})) {
      if (!required.has(name)) throw new Error(`strict mode wants ${place([...path, name])} required`)
      assertStrict(property, [...path, name])
    }
  }
  if (items) assertStrict(items, [...path, 'items'])
  for (const [index, option] of (anyOf ?? []).entries()) assertStrict(option, [...path, index])
}

const place = (path: readonly (string | number)[]) => (path.length > 0 ? path.join('.') : 'the top')
