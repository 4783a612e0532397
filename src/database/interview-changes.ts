import { toArray } from './arrays.ts'
import { CHANGE_CHANNEL } from './changes.ts'
import type { Queryable } from './client.ts'
import type { InterviewRow, InterviewStatus } from './interviews.ts'

/** In ChangeWakes: `interviews:<interview's id> <user's id>`. */
export const INTERVIEW_TOPIC = 'interviews'
/** In the outbox, and so for whoever listens outside. */
export const INTERVIEW_EVENT = 'interview.status-changed'

export interface InterviewChangeRow {
  interviewId: string
  userId: string
  status: InterviewStatus
  version: number
  /** Among all the changes of the user's interviews. */
  position: number
  reason: string | null
  changedAt: Date
}

/**
 * What belongs to every change of status, of the rows in `changed`: history, the user's feed, the event for those outside,
 * and the wake of subscribers. An interview that waits for an enhancer outside tells it all that it needs.
 */
const RECORD = `
  feeds AS (
    INSERT INTO interview_feeds AS f (user_id, position)
    -- One order for everybody, after the interviews' own locks, so that nobody can deadlock.
    SELECT user_id, count(*)::int FROM changed GROUP BY user_id ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET position = f.position + excluded.position
    RETURNING user_id, position
  ), recorded AS (
    INSERT INTO interview_status_changes (interview_id, version, user_id, position, status, reason, changed_at)
    SELECT c.id, c.status_version, c.user_id,
      f.position - (count(*) OVER (PARTITION BY c.user_id))::int + (row_number() OVER (PARTITION BY c.user_id ORDER BY c.id))::int,
      c.status, c.reason, c.status_changed_at
    FROM changed c JOIN feeds f ON f.user_id = c.user_id
  ), told AS (
    INSERT INTO outbox (topic, key, payload)
    SELECT '${INTERVIEW_EVENT}', 'interview:' || id || ':' || status_version,
      jsonb_build_object('interviewId', id, 'userId', user_id, 'status', status, 'version', status_version,
        'enhancer', enhancer, 'reason', reason)
      || CASE WHEN status = 'ENHANCING' AND enhancer = 'EXTERNAL'
        THEN jsonb_build_object('topic', topic, 'context', context, 'collection', collection) ELSE '{}'::jsonb END
    FROM changed
    ON CONFLICT (key) DO NOTHING
  )
  SELECT id, user_id AS "userId", topic, context, collection, enhancer, status, status_version AS "statusVersion",
    status_changed_at AS "statusChangedAt", failure_reason AS "failureReason", created_at AS "createdAt",
    pg_notify('${CHANGE_CHANNEL}', '${INTERVIEW_TOPIC}:' || id || ' ' || user_id)::text AS told
  FROM changed`

const INSERT = {
  name: 'interviews-insert',
  text: `
    WITH changed AS (
      INSERT INTO interviews (id, user_id, topic, context, collection, enhancer, status, status_version, status_changed_at, created_at)
      SELECT $1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::"InterviewEnhancer", 'ENHANCING', 1, at.now, at.now
      FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now) AS at
      RETURNING *, NULL::text AS reason
    ), ${RECORD}`,
}
/** A new interview, ENHANCING, with the first entry of its history. Part of a transaction. */
export async function insertInterview(
  db: Queryable,
  interview: Pick<InterviewRow, 'id' | 'userId' | 'topic' | 'context' | 'collection' | 'enhancer'>,
): Promise<InterviewRow> {
  const { id, userId, topic, context, collection, enhancer } = interview
  const [row] = await db.query<InterviewRow>(INSERT, [id, userId, topic, context, collection, enhancer])
  if (!row) throw new Error('an insert returned no row')
  return row
}

export interface StatusChange {
  interviewId: string
  to: InterviewStatus
  /** Why, in words its owner may read. */
  reason: string | null
}

const CHANGE = {
  name: 'interviews-change-status',
  text: `
    WITH changed AS (
      UPDATE interviews i SET status = wanted."to", status_version = i.status_version + 1,
        status_changed_at = date_trunc('milliseconds', clock_timestamp()),
        failure_reason = CASE WHEN wanted."to" = 'FAILED' THEN wanted.reason END
      FROM jsonb_to_recordset($1::jsonb) AS wanted ("interviewId" uuid, "to" "InterviewStatus", reason text)
      WHERE i.id = wanted."interviewId"
      RETURNING i.*, wanted.reason
    ), ${RECORD}`,
}
/**
 * Changes the status of interviews that the transaction has locked and looked at, each once. The one place where a status
 * changes. @returns the interviews as they stand then, in no order.
 */
