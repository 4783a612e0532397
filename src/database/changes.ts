/**
 * One channel for every committed change that somebody may be subscribed to; the payload is `topic:id` of what changed,
 * and nothing of the change itself, which is read. Sent by pg_notify inside the transaction: PostgreSQL delivers it after the commit.
 */
export const CHANGE_CHANNEL = 'tributary_changes'
