import type { Queryable } from './client.ts'

const CLEAR = {
  name: 'leases-clear-ended',
  text: `
    DELETE FROM leases WHERE key IN (
      SELECT l.key FROM leases l JOIN generations g ON g.id = l.run_id
      WHERE l.state <> 'RUNNING' AND g.kind IN ('CONVERSATION_REPLY', 'INTERVIEW_PROMPT')
        AND g.finished_at < clock_timestamp() - $1::int * interval '1 ms'
        AND (l.retry_after IS NULL OR l.retry_after < clock_timestamp())
      ORDER BY l.key LIMIT $2::int FOR UPDATE OF l SKIP LOCKED
    )
    RETURNING 1`,
}
/**
 * Deletes the leases of keys that are used once: of a message's reply and of an interview's prompt, whose runs ended
 * longer ago than `endedForMs`. Those of analyses and plans are used again and again, and are as many as their users.
 *
 * The next run of such a key, as of a message that failed and is sent again, begins at epoch 1. So an owner that was paused
 * since before could take it for its own: let `endedForMs` be longer than any process is paused and goes on, an hour at least.
 * Even then a message gets no second reply, and an interview no second prompt: unique indexes refuse them.
 * @returns how many; as many as `limit` where there may be more.
 */
export async function clearEndedLeases(
  db: Queryable,
  { endedForMs, limit }: { endedForMs: number; limit: number },
): Promise<number> {
  return (await db.query(CLEAR, [endedForMs, limit])).length
}
