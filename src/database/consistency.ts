import { createHash } from 'node:crypto'
import type { Queryable } from './client.ts'

/** What a check of the stored data finds: how many, and the ids of some, the same at each look. */
export interface Finding {
  count: number
  ids: string[]
}

/** A statement that gives the ids of what is wrong, one a row, as `id`. */
function finding(name: string, text: string) {
  const statement = {
    name,
    text: `
      WITH wrong AS (${text})
      SELECT (SELECT count(*)::int FROM wrong) AS count,
        coalesce((SELECT jsonb_agg(id) FROM (SELECT id FROM wrong ORDER BY id LIMIT $1::int) AS sample), '[]') AS ids`,
  }
  return async (db: Queryable, limit: number): Promise<Finding> =>
    (await db.query<Finding>(statement, [limit]))[0] ?? { count: 0, ids: [] }
}

/** Interviews with a prompt that are not READY or later. */
export const findOrphanedPrompts = finding(
  'consistency-orphaned-prompts',
  `SELECT i.id::text AS id FROM enhanced_prompts p JOIN interviews i ON i.id = p.interview_id
   WHERE i.status IN ('ENHANCING', 'FAILED')`,
)

/** Interviews that are READY or later without a prompt. */
export const findMissingPrompts = finding(
  'consistency-missing-prompts',
  `SELECT i.id::text AS id FROM interviews i LEFT JOIN enhanced_prompts p ON p.interview_id = i.id
   WHERE i.status IN ('READY', 'IN_PROGRESS', 'COMPLETED') AND p.id IS NULL`,
)

/** Interviews whose history is not 1 to statusVersion, or does not end with their status. */
export const findHistoryGaps = finding(
  'consistency-history-gaps',
  `SELECT i.id::text AS id FROM interviews i
   LEFT JOIN interview_status_changes h ON h.interview_id = i.id
   GROUP BY i.id
   HAVING count(h.version) <> i.status_version OR max(h.version) IS DISTINCT FROM i.status_version
     OR bool_or(h.version = i.status_version AND h.status <> i.status)`,
)

/** Users and archetypes, as `user:archetype`, whose tracking does not tell what is stored. */
export const findTrackingMismatches = finding(
  'consistency-tracking-mismatches',
  `SELECT coalesce(t.user_id, a.user_id)::text || ':' || coalesce(t.archetype, a.archetype)::text AS id
   FROM archetype_tracking t
   FULL JOIN (SELECT user_id, archetype, count(*)::int AS count FROM analyses GROUP BY user_id, archetype) a
     ON a.user_id = t.user_id AND a.archetype = t.archetype
   WHERE t.analysis_count IS DISTINCT FROM a.count`,
)

/** Analyses beyond the first of their run: a run has one committed result. */
export const findDuplicateAnalyses = finding(
  'consistency-duplicate-analyses',
  `SELECT id::text AS id FROM (
     SELECT id, row_number() OVER (PARTITION BY generation_id ORDER BY created_at, id) AS place FROM analyses
   ) AS placed WHERE place > 1`,
)

/** Facts that are promoted without a place in the log of promotions, or have one and are not. */
export const findPromotionMismatches = finding(
  'consistency-promotion-mismatches',
  `SELECT f.id::text AS id FROM collective_facts f
   LEFT JOIN fact_promotions p ON p.fact_id = f.id
   WHERE (f.promoted_at IS NULL) <> (p.fact_id IS NULL)`,
)

/** Facts whose count is not that of their sources. */
export const findFactCountMismatches = finding(
  'consistency-fact-count-mismatches',
  `SELECT f.id::text AS id FROM collective_facts f
   WHERE f.source_count <> (SELECT count(*) FROM fact_sources s WHERE s.fact_id = f.id)`,
)

const MESSAGES_OF = `
  FROM conversations c LEFT JOIN (
    SELECT conversation_id, count(*)::int AS messages, min(seq) AS first, max(seq) AS last FROM messages GROUP BY conversation_id
  ) m ON m.conversation_id = c.id`

/** Conversations whose messages are not numbered 1, 2, 3, … without a gap. */
export const findMessageGaps = finding(
  'consistency-message-gaps',
  `SELECT c.id::text AS id ${MESSAGES_OF} WHERE m.first <> 1 OR m.last <> m.messages`,
)

/** Conversations whose count is not the number of their last message: the next one would get a number that is taken, or leave a gap. */
export const findMessageCountMismatches = finding(
  'consistency-message-count-mismatches',
  `SELECT c.id::text AS id ${MESSAGES_OF} WHERE c.message_count <> coalesce(m.last, 0)`,
)

