import type { FoundConversation, MessageRole } from '../database/conversations.ts'
import type { MessageRow } from '../database/messages.ts'
import type { JsonValue } from '../shared/json.ts'
import { builder } from './builder.ts'
import { type Connection, connectionType, keysetConnection, MAX_PAGE_SIZE } from './connection.ts'
import { badUserInput, type Context } from './context.ts'
import { selects } from './selection.ts'
import { onlyOwn, User } from './user.ts'

export const MessageRoleType = builder.enumType('MessageRole', {
  values: ['USER', 'ASSISTANT', 'SYSTEM', 'TOOL'] as const satisfies readonly MessageRole[],
})

export const Message = builder.objectRef<MessageRow>('Message')

builder.node(Message, {
  id: { resolve: message => message.id },
  loadWithoutCache: (id, context) =>
    onlyOwn(context, context.loaders.message.load(id), message => message.userId),
  fields: t => ({
    seq: t.exposeInt('seq', { description: '1, 2, 3, … within the conversation, no gaps.' }),
    role: t.expose('role', { type: MessageRoleType }),
    content: t.exposeString('content'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
})

const DEFAULT_MESSAGES = 50
const CURSOR = /^message ([1-9]\d{0,9})$/
const cursorOf = ({ seq }: { seq: number }) => Buffer.from(`message ${seq}`).toString('base64url')

const MessageConnection = connectionType('Message', Message, cursorOf)

/** @throws GraphQLError BAD_USER_INPUT for what no list of messages ever gave out. */
function seqOf(cursor: string | null | undefined): number {
  if (cursor == null) return 0
  const seq = Number(CURSOR.exec(Buffer.from(cursor, 'base64url').toString())?.[1])
  if (!(seq <= 2_147_483_647) || cursorOf({ seq }) !== cursor)
    throw badUserInput('after: expected a cursor of this list')
  return seq
}

export const Conversation = builder.objectRef<FoundConversation>('Conversation')

builder.node(Conversation, {
  id: { resolve: conversation => conversation.id },
  loadWithoutCache: (id, context, info) =>
    onlyOwn<FoundConversation>(
      context,
      (selects(info, 'metadata') ? context.loaders.wholeConversation : context.loaders.conversation).load(id),
      conversation => conversation.userId,
    ),
  fields: t => ({
    sessionId: t.exposeString('sessionId'),
    messages: t.field({
      type: MessageConnection,
      description: 'Oldest first.',
      args: {
        first: t.arg.int({ defaultValue: DEFAULT_MESSAGES, required: false }),
        after: t.arg.string({ required: false }),
      },
      resolve: async (conversation, args, context): Promise<Connection<MessageRow>> => {
        const first = args.first ?? DEFAULT_MESSAGES
        if (first < 1 || first > MAX_PAGE_SIZE) throw badUserInput(`first: expected 1 to ${MAX_PAGE_SIZE}`)
        const afterSeq = seqOf(args.after)
        const rows = await context.services.recentMessages.page(conversation, afterSeq, first + 1)
        return {
          rows: rows.slice(0, first),
          hasNextPage: rows.length > first,
          hasPreviousPage: afterSeq > 0,
          countAll: async () => conversation.messageCount,
        }
      },
    }),
    messageCount: t.exposeInt('messageCount'),
    metadata: t.field({
      type: 'JSON',
      resolve: ({ id, metadata }, _args, context) =>
        metadata === undefined ? metadataOf(id, context) : metadata,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

/** Of a conversation that was read without them. */
async function metadataOf(id: string, { loaders }: Context): Promise<JsonValue> {
  const whole = await loaders.wholeConversation.load(id)
  if (!whole) throw new Error('a conversation is gone')
  return whole.metadata ?? null
}

const ConversationConnection = connectionType('Conversation', Conversation)

builder.objectFields(User, t => ({
  conversations: t.field({
    type: ConversationConnection,
    args: {
      first: t.arg.int({ defaultValue: 20, required: false }),
      after: t.arg.string({ required: false }),
    },
    resolve: (user, args, { loaders }, info) => {
      const pages = selects(info, 'metadata') ? loaders.wholeConversationPage : loaders.conversationPage
      return keysetConnection(
        args,
        page => pages.load({ userId: user.id, page }),
        () => loaders.conversationCount.load(user.id),
      )
    },
  }),
  conversation: t.field({
    type: Conversation,
    nullable: true,
    args: { sessionId: t.arg.string() },
    resolve: (user, { sessionId }, { loaders }, info) =>
      // No session has such an id, and the database would refuse it together with all that is read with it.
      sessionId.includes('\0') || !sessionId.isWellFormed()
        ? null
        : (selects(info, 'metadata')
            ? loaders.wholeConversationBySession
            : loaders.conversationBySession
          ).load({ userId: user.id, sessionId }),
  }),
}))
