import type { GeneratePlanOutcome } from '../domain/plans/generate-plan.ts'
import { Archetype } from './analysis.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import { IdempotencyKeyReusedError, InvalidInputError, UnavailableError } from './errors.ts'
import { Generation } from './generation.ts'
import { GenerationFailedError, GenerationPending, GenerationSource, notMade } from './generation-outcome.ts'
import { forgetLoaded } from './loaders.ts'
import { Plan, PlanKind } from './plan.ts'

type Payload = Extract<GeneratePlanOutcome, { type: 'result' }> & { __typename: 'GeneratePlanPayload' }
const GeneratePlanPayload = builder.objectRef<Payload>('GeneratePlanPayload').implement({
  fields: t => ({
    plan: t.expose('plan', { type: Plan }),
    source: t.expose('source', { type: GenerationSource }),
    analysisSource: t.expose('analysisSource', {
      type: GenerationSource,
      description: 'How the analysis behind the plan came about.',
    }),
    generation: t.field({
      type: Generation,
      nullable: true,
      resolve: ({ runId }, _args, context) => (runId ? context.loaders.generation.load(runId) : null),
    }),
  }),
})

const GeneratePlanInput = builder.inputType('GeneratePlanInput', {
  fields: t => ({
    kind: t.field({ type: PlanKind }),
    archetype: t.field({ type: Archetype }),
    forceRefresh: t.boolean({ required: false, defaultValue: false }),
    waitMs: t.int({ required: false }),
    days: t.int({ required: false, defaultValue: 7, description: 'MENU only: how many days, 1 to 14.' }),
    idempotencyKey: t.string({ required: false }),
  }),
})

const GeneratePlanResult = builder.unionType('GeneratePlanResult', {
  types: [
    GeneratePlanPayload,
    GenerationPending,
    GenerationFailedError,
    InvalidInputError,
    IdempotencyKeyReusedError,
    UnavailableError,
  ],
  resolveType: value => value.__typename,
})

builder.mutationField('generatePlan', t =>
  t.field({
    type: GeneratePlanResult,
    extensions: { generations: 1 },
    args: { input: t.arg({ type: GeneratePlanInput }) },
    resolve: async (_root, { input }, context) => {
      const viewer = requireViewer(context)
      const outcome = await context.services.generatePlan.execute({
        userId: viewer.user.id,
        kind: input.kind,
        archetype: input.archetype,
        forceRefresh: input.forceRefresh ?? false,
        waitMs: input.waitMs ?? null,
        days: input.days ?? null,
        idempotencyKey: input.idempotencyKey ?? null,
        ...(context.signal && { signal: context.signal }),
      })
      forgetLoaded(context)
      if (outcome.type === 'result') return { ...outcome, __typename: 'GeneratePlanPayload' as const }
      return notMade(outcome, context)
    },
  }),
)
