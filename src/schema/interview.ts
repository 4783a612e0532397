import type { InterviewChangeRow } from '../database/interview-changes.ts'
import type { EnhancedPromptRow } from '../database/interview-prompts.ts'
import type { InterviewRow } from '../database/interviews.ts'
import { builder } from './builder.ts'
import { connectionType, keysetConnection } from './connection.ts'
import { type ErrorCode, ErrorInterface } from './errors.ts'
import { onlyOwn, User } from './user.ts'

export const InterviewStatus = builder.enumType('InterviewStatus', {
  values: ['ENHANCING', 'READY', 'IN_PROGRESS', 'COMPLETED', 'FAILED'] as const,
})

export const Interview = builder.objectRef<InterviewRow>('Interview')
export const EnhancedPrompt = builder.objectRef<EnhancedPromptRow>('EnhancedPrompt')
export const InterviewStatusChange = builder.objectRef<InterviewChangeRow>('InterviewStatusChange')

builder.node(EnhancedPrompt, {
  id: { resolve: prompt => prompt.id },
  loadWithoutCache: (id, context) =>
    onlyOwn(context, context.loaders.enhancedPrompt.load(id), prompt => prompt.userId),
  fields: t => ({
    text: t.exposeString('text'),
    source: t.exposeString('source'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
})

InterviewStatusChange.implement({
  fields: t => ({
    interview: t.field({
      type: Interview,
      resolve: async ({ interviewId }, _args, context) => {
        const interview = await context.loaders.interview.load(interviewId)
        if (!interview) throw new Error('the interview of a change is gone')
        return interview
      },
    }),
    status: t.expose('status', { type: InterviewStatus }),
    version: t.exposeInt('version'),
    reason: t.exposeString('reason', { nullable: true }),
    changedAt: t.expose('changedAt', { type: 'DateTime' }),
  }),
})

builder.node(Interview, {
  id: { resolve: interview => interview.id },
  loadWithoutCache: (id, context) =>
    onlyOwn(context, context.loaders.interview.load(id), interview => interview.userId),
  fields: t => ({
    user: t.field({
      type: User,
      resolve: async (interview, _args, context) => {
        const user = await context.loaders.user.load(interview.userId)
        if (!user) throw new Error('the user of an interview is gone')
        return user
      },
    }),
    topic: t.exposeString('topic'),
    context: t.exposeString('context', { nullable: true }),
    status: t.expose('status', { type: InterviewStatus }),
    statusVersion: t.exposeInt('statusVersion', {
      description: '1 at creation, one more with each change of status, no gaps.',
    }),
    statusChangedAt: t.expose('statusChangedAt', { type: 'DateTime' }),
    failureReason: t.exposeString('failureReason', { nullable: true }),
    enhancedPrompt: t.field({
      type: EnhancedPrompt,
      nullable: true,
      resolve: ({ id }, _args, context) => context.loaders.promptByInterview.load(id),
    }),
    history: t.field({
      type: [InterviewStatusChange],
      description: 'Oldest first.',
      resolve: ({ id }, _args, context) => context.loaders.historyByInterview.load(id),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
})

const InterviewConnection = connectionType('Interview', Interview)

builder.objectField(User, 'interviews', t =>
  t.field({
    type: InterviewConnection,
    args: {
      status: t.arg({ type: InterviewStatus, required: false }),
      first: t.arg.int({ defaultValue: 20, required: false }),
      after: t.arg.string({ required: false }),
    },
    resolve: ({ id: userId }, args, { loaders }) => {
      const status = args.status ?? null
      return keysetConnection(
        args,
        page =>
          status === null
            ? loaders.interviewPage.load({ userId, page })
            : loaders.interviewPageOfStatus.load({ userId, page, status }),
        () => loaders.interviewCount.load({ userId, status }),
      )
    },
  }),
)

interface InvalidTransition {
  __typename: 'InvalidTransitionError'
  message: string
  code: typeof ErrorCode.$inferType
  from: InterviewRow['status']
  to: InterviewRow['status']
}
export const InvalidTransitionError = builder
  .objectRef<InvalidTransition>('InvalidTransitionError')
  .implement({
    interfaces: [ErrorInterface],
    fields: t => ({
      from: t.expose('from', { type: InterviewStatus }),
      to: t.expose('to', { type: InterviewStatus }),
    }),
  })
export function invalidTransition({ from, to }: Pick<InvalidTransition, 'from' | 'to'>): InvalidTransition {
  const message = `The interview is ${from}; it cannot become ${to}.`
  return { __typename: 'InvalidTransitionError', code: 'INVALID_TRANSITION', message, from, to }
}