export function changeInterviewStatus(
  db: Queryable,
  changes: readonly StatusChange[],
): Promise<InterviewRow[]> {
  return db.query<InterviewRow>(CHANGE, [JSON.stringify(changes)])
}

const CHANGE_COLUMNS = `
  h.interview_id AS "interviewId", h.user_id AS "userId", h.status, h.version, h.position, h.reason, h.changed_at AS "changedAt"`

const FIND_HISTORY = {
  name: 'interview-changes-find-by-interview-ids',
  text: `
    SELECT ${CHANGE_COLUMNS} FROM interview_status_changes h
    WHERE h.interview_id = ANY ($1::uuid[]) ORDER BY h.version`,
}
/** Oldest first. */
export function findInterviewHistory(
  db: Queryable,
  interviewIds: readonly string[],
): Promise<InterviewChangeRow[]> {
  return db.query<InterviewChangeRow>(FIND_HISTORY, [toArray(interviewIds)])
}

const READ_POSITION = {
  name: 'interview-feeds-read-position',
  text: 'SELECT position FROM interview_feeds WHERE user_id = $1::uuid',
}
/** The newest position in the user's feed, 0 before the first: every change up to it has committed, and none will join them. */
export async function readFeedPosition(db: Queryable, userId: string): Promise<number> {
  return (await db.query<{ position: number }>(READ_POSITION, [userId]))[0]?.position ?? 0
}

const FIND_CURRENT = {
  name: 'interview-changes-find-current',
  text: `
    SELECT ${CHANGE_COLUMNS}
    FROM interview_status_changes h
    WHERE h.user_id = $1::uuid AND h.position > $2::int AND h.position <= $3::int
      AND NOT EXISTS (
        SELECT 1 FROM interview_status_changes later
        WHERE later.interview_id = h.interview_id AND later.version > h.version AND later.position <= $3::int
      )
    ORDER BY h.position LIMIT $4::int`,
}
/**
 * Each of the user's interviews as it stood at a position of the feed, by its newest change up to there; of those whose
 * newest is after another position. The same at every look, whatever commits meanwhile.
 */
export function findCurrentChanges(
  db: Queryable,
  userId: string,
  { after, upTo, limit }: { after: number; upTo: number; limit: number },
): Promise<InterviewChangeRow[]> {
  return db.query<InterviewChangeRow>(FIND_CURRENT, [userId, after, upTo, limit])
}

/** Changes of one interview after a version, or of all of a user's interviews after a position. */
export interface ChangesRequest {
  of: 'interview' | 'user'
  id: string
  after: number
}

const FIND_AFTER = {
  name: 'interview-changes-find-after',
  text: `
    SELECT request.index, ${CHANGE_COLUMNS}
    FROM jsonb_to_recordset($1::jsonb) AS request (index int, "of" text, id uuid, after int)
    CROSS JOIN LATERAL (
      (SELECT *, version AS place FROM interview_status_changes
       WHERE request."of" = 'interview' AND interview_id = request.id AND version > request.after ORDER BY version LIMIT $2::int)
      UNION ALL
      (SELECT *, position AS place FROM interview_status_changes
       WHERE request."of" = 'user' AND user_id = request.id AND position > request.after ORDER BY position LIMIT $2::int)
    ) h
    ORDER BY request.index, h.place`,
}
/** For each request its changes, in order, `limit` at most. */
export async function findChangesAfter(
  db: Queryable,
  requests: readonly ChangesRequest[],
  limit: number,
): Promise<InterviewChangeRow[][]> {
  const indexed = requests.map((request, index) => ({ index, ...request }))
  const rows = await db.query<InterviewChangeRow & { index: number }>(FIND_AFTER, [
    JSON.stringify(indexed),
    limit,
  ])
  const pages = requests.map((): InterviewChangeRow[] => [])
  for (const { index, ...row } of rows) pages[index]?.push(row)
  return pages
}
