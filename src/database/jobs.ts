import type { Queryable } from './client.ts'

/** Of the job library, in the gateway's own database. */
export const JOBS_SCHEMA = 'tributary_jobs'

/** A job as it was taken: `attempt` is one more each time. */
export interface TakenJob {
  queue: string
  id: string
  attempt: number
}

const HAND_BACK = {
  name: 'job-hand-back',
  // The attempt was none: the limit goes up with the count, by which whoever has had the job is kept from settling it.
  text: `
    UPDATE ${JOBS_SCHEMA}.job SET
      state = 'retry', retry_limit = retry_limit + 1, heartbeat_on = NULL
    WHERE name = $1::text AND id = $2::uuid AND state = 'active' AND retry_count = $3::int
    RETURNING 1`,
}
/** Gives a job back to whoever comes next, at once, unless it has ended or been lost meanwhile. */
export async function handBackJob(db: Queryable, { queue, id, attempt }: TakenJob): Promise<void> {
  await db.query(HAND_BACK, [queue, id, attempt])
}
