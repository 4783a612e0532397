import type { GenerationRow } from '../database/generations.ts'
import type { RequestAnalysisOutcome } from '../domain/analyses/request-analysis.ts'
import { Analysis, type AnalysisAnswer, Archetype, ArchetypeTracking } from './analysis.ts'
import { builder } from './builder.ts'
import { type Context, requireViewer } from './context.ts'
import {
  type ErrorCode,
  ErrorInterface,
  IdempotencyKeyReusedError,
  InvalidInputError,
  idempotencyKeyReused,
  invalidInput,
  UnavailableError,
  unavailable,
} from './errors.ts'
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

type Payload = AnalysisAnswer & { __typename: 'RequestAnalysisPayload' }
const RequestAnalysisPayload = builder.objectRef<Payload>('RequestAnalysisPayload').implement({
  fields: t => ({
    analysis: t.expose('analysis', { type: Analysis }),
    source: t.expose('source', { type: GenerationSource }),
    tracking: t.expose('tracking', { type: ArchetypeTracking }),
    generation: t.field({
      type: Generation,
      nullable: true,
      resolve: ({ runId }, _args, context) => (runId ? context.loaders.generation.load(runId) : null),
    }),
  }),
})

const RequestAnalysisInput = builder.inputType('RequestAnalysisInput', {
  fields: t => ({
    archetype: t.field({ type: Archetype }),
    forceRefresh: t.boolean({
      required: false,
      defaultValue: false,
      description:
        'Make a new analysis even when a recent one exists. Joins a forced run in flight, unless data points arrived after that run read them: then it gets the next one.',
    }),
    waitMs: t.int({
      required: false,
      description:
        'How long to wait for a run before answering GenerationPending, in milliseconds. Null waits to the end.',
    }),
    idempotencyKey: t.string({ required: false }),
  }),
})

const RequestAnalysisResult = builder.unionType('RequestAnalysisResult', {
  types: [
    RequestAnalysisPayload,
    GenerationPending,
    GenerationFailedError,
    InvalidInputError,
    IdempotencyKeyReusedError,
    UnavailableError,
  ],
  resolveType: value => value.__typename,
})

/** A database that is away is back within seconds, or not soon. */
const RETRY_UNAVAILABLE_MS = 1000

async function toResult(outcome: RequestAnalysisOutcome, context: Context) {
  switch (outcome.type) {
    case 'result':
      return { ...outcome, __typename: 'RequestAnalysisPayload' as const }
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
      return unavailable(new Date(context.services.now().getTime() + RETRY_UNAVAILABLE_MS))
  }
}

builder.mutationField('requestAnalysis', t =>
  t.field({
    type: RequestAnalysisResult,
    args: { input: t.arg({ type: RequestAnalysisInput }) },
    resolve: async (_root, { input }, context) => {
      const viewer = requireViewer(context)
      const outcome = await context.services.requestAnalysis.execute({
        userId: viewer.user.id,
        archetype: input.archetype,
        forceRefresh: input.forceRefresh ?? false,
        waitMs: input.waitMs ?? null,
        idempotencyKey: input.idempotencyKey ?? null,
        ...(context.signal && { signal: context.signal }),
      })
      return toResult(outcome, context)
    },
  }),
)
