import type { RequestAnalysisOutcome } from '../domain/analyses/request-analysis.ts'
import { Analysis, type AnalysisAnswer, Archetype, ArchetypeTracking } from './analysis.ts'
import { builder } from './builder.ts'
import { type Context, requireViewer } from './context.ts'
import { IdempotencyKeyReusedError, InvalidInputError, UnavailableError } from './errors.ts'
import { Generation } from './generation.ts'
import { GenerationFailedError, GenerationPending, GenerationSource, notMade } from './generation-outcome.ts'
import { forgetLoaded } from './loaders.ts'

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

async function toResult(outcome: RequestAnalysisOutcome, context: Context) {
  if (outcome.type === 'result') return { ...outcome, __typename: 'RequestAnalysisPayload' as const }
  return notMade(outcome, context)
}

builder.mutationField('requestAnalysis', t =>
  t.field({
    type: RequestAnalysisResult,
    extensions: { generations: 1 },
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
      forgetLoaded(context)
      return toResult(outcome, context)
    },
  }),
)
