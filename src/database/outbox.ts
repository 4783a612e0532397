import type { JsonValue } from '../shared/json.ts'
import type { Queryable } from './client.ts'

export interface NewEvent {
  topic: string
  /** Of the event itself: written twice, it is one event. */
  key: string
  payload: { [key: string]: JsonValue }
}

export interface StoredEvent extends NewEvent {
  id: string
}

const INSERT = {
  name: 'outbox-insert',
  text: 'INSERT INTO outbox (topic, key, payload) VALUES ($1::text, $2::text, $3::jsonb) ON CONFLICT (key) DO NOTHING RETURNING 1',
}
/** Part of the transaction that makes the change it tells of. */
export async function insertEvent(db: Queryable, event: NewEvent): Promise<void> {
  await db.query(INSERT, [event.topic, event.key, JSON.stringify(event.payload)])
}

const CLAIM = {
  name: 'outbox-claim',
  text: `
    WITH claimed AS (
      UPDATE outbox SET claimed_until = clock_timestamp() + $2::int * interval '1 ms'
      WHERE id IN (
        SELECT id FROM outbox
        WHERE published_at IS NULL AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
        ORDER BY id LIMIT $1::int FOR UPDATE SKIP LOCKED
      )
      RETURNING id, topic, key, payload
    )
    SELECT id::text AS id, topic, key, payload FROM claimed ORDER BY claimed.id`,
}
/** The oldest events that nobody has published or is publishing, for this instance alone as long as the claim lasts. */
export function claimEvents(db: Queryable, limit: number, claimMs: number): Promise<StoredEvent[]> {
  return db.query<StoredEvent>(CLAIM, [limit, claimMs])
}

const MARK_PUBLISHED = {
  name: 'outbox-mark-published',
  text: `
    UPDATE outbox SET published_at = clock_timestamp()
    WHERE id IN (SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb)) RETURNING 1`,
}
export async function markPublished(db: Queryable, ids: readonly string[]): Promise<void> {
  await db.query(MARK_PUBLISHED, [JSON.stringify(ids)])
}

const CLEAR = {
  name: 'outbox-clear',
  text: `
    DELETE FROM outbox WHERE id IN (
      SELECT id FROM outbox WHERE published_at < clock_timestamp() - interval '1 day'
      LIMIT $1::int FOR UPDATE SKIP LOCKED
    )
    RETURNING 1`,
}
/** @returns how many; as many as `limit` where there may be more. */
export async function clearPublished(db: Queryable, limit: number): Promise<number> {
  return (await db.query(CLEAR, [limit])).length
}
