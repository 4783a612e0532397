import type { Queryable } from './client.ts'

const PING = { name: 'ping', text: 'SELECT 1' }
/** Rejects where the database does not answer. */
export async function ping(db: Queryable): Promise<void> {
  await db.query(PING)
}
