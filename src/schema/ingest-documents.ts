import { builder } from './builder.ts'
import { requireRole } from './context.ts'
import { InvalidInputError, invalidInput, LockTimeoutError, lockTimeout } from './errors.ts'

const DocumentInput = builder.inputType('DocumentInput', {
  fields: t => ({
    documentId: t.string(),
    text: t.string(),
    metadata: t.field({ type: 'JSON', required: false }),
  }),
})

const IngestDocumentsInput = builder.inputType('IngestDocumentsInput', {
  fields: t => ({
    collection: t.string(),
    documents: t.field({ type: [DocumentInput] }),
    replace: t.boolean({
      required: false,
      defaultValue: false,
      description: 'Replace the whole collection, else upsert by documentId.',
    }),
  }),
})

interface Payload {
  __typename: 'IngestDocumentsPayload'
  collection: string
  ingested: number
  documentCount: number
  version: number
}
const IngestDocumentsPayload = builder.objectRef<Payload>('IngestDocumentsPayload').implement({
  fields: t => ({
    collection: t.exposeString('collection'),
    ingested: t.exposeInt('ingested'),
    documentCount: t.exposeInt('documentCount'),
    version: t.exposeInt('version', {
      description: 'Rises by one with each ingestion; a search sees exactly one version.',
    }),
  }),
})

const IngestDocumentsResult = builder.unionType('IngestDocumentsResult', {
  types: [IngestDocumentsPayload, InvalidInputError, LockTimeoutError],
  resolveType: value => value.__typename,
})

builder.mutationField('ingestDocuments', t =>
  t.field({
    type: IngestDocumentsResult,
    extensions: { ownDeadline: true },
    description: 'Requires the SERVICE role.',
    args: { input: t.arg({ type: IngestDocumentsInput }) },
    resolve: async (_root, { input }, context) => {
      requireRole(context, 'SERVICE')
      const { collection, documents, replace } = input
      const outcome = await context.services.ingestDocuments.execute({
        collection,
        documents: documents.map(({ metadata, ...document }) => ({
          ...document,
          metadata: metadata ?? null,
        })),
        replace: replace ?? false,
        ...(context.signal && { signal: context.signal }),
      })
      switch (outcome.type) {
        case 'ingested': {
          const { ingested, documentCount, version } = outcome
          return {
            __typename: 'IngestDocumentsPayload' as const,
            collection,
            ingested,
            documentCount,
            version,
          }
        }
        case 'invalid-input':
          return invalidInput(outcome.issues)
        case 'lock-timeout':
          return lockTimeout(outcome.waitedMs, `The collection "${collection}"`)
      }
    },
  }),
)
