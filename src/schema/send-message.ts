import type { SendMessageOutcome } from '../domain/conversations/send-message.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import { Conversation, Message } from './conversation.ts'
import { IdempotencyKeyReusedError, InvalidInputError, UnavailableError } from './errors.ts'
import { Generation } from './generation.ts'
import { GenerationFailedError, GenerationPending, GenerationSource, notMade } from './generation-outcome.ts'
import { SearchHit } from './search-hit.ts'

type Payload = Extract<SendMessageOutcome, { type: 'result' }> & { __typename: 'SendMessagePayload' }
const SendMessagePayload = builder.objectRef<Payload>('SendMessagePayload').implement({
  fields: t => ({
    conversation: t.field({
      type: Conversation,
      resolve: async ({ message }, _args, context) => {
        const conversation = await context.loaders.conversation.load(message.conversationId)
        if (!conversation) throw new Error('the conversation of a message is gone')
        return conversation
      },
    }),
    message: t.expose('message', { type: Message }),
    reply: t.expose('reply', { type: Message }),
    sources: t.expose('sources', { type: [SearchHit], description: 'What the reply was drawn from.' }),
    source: t.expose('source', { type: GenerationSource }),
    generation: t.field({
      type: Generation,
      nullable: true,
      resolve: ({ runId }, _args, context) => context.loaders.generation.load(runId),
    }),
  }),
})

const SendMessageInput = builder.inputType('SendMessageInput', {
  fields: t => ({
    sessionId: t.string({ required: false, description: 'Absent: a new session.' }),
    content: t.string(),
    collection: t.string({
      required: false,
      description: "Collection to answer from, beside the user's memory.",
    }),
    clientId: t.string({
      required: false,
      description:
        "The client's own id: the same id in one conversation is stored, answered and paid for once, however often it is sent.",
    }),
    waitMs: t.int({ required: false }),
    idempotencyKey: t.string({ required: false }),
  }),
})

const SendMessageResult = builder.unionType('SendMessageResult', {
  types: [
    SendMessagePayload,
    GenerationPending,
    GenerationFailedError,
    InvalidInputError,
    IdempotencyKeyReusedError,
    UnavailableError,
  ],
  resolveType: value => value.__typename,
})

builder.mutationField('sendMessage', t =>
  t.field({
    type: SendMessageResult,
    extensions: { generations: 1 },
    description:
      'Stores the message, answers it from memory and collection, stores the reply; what the exchange teaches is remembered after the answer.',
    args: { input: t.arg({ type: SendMessageInput }) },
    resolve: async (_root, { input }, context) => {
      const { user } = requireViewer(context)
      const { issuer = '', subject = '', email = '' } = context.principal ?? {}
      const outcome = await context.services.sendMessage.execute({
        author: { userId: user.id, issuer, subject, email },
        sessionId: input.sessionId ?? null,
        content: input.content,
        collection: input.collection ?? null,
        clientId: input.clientId ?? null,
        waitMs: input.waitMs ?? null,
        idempotencyKey: input.idempotencyKey ?? null,
        ...(context.signal && { signal: context.signal }),
      })
      if (outcome.type === 'result') return { ...outcome, __typename: 'SendMessagePayload' as const }
      return notMade(outcome, context)
    },
  }),
)
