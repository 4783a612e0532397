import { GraphQLError } from 'graphql'
import { LockQueueFullError, LockTimeoutError as LockWaitError } from '../coordination/lock-errors.ts'
import type { MemoryFactRow } from '../database/memory-facts.ts'
import { summariseFacts } from '../domain/memory/summarise-facts.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import { InvalidInputError, invalidInput, LockTimeoutError, lockTimeout } from './errors.ts'
import { onlyOwn, User } from './user.ts'

export const MemoryFact = builder.objectRef<MemoryFactRow>('MemoryFact')

builder.node(MemoryFact, {
  id: { resolve: fact => fact.id },
  loadWithoutCache: (id, context) =>
    onlyOwn(context, context.loaders.memoryFact.load(id), fact => fact.userId),
  fields: t => ({
    content: t.exposeString('content'),
    kind: t.exposeString('kind'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
})

const Memory = builder.objectRef<{ facts: MemoryFactRow[] }>('Memory').implement({
  fields: t => ({
    hasData: t.boolean({ resolve: ({ facts }) => facts.length > 0 }),
    facts: t.expose('facts', { type: [MemoryFact] }),
    summary: t.string({ resolve: ({ facts }) => summariseFacts(facts) }),
    updatedAt: t.field({
      type: 'DateTime',
      nullable: true,
      // The oldest first.
      resolve: ({ facts }) => facts.at(-1)?.createdAt ?? null,
    }),
  }),
})

/** Ten reads of a few milliseconds are done by then. */
const RETRY_AFTER_MS = 1000

builder.objectField(User, 'memory', t =>
  t.field({
    type: Memory,
    resolve: async (user, _args, context) => {
      try {
        return { facts: await context.services.userMemory.read(user.id, context.signal) }
      } catch (error) {
        if (!(error instanceof LockWaitError || error instanceof LockQueueFullError)) throw error
        throw new GraphQLError('memory: too many requests of yours are reading it; try again in a moment', {
          extensions: { code: 'UNAVAILABLE', retryAfterMs: RETRY_AFTER_MS },
        })
      }
    },
  }),
)

const RememberExchangeInput = builder.inputType('RememberExchangeInput', {
  fields: t => ({ userMessage: t.string(), aiResponse: t.string() }),
})

const RememberExchangePayload = builder
  .objectRef<{ __typename: 'RememberExchangePayload'; facts: MemoryFactRow[]; summary: string }>(
    'RememberExchangePayload',
  )
  .implement({
    fields: t => ({
      facts: t.expose('facts', { type: [MemoryFact] }),
      summary: t.exposeString('summary'),
    }),
  })

const RememberExchangeResult = builder.unionType('RememberExchangeResult', {
  types: [RememberExchangePayload, InvalidInputError, LockTimeoutError],
  resolveType: value => value.__typename,
})

builder.mutationField('rememberExchange', t =>
  t.field({
    type: RememberExchangeResult,
    extensions: { generations: 1 },
    args: { input: t.arg({ type: RememberExchangeInput }) },
    resolve: async (_root, { input }, context) => {
      const viewer = requireViewer(context)
      const outcome = await context.services.rememberExchange.execute(viewer.user.id, input, context.signal)
      switch (outcome.type) {
        case 'remembered':
          return { ...outcome, __typename: 'RememberExchangePayload' as const }
        case 'lock-timeout':
          return lockTimeout(outcome.waitedMs)
        case 'invalid-input':
          return invalidInput(outcome.issues)
      }
    },
  }),
)
