import type { JsonValue } from '../shared/json.ts'
import { listsByPlace, type Placed, toArray } from './arrays.ts'
import type { Queryable } from './client.ts'
import type { MessageRole } from './generated/enums.ts'

export interface MessageRow {
  id: string
  userId: string
  conversationId: string
  seq: number
  role: MessageRole
  content: string
  createdAt: Date
}

const COLUMNS = `
  m.id, c.user_id AS "userId", m.conversation_id AS "conversationId", m.seq, m.role, m.content, m.created_at AS "createdAt"`

/** One message of an append. */
export interface SentMessage {
  conversationId: string
  /** How many messages the conversation had when it was locked. */
  after: number
  saveId: string
  sentAs: string
  role: MessageRole
  content: string
}

export interface SaveMetadata {
  conversationId: string
  saveId: string
  metadata: JsonValue
}

/** What became of one message, in the order of sending; of the same sent twice there is one. */
export interface StoredMessage {
  conversationId: string
  sentAs: string
  id: string
  seq: number
  role: MessageRole
  createdAt: Date
  /** The save that stored it: maybe another one, or this one when it was tried before. */
  saveId: string
  /** Stored just now. */
  fresh: boolean
}

const APPEND = {
  name: 'messages-append',
  text: `
    WITH sent AS (
      SELECT row_number() OVER () AS place, s.* FROM jsonb_to_recordset($1::jsonb)
        AS s (conversation_id uuid, after int, save_id uuid, sent_as text, role "MessageRole", content text)
    ), once AS (
      SELECT DISTINCT ON (conversation_id, sent_as) * FROM sent ORDER BY conversation_id, sent_as, place
    ), known AS (
      SELECT o.place, m.id, m.conversation_id, m.seq, m.role, m.sent_as, m.save_id, m.created_at
      FROM once o JOIN messages m ON m.conversation_id = o.conversation_id AND m.sent_as = o.sent_as
    ), stored AS (
      INSERT INTO messages (conversation_id, seq, role, content, sent_as, save_id, created_at)
      SELECT conversation_id, after + row_number() OVER (PARTITION BY conversation_id ORDER BY place), role, content, sent_as,
        save_id, clock_timestamp()
      FROM once WHERE place NOT IN (SELECT place FROM known)
      RETURNING id, conversation_id, seq, role, sent_as, save_id, created_at
    ), grown AS (
      SELECT conversation_id, max(seq) AS last FROM stored GROUP BY conversation_id
    ), told AS (
      SELECT DISTINCT ON (t.conversation_id) t.conversation_id, t.metadata
      FROM (
        SELECT row_number() OVER () AS place, s.* FROM jsonb_to_recordset($2::jsonb)
          AS s (conversation_id uuid, save_id uuid, metadata jsonb)
      ) t
      WHERE EXISTS (SELECT 1 FROM stored WHERE stored.save_id = t.save_id)
      ORDER BY t.conversation_id, t.place DESC
    ), counted AS (
      UPDATE conversations c SET message_count = grown.last, version = c.version + 1, updated_at = clock_timestamp(),
        metadata = coalesce((SELECT told.metadata FROM told WHERE told.conversation_id = c.id), c.metadata)
      FROM grown WHERE c.id = grown.conversation_id
      RETURNING 1
    )
    SELECT o.conversation_id AS "conversationId", o.sent_as AS "sentAs", r.id, r.seq, r.role, r.created_at AS "createdAt",
      r.save_id AS "saveId", r.fresh
    FROM once o JOIN (
      SELECT conversation_id, sent_as, id, seq, role, created_at, save_id, false AS fresh FROM known
      UNION ALL SELECT conversation_id, sent_as, id, seq, role, created_at, save_id, true FROM stored
    ) r ON r.conversation_id = o.conversation_id AND r.sent_as = o.sent_as
    ORDER BY o.place`,
}
/**
 * Appends what is not there yet, in its order and without gaps, and counts it. The transaction holds the rows of all these
 * conversations, and sends this as a statement after the one that locked them: so it sees all that was stored before.
 * The newest metadata of a save that stored something replace the ones before.
 */
export function appendMessages(
  db: Queryable,
  messages: readonly SentMessage[],
  metadata: readonly SaveMetadata[],
): Promise<StoredMessage[]> {
  const sent = messages.map(message => ({
    conversation_id: message.conversationId,
    after: message.after,
    save_id: message.saveId,
    sent_as: message.sentAs,
    role: message.role,
    content: message.content,
  }))
  const told = metadata.map(save => ({
    conversation_id: save.conversationId,
    save_id: save.saveId,
    metadata: save.metadata,
  }))
  return db.query<StoredMessage>(APPEND, [JSON.stringify(sent), JSON.stringify(told)])
}

const FIND_BY_IDS = {
  name: 'messages-find-by-ids',
  text: `
    SELECT ${COLUMNS} FROM messages m JOIN conversations c ON c.id = m.conversation_id
    WHERE m.id = ANY ($1::uuid[])`,
}
export function findMessagesByIds(db: Queryable, ids: readonly string[]): Promise<MessageRow[]> {
  return db.query<MessageRow>(FIND_BY_IDS, [toArray(ids)])
}

