import { z } from 'zod'
import type { EnhancedPromptRow } from '../database/interview-prompts.ts'
import type { InterviewRow } from '../database/interviews.ts'
import { fieldIssues } from '../domain/field-issues.ts'
import { deliveryForm } from '../domain/interviews/delivery-form.ts'
import { builder } from './builder.ts'
import { requireRole } from './context.ts'
import { InvalidInputError, invalidInput, NotFoundError, notFound } from './errors.ts'
import { parseForeignId } from './global-id.ts'
import { EnhancedPrompt, Interview, InvalidTransitionError, invalidTransition } from './interview.ts'

interface Payload {
  __typename: 'DeliverPromptPayload'
  interview: InterviewRow
  prompt: EnhancedPromptRow
  applied: boolean
}
const DeliverPromptPayload = builder.objectRef<Payload>('DeliverPromptPayload').implement({
  fields: t => ({
    interview: t.expose('interview', { type: Interview }),
    prompt: t.expose('prompt', { type: EnhancedPrompt }),
    applied: t.exposeBoolean('applied', {
      description: 'False when this messageId had been applied before.',
    }),
  }),
})

const DeliverPromptInput = builder.inputType('DeliverPromptInput', {
  fields: t => ({
    interviewId: t.id(),
    prompt: t.string(),
    source: t.string({ defaultValue: 'rag' }),
    messageId: t.string({
      description: "The sender's own id: a message delivered twice changes nothing the second time.",
    }),
  }),
})

const DeliverPromptResult = builder.unionType('DeliverPromptResult', {
  types: [DeliverPromptPayload, InvalidInputError, NotFoundError, InvalidTransitionError],
  resolveType: value => value.__typename,
})

const Form = z.object(deliveryForm)

builder.mutationField('deliverPrompt', t =>
  t.field({
    type: DeliverPromptResult,
    description: 'Requires the SERVICE role.',
    args: { input: t.arg({ type: DeliverPromptInput }) },
    resolve: async (_root, { input }, context) => {
      requireRole(context, 'SERVICE')
      const interviewId = parseForeignId('Interview', input.interviewId)
      const form = Form.safeParse(input)
      const issues = form.success ? [] : fieldIssues(form.error, ['input'])
      if (interviewId === undefined)
        issues.push({ path: ['input', 'interviewId'], message: 'expected the id of an interview' })
      if (issues.length > 0 || interviewId === undefined) return invalidInput(issues)
      const { prompt: text, source, messageId } = input
      const [outcome] = await context.services.deliverPrompts.execute([
        { type: 'prompt', interviewId, messageId, text, source },
      ])
      switch (outcome?.type) {
        case 'applied':
        case 'duplicate': {
          const prompt = await context.loaders.promptByInterview.load(interviewId)
          // Its messageId had been a failure's, and the interview has no prompt.
          if (!prompt) return invalidTransition({ from: outcome.interview.status, to: 'READY' })
          const { interview, type } = outcome
          return {
            __typename: 'DeliverPromptPayload' as const,
            interview,
            prompt,
            applied: type === 'applied',
          }
        }
        case 'invalid-transition':
          return invalidTransition(outcome)
        default:
          return notFound('interview')
      }
    },
  }),
)
