import { GraphQLError } from 'graphql'
import type { GenerationRow } from '../database/generations.ts'
import { Archetype } from './analysis.ts'
import { builder } from './builder.ts'
import { type Context, requireViewer } from './context.ts'
import { followRun } from './follow-run.ts'
import { decodeGlobalId } from './global-id.ts'
import { forgetLoaded } from './loaders.ts'
import { onlyOwn } from './user.ts'

const GenerationKind = builder.enumType('GenerationKind', {
  values: [
    'BEHAVIOR_ANALYSIS',
    'ROUTINE_PLAN',
    'NUTRITION_PLAN',
    'MENU_PLAN',
    'INTERVIEW_PROMPT',
    'CONVERSATION_REPLY',
  ] as const,
})
const GenerationState = builder.enumType('GenerationState', {
  values: ['RUNNING', 'SUCCEEDED', 'FAILED'] as const,
})
const GenerationPhase = builder.enumType('GenerationPhase', {
  values: ['WAITING', 'COLLECTING', 'GENERATING', 'STORING', 'DONE'] as const,
})

export const Generation = builder.objectRef<GenerationRow>('Generation')

builder.node(Generation, {
  description: 'One flight: the single run that every concurrent request for the same key shares.',
  id: { resolve: generation => generation.id },
  loadWithoutCache: (id, context) =>
    onlyOwn(context, context.loaders.generation.load(id), generation => generation.userId),
  fields: t => ({
    kind: t.expose('kind', { type: GenerationKind }),
    archetype: t.expose('archetype', { type: Archetype, nullable: true }),
    state: t.expose('state', { type: GenerationState }),
    phase: t.expose('phase', { type: GenerationPhase }),
    progress: t.exposeFloat('progress', { description: '0 to 1, never falling within one epoch.' }),
    epoch: t.exposeInt('epoch', {
      description: "The fencing token: 1 for the key's first run, one more for each later run or takeover.",
    }),
    startedAt: t.expose('startedAt', { type: 'DateTime' }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true }),
    error: t.exposeString('error', { nullable: true }),
    text: t.string({
      nullable: true,
      description: 'CONVERSATION_REPLY: the reply as far as it has been written.',
      resolve: async ({ kind, text, resultId }, _args, context) => {
        if (kind !== 'CONVERSATION_REPLY') return null
        return resultId === null ? text : ((await context.loaders.message.load(resultId))?.content ?? null)
      },
    }),
    result: t.field({
      type: builder.nodeInterfaceRef(),
      nullable: true,
      description: 'The Analysis, Plan, EnhancedPrompt or Message it made.',
      resolve: ({ kind, resultId }, _args, context) =>
        resultId ? loadResult(kind, resultId, context) : null,
    }),
  }),
})

/** What a run of each kind makes. */
async function loadResult(kind: GenerationRow['kind'], id: string, context: Context) {
  switch (kind) {
    case 'BEHAVIOR_ANALYSIS': {
      const analysis = await context.loaders.analysis.load(id)
      return analysis && { ...analysis, __typename: 'Analysis' }
    }
    case 'ROUTINE_PLAN':
    case 'NUTRITION_PLAN':
    case 'MENU_PLAN': {
      const plan = await context.loaders.plan.load(id)
      return plan && { ...plan, __typename: 'Plan' }
    }
    case 'INTERVIEW_PROMPT': {
      const prompt = await context.loaders.enhancedPrompt.load(id)
      return prompt && { ...prompt, __typename: 'EnhancedPrompt' }
    }
    case 'CONVERSATION_REPLY': {
      const message = await context.loaders.message.load(id)
      return message && { ...message, __typename: 'Message' }
    }
    default:
      return null
  }
}

/** A generation of the viewer. @throws GraphQLError NOT_FOUND for one of another user too. */
async function getOwnGeneration(context: Context, id: string): Promise<GenerationRow> {
  const viewer = requireViewer(context)
  const generation = await context.loaders.generation.load(id)
  if (generation?.userId === viewer.user.id) return generation
  throw new GraphQLError('id: no generation of yours has this id', { extensions: { code: 'NOT_FOUND' } })
}

builder.subscriptionField('generationChanged', t =>
  t.field({
    type: Generation,
    description:
      'First the run as it stands, then each change of phase, progress or state; completes when the run ends.',
    args: { id: t.arg.id() },
    subscribe: async (_root, args, context) => {
      requireViewer(context)
      const { typename, id } = decodeGlobalId(args.id)
      if (typename !== 'Generation')
        throw new GraphQLError('id: expected the id of a generation', {
          extensions: { code: 'BAD_USER_INPUT' },
        })
      await getOwnGeneration(context, id)
      return followRun(context.services.runWatch, id, context.signal)
    },
    resolve: (generation, _args, context) => {
      forgetLoaded(context)
      return generation
    },
  }),
)
