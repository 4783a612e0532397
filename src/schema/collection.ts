import { builder } from './builder.ts'
import { badUserInput, requireViewer } from './context.ts'
import { SearchHit } from './search-hit.ts'

builder.queryField('searchCollection', t =>
  t.field({
    type: [SearchHit],
    description: 'Ranked full-text hits from the last completed ingestion of a collection.',
    args: {
      collection: t.arg.string(),
      query: t.arg.string({ description: 'As web users type it: words, "phrases", or, -without.' }),
      first: t.arg.int({ defaultValue: 5, required: false }),
    },
    resolve: async (_root, { collection, query, first }, context) => {
      requireViewer(context)
      const outcome = await context.services.searchCollection.execute({
        collection,
        query,
        first: first ?? 5,
        ...(context.signal && { signal: context.signal }),
      })
      if (outcome.type === 'hits') return outcome.hits
      const [issue] = outcome.issues
      throw badUserInput(`${issue?.path.join('.')}: ${issue?.message}`)
    },
  }),
)
