import { randomUUID } from 'node:crypto'
import type { MessageRole } from '../../database/conversations.ts'
import type { JsonValue } from '../../shared/json.ts'
import type { NewMessage } from './conversation-input.ts'

/** Whose messages they are: the user where it is known, and what the token said of it, for when the database is away. */
export interface Author {
  userId: string | null
  issuer: string
  subject: string
  email: string
}

/**
 * One call's messages on their way into a session. It can be tried again at any time, by whoever has it: each message
 * carries what makes it one message.
 */
export interface Save {
  saveId: string
  author: Author
  sessionId: string
  messages: { sentAs: string; role: MessageRole; content: string }[]
  metadata: JsonValue | null
}

export function createSave(
  author: Author,
  sessionId: string,
  messages: readonly NewMessage[],
  metadata: JsonValue | null,
  saveId: string = randomUUID(),
): Save {
  return {
    saveId,
    author,
    sessionId,
    messages: messages.map(({ role, content, clientId }, place) => ({
      sentAs: clientId === null ? `s:${saveId}:${place}` : `c:${clientId}`,
      role,
      content,
    })),
    metadata,
  }
}

/** The same on every instance, whether the user is known or not. */
export function sessionKeyOf({ author, sessionId }: Pick<Save, 'author' | 'sessionId'>): string {
  return JSON.stringify([author.issuer, author.subject, sessionId])
}

/** Roughly what it takes in memory and on the wire. */
export function sizeOf(save: Save): number {
  const metadata = save.metadata === null ? 0 : JSON.stringify(save.metadata).length
  return save.messages.reduce((size, { content }) => size + Buffer.byteLength(content) + 120, 200 + metadata)
}
