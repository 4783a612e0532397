import type { InterviewRow } from '../database/interviews.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import {
  IdempotencyKeyReusedError,
  InvalidInputError,
  idempotencyKeyReused,
  invalidInput,
  UnavailableError,
  unavailable,
} from './errors.ts'
import { Interview } from './interview.ts'

const InterviewEnhancer = builder.enumType('InterviewEnhancer', { values: ['GATEWAY', 'EXTERNAL'] as const })

const CreateInterviewInput = builder.inputType('CreateInterviewInput', {
  fields: t => ({
    topic: t.string(),
    context: t.string({ required: false }),
    collection: t.string({ required: false, description: 'Collection to draw context from.' }),
    enhancer: t.field({
      type: InterviewEnhancer,
      required: false,
      defaultValue: 'GATEWAY',
      description: 'GATEWAY enhances here; EXTERNAL waits for a prompt message on the Redis stream.',
    }),
    idempotencyKey: t.string({ required: false }),
  }),
})

interface Payload {
  __typename: 'CreateInterviewPayload'
  interview: InterviewRow
}
const CreateInterviewPayload = builder.objectRef<Payload>('CreateInterviewPayload').implement({
  fields: t => ({ interview: t.expose('interview', { type: Interview }) }),
})

const CreateInterviewResult = builder.unionType('CreateInterviewResult', {
  types: [CreateInterviewPayload, InvalidInputError, IdempotencyKeyReusedError, UnavailableError],
  resolveType: value => value.__typename,
})

builder.mutationField('createInterview', t =>
  t.field({
    type: CreateInterviewResult,
    extensions: { generations: 1 },
    args: { input: t.arg({ type: CreateInterviewInput }) },
    resolve: async (_root, { input }, context) => {
      const viewer = requireViewer(context)
      const outcome = await context.services.createInterview.execute({
        userId: viewer.user.id,
        topic: input.topic,
        context: input.context ?? null,
        collection: input.collection ?? null,
        enhancer: input.enhancer ?? 'GATEWAY',
        idempotencyKey: input.idempotencyKey ?? null,
      })
      switch (outcome.type) {
        case 'created':
          return { __typename: 'CreateInterviewPayload' as const, interview: outcome.interview }
        case 'invalid-input':
          return invalidInput(outcome.issues)
        case 'idempotency-key-reused':
          return idempotencyKeyReused()
        case 'unavailable':
          return unavailable(context.services.now())
      }
    },
  }),
)
