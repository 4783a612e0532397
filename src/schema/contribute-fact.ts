import type { FactRow } from '../database/facts.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import { InvalidInputError, invalidInput } from './errors.ts'
import { CollectiveFact } from './fact.ts'

const ContributeFactInput = builder.inputType('ContributeFactInput', {
  fields: t => ({
    content: t.string(),
    category: t.string({ defaultValue: 'general' }),
  }),
})

interface Payload {
  __typename: 'ContributeFactPayload'
  fact: FactRow
  counted: boolean
  promotedNow: boolean
}
const ContributeFactPayload = builder.objectRef<Payload>('ContributeFactPayload').implement({
  fields: t => ({
    fact: t.expose('fact', { type: CollectiveFact }),
    counted: t.exposeBoolean('counted', {
      description: 'False when this user had contributed it before.',
    }),
    promotedNow: t.exposeBoolean('promotedNow', {
      description: 'True for the one contribution that promoted it.',
    }),
  }),
})

const ContributeFactResult = builder.unionType('ContributeFactResult', {
  types: [ContributeFactPayload, InvalidInputError],
  resolveType: value => value.__typename,
})

builder.mutationField('contributeFact', t =>
  t.field({
    type: ContributeFactResult,
    args: { input: t.arg({ type: ContributeFactInput }) },
    resolve: async (_root, { input }, context) => {
      const viewer = requireViewer(context)
      const outcome = await context.services.facts.contributeFact.execute({
        userId: viewer.user.id,
        content: input.content,
        category: input.category,
        ...(context.signal && { signal: context.signal }),
      })
      if (outcome.type === 'invalid-input') return invalidInput(outcome.issues)
      const { fact, counted, promotedNow } = outcome
      return { __typename: 'ContributeFactPayload' as const, fact, counted, promotedNow }
    },
  }),
)
