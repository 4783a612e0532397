import type { InterviewRow } from '../database/interviews.ts'
import { builder } from './builder.ts'
import { type Context, requireViewer } from './context.ts'
import { NotFoundError, notFound } from './errors.ts'
import { decodeIdOf } from './global-id.ts'
import { Interview, InvalidTransitionError, invalidTransition } from './interview.ts'

interface Payload {
  __typename: 'InterviewTransitionPayload'
  interview: InterviewRow
}
const InterviewTransitionPayload = builder.objectRef<Payload>('InterviewTransitionPayload').implement({
  fields: t => ({ interview: t.expose('interview', { type: Interview }) }),
})

const InterviewTransitionResult = builder.unionType('InterviewTransitionResult', {
  types: [InterviewTransitionPayload, NotFoundError, InvalidTransitionError],
  resolveType: value => value.__typename,
})

async function move(
  context: Context,
  globalId: string,
  to: Parameters<Context['services']['moveInterview']['execute']>[0]['to'],
) {
  const viewer = requireViewer(context)
  const interviewId = decodeIdOf('Interview', globalId)
  const outcome = await context.services.moveInterview.execute({ userId: viewer.user.id, interviewId, to })
  switch (outcome.type) {
    case 'moved':
      return { __typename: 'InterviewTransitionPayload' as const, interview: outcome.interview }
    case 'not-found':
      return notFound('interview')
    case 'invalid-transition':
      return invalidTransition(outcome)
  }
}

builder.mutationFields(t => ({
  startInterview: t.field({
    type: InterviewTransitionResult,
    description: 'READY becomes IN_PROGRESS.',
    args: { id: t.arg.id() },
    resolve: (_root, { id }, context) => move(context, id, 'IN_PROGRESS'),
  }),
  completeInterview: t.field({
    type: InterviewTransitionResult,
    description: 'IN_PROGRESS becomes COMPLETED.',
    args: { id: t.arg.id() },
    resolve: (_root, { id }, context) => move(context, id, 'COMPLETED'),
  }),
  retryInterview: t.field({
    type: InterviewTransitionResult,
    extensions: { generations: 1 },
    description: 'FAILED goes back to ENHANCING.',
    args: { id: t.arg.id() },
    resolve: (_root, { id }, context) => move(context, id, 'ENHANCING'),
  }),
}))
