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
      snippet: t.exposeString('snippet'),
      score: t.exposeFloat('score'),
      metadata: t.expose('metadata', { type: 'JSON' }),
    }),
  })
