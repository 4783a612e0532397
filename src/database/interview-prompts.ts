import type { JsonValue } from '../shared/json.ts'
import { toArray } from './arrays.ts'
import type { Queryable } from './client.ts'

export interface EnhancedPromptRow {
  id: string
  interviewId: string
  /** The owner of its interview. */
  userId: string
  text: string
  source: string
  createdAt: Date
}

const COLUMNS = `
  p.id, p.interview_id AS "interviewId", i.user_id AS "userId", p.text, p.source, p.created_at AS "createdAt"`

export interface NewPrompt {
  interviewId: string
  text: string
  source: string
  metadata: { [key: string]: JsonValue }
}

const INSERT = {
  name: 'enhanced-prompts-insert',
  text: `
    INSERT INTO enhanced_prompts (interview_id, text, source, metadata, created_at)
    SELECT "interviewId", text, source, metadata, date_trunc('milliseconds', clock_timestamp())
    FROM jsonb_to_recordset($1::jsonb) AS prompt ("interviewId" uuid, text text, source text, metadata jsonb)
    RETURNING id, interview_id AS "interviewId"`,
}
/** Part of the transaction that makes the interviews READY. */
export function insertPrompts(
  db: Queryable,
  prompts: readonly NewPrompt[],
): Promise<{ id: string; interviewId: string }[]> {
  return db.query(INSERT, [JSON.stringify(prompts)])
}

const FIND_BY_IDS = {
  name: 'enhanced-prompts-find-by-ids',
  text: `
    SELECT ${COLUMNS} FROM enhanced_prompts p JOIN interviews i ON i.id = p.interview_id
    WHERE p.id = ANY ($1::uuid[])`,
}
export function findPromptsByIds(db: Queryable, ids: readonly string[]): Promise<EnhancedPromptRow[]> {
  return db.query<EnhancedPromptRow>(FIND_BY_IDS, [toArray(ids)])
}

const FIND_BY_INTERVIEW_IDS = {
  name: 'enhanced-prompts-find-by-interview-ids',
  text: `
    SELECT ${COLUMNS} FROM enhanced_prompts p JOIN interviews i ON i.id = p.interview_id
    WHERE p.interview_id = ANY ($1::uuid[])`,
}
export function findPromptsByInterviewIds(
  db: Queryable,
  interviewIds: readonly string[],
): Promise<EnhancedPromptRow[]> {
  return db.query<EnhancedPromptRow>(FIND_BY_INTERVIEW_IDS, [toArray(interviewIds)])
}

/** A message for an interview, by the sender's own id. */
export interface MessageOf {
  interviewId: string
  messageId: string
}

const FIND_DELIVERED = {
  name: 'prompt-deliveries-find',
  text: `
    SELECT d.interview_id AS "interviewId", d.message_id AS "messageId"
    FROM jsonb_to_recordset($1::jsonb) AS message ("interviewId" uuid, "messageId" text)
    JOIN prompt_deliveries d ON d.interview_id = message."interviewId" AND d.message_id = message."messageId"`,
}
/** Those of the messages that their interview has taken before. Sees all where the interviews are locked. */
export function findDelivered(db: Queryable, messages: readonly MessageOf[]): Promise<MessageOf[]> {
  return db.query<MessageOf>(FIND_DELIVERED, [JSON.stringify(messages)])
}

const INSERT_DELIVERIES = {
  name: 'prompt-deliveries-insert',
  text: `
    INSERT INTO prompt_deliveries (interview_id, message_id)
    SELECT "interviewId", "messageId" FROM jsonb_to_recordset($1::jsonb) AS message ("interviewId" uuid, "messageId" text)
    RETURNING 1`,
}
export async function insertDeliveries(db: Queryable, messages: readonly MessageOf[]): Promise<void> {
  await db.query(INSERT_DELIVERIES, [JSON.stringify(messages)])
}
