import { randomUUID } from 'node:crypto'
import type { JsonValue } from '../../shared/json.ts'
import { type FieldIssue, fieldIssues } from '../field-issues.ts'
import { MAX_MESSAGES_PER_SAVE, type NewMessage, SaveInput } from './conversation-input.ts'
import { type Author, createSave } from './conversation-save.ts'
import type { SessionWriter } from './session-writer.ts'

export interface SaveRequest {
  /** Null: a new session. */
  sessionId: string | null
  messages: readonly NewMessage[]
  /** Replaces the conversation's, with a save that brings something new; null leaves it. */
  metadata: JsonValue | null
}

export type SaveConversationOutcome =
  | { type: 'saved'; conversationId: string; messagesSaved: number }
  /** Held durably: saved once, in its order, when the database is back. */
  | { type: 'held'; sessionId: string; messagesHeld: number }
  | { type: 'invalid-input'; issues: FieldIssue[] }
  | { type: 'unavailable' }

/**
 * Stores the messages of a call behind what the session has, together and in their order, all or none; those whose
 * clientId the conversation knows are passed over. Concurrent calls take their turn, on every instance.
 */
export async function saveConversation(
  writer: SessionWriter,
  author: Author,
  request: SaveRequest,
): Promise<SaveConversationOutcome> {
  if (request.messages.length > MAX_MESSAGES_PER_SAVE) {
    const message = `expected at most ${MAX_MESSAGES_PER_SAVE} messages in one call, got ${request.messages.length}`
    return { type: 'invalid-input', issues: [{ path: ['input', 'messages'], message }] }
  }
  const parsed = SaveInput.safeParse(request)
  if (!parsed.success) return { type: 'invalid-input', issues: fieldIssues(parsed.error, ['input']) }

  const { sessionId, messages, metadata } = parsed.data
  const save = createSave(author, sessionId ?? randomUUID(), messages, metadata)
  const written = await writer.write(save, { mayBeHeld: true })
  switch (written.type) {
    case 'saved': {
      const { conversationId, messagesSaved } = written.appended
      return { type: 'saved', conversationId, messagesSaved }
    }
    case 'held':
      return { type: 'held', sessionId: save.sessionId, messagesHeld: messages.length }
    case 'away':
      return { type: 'unavailable' }
  }
}
