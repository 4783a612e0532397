import { z } from 'zod'
import type { JsonValue } from '../../shared/json.ts'
import { longText, plainText } from '../field-issues.ts'

/** A name that operators choose, and that metrics carry as a label. */
export const CollectionName = plainText({ min: 1, max: 128 }).refine(
  name => name.trim() === name,
  'expected a name without white space around it',
)

const MAX_TEXT_CHARACTERS = 100_000
const MAX_METADATA_CHARACTERS = 16_384
const MAX_METADATA_DEPTH = 20

const Metadata = z
  .custom<JsonValue>(() => true)
  .refine(
    value => isStorable(value, MAX_METADATA_DEPTH) && JSON.stringify(value).length <= MAX_METADATA_CHARACTERS,
    `expected JSON of at most ${MAX_METADATA_CHARACTERS} characters and ${MAX_METADATA_DEPTH} levels, without control characters`,
  )

export const DocumentForm = z.object({
  documentId: plainText({ min: 1, max: 256 }),
  text: longText({ min: 1, max: MAX_TEXT_CHARACTERS }).refine(
    text => text.trim() !== '',
    'expected more than white space',
  ),
  metadata: Metadata.nullish().transform(value => value ?? {}),
})
export type DocumentForm = z.infer<typeof DocumentForm>

/** jsonb holds neither NUL nor half a surrogate pair. */
const UNSTORABLE = /\0|\p{Cs}/u

function isStorable(value: JsonValue, depth: number): boolean {
  if (typeof value === 'string') return !UNSTORABLE.test(value)
  if (typeof value !== 'object' || value === null) return true
  if (depth === 0) return false
  return Object.entries(value).every(([key, inner]) => !UNSTORABLE.test(key) && isStorable(inner, depth - 1))
}
