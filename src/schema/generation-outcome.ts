import type { GenerationRow } from '../database/generations.ts'
import type { FieldIssue } from '../domain/field-issues.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { type ErrorCode, ErrorInterface, idempotencyKeyReused, invalidInput, unavailable } from './errors.ts'
import { Generation } from './generation.ts'

export const GenerationSource = builder.enumType('GenerationSource', {
  values: {
    FRESH: { description: "This request's own generation made it." },
    JOINED: {
      description:
        'A generation that another request had already started, on this or another instance, made it.',
    },
    RECENT: { description: 'An analysis no older than the recent window was reused.' },
    CACHED: { description: 'An older analysis was reused: too few new data points for a new one.' },
    FALLBACK: { description: 'The generation failed and an older result was served instead.' },
  },
})

interface Pending {
  __typename: 'GenerationPending'
  generation: GenerationRow
}
export const GenerationPending = builder.objectRef<Pending>('GenerationPending').implement({
  description: 'The run goes on: follow it with the generationChanged subscription, or ask again.',
  fields: t => ({ generation: t.expose('generation', { type: Generation }) }),
})

interface GenerationFailed {
  __typename: 'GenerationFailedError'
  message: string
  code: typeof ErrorCode.$inferType
  retryable: boolean
  retryAt: Date | null
  runId: string
}
export const GenerationFailedError = builder.objectRef<GenerationFailed>('GenerationFailedError').implement({
  interfaces: [ErrorInterface],
  fields: t => ({
    retryable: t.exposeBoolean('retryable'),
    retryAt: t.expose('retryAt', { type: 'DateTime', nullable: true }),
    generation: t.field({
      type: Generation,
      nullable: true,
      resolve: ({ runId }, _args, context) => context.loaders.generation.load(runId),
    }),
  }),
})

/** How a request for a generation ends, other than with a result. */
type NotMade =
  | { type: 'pending'; runId: string }
  | { type: 'failed'; runId: string; message: string; retryable: boolean; retryAt: Date | null }
  | { type: 'invalid-input'; issues: FieldIssue[] }
  | { type: 'idempotency-key-reused' }
  | { type: 'unavailable' }

/** The union's member for an outcome without a result; the same for all mutations that generate. */
export async function notMade(outcome: NotMade, context: Context) {
  switch (outcome.type) {
    case 'pending': {
      const generation = await context.loaders.generation.load(outcome.runId)
      if (!generation) throw new Error('a pending run is not known')
      return { __typename: 'GenerationPending' as const, generation }
    }
    case 'failed':
      return { ...outcome, __typename: 'GenerationFailedError' as const, code: 'GENERATION_FAILED' as const }
    case 'invalid-input':
      return invalidInput(outcome.issues)
    case 'idempotency-key-reused':
      return idempotencyKeyReused()
    case 'unavailable':
      return unavailable(context.services.now())
  }
}