const REPAIR_TRACKING = {
  name: 'consistency-repair-tracking',
  text: `
    INSERT INTO archetype_tracking AS t (user_id, archetype, last_analysis_at, analysis_count, data_revision)
    SELECT user_id, archetype, max(created_at), count(*)::int, max(data_revision) FROM analyses
    WHERE user_id::text || ':' || archetype::text IN (SELECT value FROM jsonb_array_elements_text($1::jsonb))
    GROUP BY user_id, archetype
    ON CONFLICT (user_id, archetype) DO UPDATE SET last_analysis_at = excluded.last_analysis_at,
      analysis_count = excluded.analysis_count, data_revision = excluded.data_revision
    RETURNING 1`,
}
/** Writes the tracking of these users and archetypes anew, from what is stored. @returns how many. */
export async function repairTracking(db: Queryable, ids: readonly string[]): Promise<number> {
  return (await db.query(REPAIR_TRACKING, [JSON.stringify(ids)])).length
}

const LOCK_FACTS = {
  name: 'consistency-lock-facts',
  text: `
    SELECT id FROM collective_facts WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))
    ORDER BY hash FOR UPDATE`,
}
const RECOUNT_FACTS = {
  name: 'consistency-recount-facts',
  text: `
    UPDATE collective_facts f SET source_count = s.sources
    FROM (SELECT id, (SELECT count(*)::int FROM fact_sources WHERE fact_id = id) AS sources FROM collective_facts
      WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))) AS s
    WHERE f.id = s.id AND f.source_count <> s.sources
    RETURNING 1`,
}
/** Counts the sources of these facts anew, under the facts' locks; what was promoted stays so. @returns how many were wrong. */
export async function recountFacts(db: Queryable, ids: readonly string[]): Promise<number> {
  await db.query(LOCK_FACTS, [JSON.stringify(ids)])
  return (await db.query(RECOUNT_FACTS, [JSON.stringify(ids)])).length
}

const LOCK_CONVERSATIONS = {
  name: 'consistency-lock-conversations',
  text: `
    SELECT id FROM conversations WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))
    ORDER BY user_id, session_id FOR UPDATE`,
}
const RECOUNT_MESSAGES = {
  name: 'consistency-recount-messages',
  text: `
    UPDATE conversations c SET message_count = s.last, version = c.version + 1
    FROM (SELECT id, coalesce((SELECT max(seq) FROM messages WHERE conversation_id = conversations.id), 0) AS last
      FROM conversations WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))) AS s
    WHERE c.id = s.id AND c.message_count <> s.last
    RETURNING 1`,
}
/**
 * Makes the count of these conversations the number of their last message, under the conversations' locks; what is cached of
 * them serves nobody any more. @returns how many were wrong.
 */
export async function recountMessages(db: Queryable, ids: readonly string[]): Promise<number> {
  await db.query(LOCK_CONVERSATIONS, [JSON.stringify(ids)])
  return (await db.query(RECOUNT_MESSAGES, [JSON.stringify(ids)])).length
}

/** The newest messages of a conversation as somebody has copied them. */
export interface CopiedTail {
  id: string
  version: number
  messages: number
  /** As `digestOf` gives it. */
  digest: string
}

const FIND_WRONG_TAILS = {
  name: 'consistency-wrong-tails',
  text: `
    SELECT t.id FROM jsonb_to_recordset($1::jsonb) AS t (id text, version int, messages int, digest text)
    LEFT JOIN conversations c ON c.id::text = t.id
    WHERE c.id IS NULL OR t.version > c.version OR t.version = c.version AND t.digest IS DISTINCT FROM (
      SELECT md5(coalesce(string_agg(concat_ws(' ', n.id, n.seq, n.role, md5(n.content)), E'\\n' ORDER BY n.seq), ''))
      FROM (SELECT * FROM messages m WHERE m.conversation_id = c.id ORDER BY m.seq DESC LIMIT t.messages) AS n)
    ORDER BY t.id`,
}
/**
 * Those copies that say something else than the database at the same version, are ahead of it, or of no conversation. One that is
 * behind is no fault: it serves nobody. They must have been read before this is asked.
 */
export async function findWrongTails(db: Queryable, copies: readonly CopiedTail[]): Promise<string[]> {
  return (await db.query<{ id: string }>(FIND_WRONG_TAILS, [JSON.stringify(copies)])).map(({ id }) => id)
}

/** Of messages, oldest first. */
export function digestOf(
  messages: readonly { id: string; seq: number; role: string; content: string }[],
): string {
  const lines = messages.map(({ id, seq, role, content }) => `${id} ${seq} ${role} ${md5(content)}`)
  return md5(lines.join('\n'))
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex')
}
