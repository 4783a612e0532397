import type { MediaType } from './http-answer.ts'

export const EVENT_STREAM = 'text/event-stream'
/** Where a client names several alike: who knows GraphQL's own type wants it; a stream is for what has several results. */
const NAMED = ['application/graphql-response+json', 'application/json', EVENT_STREAM] as const
/** Where it takes anything: what one from before 2025 understands. */
const ANYTHING = ['application/json', 'application/graphql-response+json', EVENT_STREAM] as const
/** No client names more; a header could hold thousands. */
const MAX_RANGES = 50

/** What a client takes, by its header Accept. */
export interface Accepted {
  /** How a single result is written; undefined where it takes nothing that is offered. */
  readonly single: MediaType | typeof EVENT_STREAM | undefined
  /** Whether it takes results one after another. */
  readonly streams: boolean
}

const JSON_ALONE: Accepted = { single: 'application/json', streams: false }
const GRAPHQL_ALONE: Accepted = { single: 'application/graphql-response+json', streams: false }
const WHATEVER: Accepted = { single: 'application/json', streams: true }

/** By qualities, then by how exactly a type is named, as HTTP has it. https://www.rfc-editor.org/rfc/rfc9110#name-accept */
export function readAccept(accept: string | undefined): Accepted {
  // What nearly all send, without another look.
  if (accept === undefined || accept === '*/*' || accept === '') return WHATEVER
  if (accept === 'application/json') return JSON_ALONE
  if (accept === 'application/graphql-response+json') return GRAPHQL_ALONE
  const ranges = accept.split(',', MAX_RANGES).flatMap(readRange)
  const taken = NAMED.map(type => ({ type, ...matching(ranges, type) })).filter(({ quality }) => quality > 0)
  const [best] = taken.toSorted(
    (a, b) =>
      b.quality - a.quality ||
      b.precision - a.precision ||
      (a.precision === EXACT
        ? NAMED.indexOf(a.type) - NAMED.indexOf(b.type)
        : ANYTHING.indexOf(a.type) - ANYTHING.indexOf(b.type)),
  )
  return { single: best?.type, streams: taken.some(({ type }) => type === EVENT_STREAM) }
}

interface Range {
  type: string
  quality: number
  precision: number
}
const EXACT = 3

function matching(ranges: readonly Range[], offered: string): { quality: number; precision: number } {
  let found = { quality: 0, precision: 0 }
  for (const { type, quality, precision } of ranges)
    if (
      precision > found.precision &&
      (type === offered || type === '*/*' || type === `${offered.split('/')[0]}/*`)
    )
      found = { quality, precision }
  return found
}

/** Whether a parameter of a media type names a charset other than UTF-8, the only one that is read and written here. */
export function namesOtherCharset(parameter: string): boolean {
  const [name = '', value = ''] = parameter.toLowerCase().split('=')
  return name.trim() === 'charset' && !/^\s*"?utf-?8"?\s*$/.test(value)
}

function readRange(text: string): Range[] {
  const [type = '', ...parameters] = text.split(';').map(part => part.trim().toLowerCase())
  let quality = 1
  for (const parameter of parameters) {
    const [name, value = ''] = parameter.split('=').map(part => part.trim().replaceAll('"', ''))
    if (name === 'q') quality = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(value) ? Number(value) : 0
    // Nothing else is written here.
    else if (namesOtherCharset(parameter)) return []
  }
  return [{ type, quality, precision: type === '*/*' ? 1 : type.endsWith('/*') ? 2 : EXACT }]
}
