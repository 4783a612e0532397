import type { JsonValue } from '../shared/json.ts'
import { builder } from './builder.ts'

export const SearchHit = builder
  .objectRef<{ documentId: string; text: string; snippet: string; score: number; metadata: JsonValue }>(
    'SearchHit',
  )
  .implement({
    fields: t => ({
      documentId: t.exposeString('documentId'),
      text: t.exposeString('text'),
      snippet: t.exposeString('snippet', {
        description: 'HTML: passages of the text, escaped, with what was found in <b>.',
      }),
      score: t.exposeFloat('score', {
        description: 'Higher is better; to be compared within one answer alone.',
      }),
      metadata: t.expose('metadata', { type: 'JSON' }),
    }),
  })