export interface MessagePageKey {
  conversationId: string
  /** The owner of the conversation, whose row was read before. */
  userId: string
  afterSeq: number
  limit: number
}
const PAGES = {
  name: 'messages-pages',
  text: `
    SELECT k.place::int AS place, m.*
    FROM unnest($1::uuid[], $2::int[], $3::int[]) WITH ORDINALITY AS k (conversation_id, after_seq, size, place)
    CROSS JOIN LATERAL (
      SELECT id, conversation_id AS "conversationId", seq, role, content, created_at AS "createdAt" FROM messages
      WHERE conversation_id = k.conversation_id AND seq > k.after_seq ORDER BY seq LIMIT k.size
    ) m
    ORDER BY k.place, m.seq`,
}
/** A page for each key: oldest first, after the message `afterSeq`. */
export async function findMessagePages(
  db: Queryable,
  keys: readonly MessagePageKey[],
): Promise<MessageRow[][]> {
  const rows = await db.query<MessageRow & Placed>(PAGES, [
    toArray(keys.map(({ conversationId }) => conversationId)),
    toArray(keys.map(({ afterSeq }) => afterSeq)),
    toArray(keys.map(({ limit }) => limit)),
  ])
  for (const row of rows) row.userId = keys[row.place - 1]?.userId ?? ''
  return listsByPlace(rows, keys.length)
}

/** The newest messages of a conversation as they stood at one version of it. */
export interface ConversationTail {
  version: number
  messageCount: number
  /** Oldest first. */
  messages: MessageRow[]
}

const READ_TAIL = {
  name: 'messages-read-tail',
  text: `
    SELECT c.version, c.message_count AS "messageCount", t.* FROM conversations c
    LEFT JOIN LATERAL (
      SELECT m.id, m.seq, m.role, m.content, m.created_at AS "createdAt" FROM messages m
      WHERE m.conversation_id = c.id AND m.seq <= $3::int ORDER BY m.seq DESC LIMIT $2::int
    ) t ON true
    WHERE c.id = $1::uuid AND c.user_id = $4::uuid ORDER BY t.seq`,
}
/** Read in one snapshot. @param upToSeq leaves out what came later. @returns undefined where there is no such conversation. */
export async function readConversationTail(
  db: Queryable,
  of: { conversationId: string; userId: string },
  limit: number,
  upToSeq = 2_147_483_647,
): Promise<ConversationTail | undefined> {
  const { conversationId, userId } = of
  type Row = Omit<MessageRow, 'userId' | 'conversationId' | 'id'> & {
    version: number
    messageCount: number
    id: string | null
  }
  const rows = await db.query<Row>(READ_TAIL, [conversationId, limit, upToSeq, userId])
  const [first] = rows
  if (!first) return undefined
  const messages = rows.flatMap(({ version: _, messageCount: __, id, ...message }) =>
    id === null ? [] : { ...message, id, userId, conversationId },
  )
  return { version: first.version, messageCount: first.messageCount, messages }
}

export interface ReplyRow extends MessageRow {
  /** The message that it answers. */
  replyTo: string
  sources: JsonValue
  /** The run that made it. */
  generationId: string
}

const REPLY_COLUMNS = `${COLUMNS}, m.reply_to AS "replyTo", coalesce(m.sources, '[]') AS sources, m.generation_id AS "generationId"`

const FIND_REPLY = {
  name: 'messages-find-reply',
  text: `SELECT ${REPLY_COLUMNS} FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.reply_to = $1::uuid`,
}
export async function findReplyTo(db: Queryable, messageId: string): Promise<ReplyRow | undefined> {
  return (await db.query<ReplyRow>(FIND_REPLY, [messageId]))[0]
}

const FIND_REPLY_BY_ID = {
  name: 'messages-find-reply-by-id',
  text: `
    SELECT ${REPLY_COLUMNS} FROM messages m JOIN conversations c ON c.id = m.conversation_id
    WHERE m.id = $1::uuid AND m.reply_to IS NOT NULL`,
}
export async function findReply(db: Queryable, id: string): Promise<ReplyRow | undefined> {
  return (await db.query<ReplyRow>(FIND_REPLY_BY_ID, [id]))[0]
}

const INSERT_REPLY = {
  name: 'messages-insert-reply',
  text: `
    WITH place AS (
      UPDATE conversations SET message_count = message_count + 1, version = version + 1, updated_at = clock_timestamp()
      WHERE id = $1::uuid RETURNING message_count AS seq, version
    ), stored AS (
      INSERT INTO messages (conversation_id, seq, role, content, sent_as, save_id, reply_to, generation_id, sources, created_at)
      SELECT $1::uuid, place.seq, 'ASSISTANT', $2::text, 'r:' || $3::uuid::text, $3::uuid, $4::uuid, $3::uuid, $5::jsonb,
        clock_timestamp()
      FROM place
      RETURNING id, seq, created_at
    )
    SELECT stored.id, stored.seq, stored.created_at AS "createdAt", place.version FROM stored, place`,
}
/**
 * Stores the reply of a run behind what the conversation holds, under the lock of its row, which the UPDATE takes.
 * @throws where the message has a reply: the transaction of a run that is not the message's first must not commit.
 */
export async function insertReply(
  db: Queryable,
  reply: {
    conversationId: string
    content: string
    generationId: string
    replyTo: string
    sources: JsonValue
  },
): Promise<{ id: string; seq: number; createdAt: Date; version: number }> {
  const [row] = await db.query<{ id: string; seq: number; createdAt: Date; version: number }>(INSERT_REPLY, [
    reply.conversationId,
    reply.content,
    reply.generationId,
    reply.replyTo,
    JSON.stringify(reply.sources),
  ])
  if (!row) throw new Error('the conversation of a reply is gone')
  return row
}
