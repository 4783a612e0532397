import { GraphQLError, type ValueNode, valueFromASTUntyped } from 'graphql'
import { z } from 'zod'
import { toIsoText } from '../shared/instant.ts'
import type { JsonValue } from '../shared/json.ts'
import { builder } from './builder.ts'

const Instant = z.iso.datetime({ offset: true })
const Day = z.iso.date()

function parseInstant(value: unknown, node?: ValueNode): Date {
  const parsed = Instant.safeParse(value)
  const date = parsed.success ? new Date(parsed.data) : undefined
  if (!date || Number.isNaN(date.getTime()))
    throw new GraphQLError('expected an instant such as 2026-01-31T10:00:03.000Z', { nodes: node ?? null })
  return date
}

function parseDay(value: unknown, node?: ValueNode): string {
  const parsed = Day.safeParse(value)
  if (!parsed.success) throw new GraphQLError('expected a day such as 2026-01-31', { nodes: node ?? null })
  return parsed.data
}

const literal = (node: ValueNode) => valueFromASTUntyped(node)

builder.scalarType('DateTime', {
  description: 'An instant, ISO 8601 in UTC with milliseconds, e.g. 2026-01-31T10:00:03.000Z.',
  serialize: toIsoText,
  parseValue: value => parseInstant(value),
  parseLiteral: node => parseInstant(literal(node), node),
})

builder.scalarType('Date', {
  description: 'A calendar day in UTC, ISO 8601, e.g. 2026-01-31.',
  serialize: day => day,
  parseValue: value => parseDay(value),
  parseLiteral: node => parseDay(literal(node), node),
})

builder.scalarType('JSON', {
  description: 'Any JSON value.',
  serialize: value => value,
  parseValue: value => value as JsonValue,
})
