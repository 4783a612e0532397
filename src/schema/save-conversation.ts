import { saveConversation } from '../domain/conversations/save-conversation.ts'
import { builder } from './builder.ts'
import { requirePrincipal } from './context.ts'
import { Conversation, MessageRoleType } from './conversation.ts'
import { InvalidInputError, invalidInput, UnavailableError, unavailable } from './errors.ts'

const MessageInput = builder.inputType('MessageInput', {
  fields: t => ({
    role: t.field({ type: MessageRoleType }),
    content: t.string(),
    clientId: t.string({
      required: false,
      description: "The client's own id: the same id in one conversation is stored once.",
    }),
  }),
})

const SaveConversationInput = builder.inputType('SaveConversationInput', {
  fields: t => ({
    sessionId: t.string({ required: false, description: 'Absent: a new session.' }),
    messages: t.field({ type: [MessageInput] }),
    metadata: t.field({ type: 'JSON', required: false }),
  }),
})

interface Payload {
  __typename: 'SaveConversationPayload'
  conversationId: string
  messagesSaved: number
}
const SaveConversationPayload = builder.objectRef<Payload>('SaveConversationPayload').implement({
  fields: t => ({
    conversation: t.field({
      type: Conversation,
      resolve: async ({ conversationId }, _args, context) => {
        const conversation = await context.loaders.conversation.load(conversationId)
        if (!conversation) throw new Error('a saved conversation is gone')
        return conversation
      },
    }),
    messagesSaved: t.exposeInt('messagesSaved'),
  }),
})

const SaveConversationPending = builder
  .objectRef<{ __typename: 'SaveConversationPending'; sessionId: string; messagesHeld: number }>(
    'SaveConversationPending',
  )
  .implement({
    description:
      'The database could not be reached; the messages are held durably and will be saved, once, when it is back.',
    fields: t => ({
      sessionId: t.exposeString('sessionId'),
      messagesHeld: t.exposeInt('messagesHeld'),
    }),
  })

const SaveConversationResult = builder.unionType('SaveConversationResult', {
  types: [SaveConversationPayload, SaveConversationPending, InvalidInputError, UnavailableError],
  resolveType: value => value.__typename,
})

builder.mutationField('saveConversation', t =>
  t.field({
    type: SaveConversationResult,
    args: { input: t.arg({ type: SaveConversationInput }) },
    resolve: async (_root, { input }, context) => {
      // Not the viewer: while the database is away nobody knows it, and messages are accepted all the same.
      const { issuer, subject, email } = requirePrincipal(context)
      const author = { userId: context.viewer?.user.id ?? null, issuer, subject, email }
      const outcome = await saveConversation(context.services.sessionWriter, author, {
        sessionId: input.sessionId ?? null,
        messages: input.messages.map(message => ({ ...message, clientId: message.clientId ?? null })),
        metadata: input.metadata ?? null,
      })
      switch (outcome.type) {
        case 'saved':
          return { ...outcome, __typename: 'SaveConversationPayload' as const }
        case 'held':
          return { ...outcome, __typename: 'SaveConversationPending' as const }
        case 'invalid-input':
          return invalidInput(outcome.issues)
        case 'unavailable':
          return unavailable(context.services.now())
      }
    },
  }),
)
