import type { Jobs } from '../../coordination/jobs.ts'
import { clearAttempts } from '../../database/attempts.ts'
import type { Queryable } from '../../database/client.ts'
import { clearEmailTokens } from '../../database/email-tokens.ts'
import { clearEndedLeases } from '../../database/ended-leases.ts'
import { clearIdempotencyKeys } from '../../database/idempotency.ts'
import { clearPublished } from '../../database/outbox.ts'
import { clearSessions } from '../../database/sessions.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { RunConsistencyCheck } from './run-consistency-check.ts'

export const CLEARING_QUEUE = 'clear-ended'
export const CONSISTENCY_QUEUE = 'check-consistency'

/** A quarter past each hour: not when everybody else's hourly work begins. */
const HOURLY = '17 * * * *'
/** At night in Europe, on the first of each month. */
const MONTHLY = '0 3 1 * *'
/** In one statement, so that none holds many locks for long. */
const BATCH = 1000
/** A clearing takes so many batches of a table at most; what is left waits for the next hour. */
const MAX_BATCHES = 200
/** Longer than any process is paused and goes on: docs of `clearEndedLeases`. */
const LEASE_ENDED_FOR_MS = 86_400_000

/** What has ended and serves nobody any more, by the name of its table. Each deletes `limit` rows at most and tells how many. */
const CLEARINGS: Record<string, (db: Queryable, limit: number) => Promise<number>> = {
  leases: (db, limit) => clearEndedLeases(db, { endedForMs: LEASE_ENDED_FOR_MS, limit }),
  idempotency_keys: clearIdempotencyKeys,
  outbox: clearPublished,
  attempt_windows: clearAttempts,
  email_tokens: clearEmailTokens,
  sessions: clearSessions,
}

export interface MaintenanceOptions {
  db: Queryable
  jobs: Jobs
  runConsistencyCheck: RunConsistencyCheck
  logger: Logger
  metrics: Metrics
}

/** Work that nobody asks for: each hour and each month one job for all instances, done by one of them. */
export async function startMaintenance(options: MaintenanceOptions): Promise<void> {
  const { jobs } = options
  await jobs.work(CLEARING_QUEUE, (_, { signal }) => clearEnded(options, signal), { concurrency: 1 })
  await jobs.work(CONSISTENCY_QUEUE, () => checkConsistency(options), { concurrency: 1 })
  await jobs.schedule(CLEARING_QUEUE, HOURLY)
  await jobs.schedule(CONSISTENCY_QUEUE, MONTHLY)
}

/** Deletes what has ended. Others may do the same at the same time: each row goes once. */
export async function clearEnded(
  { db, logger, metrics }: Pick<MaintenanceOptions, 'db' | 'logger' | 'metrics'>,
  signal: AbortSignal,
): Promise<void> {
  for (const [table, clear] of Object.entries(CLEARINGS)) {
    let cleared = 0
    for (let batch = 1; batch <= MAX_BATCHES; batch++) {
      signal.throwIfAborted()
      const count = await clear(db, BATCH)
      cleared += count
      if (count < BATCH) break
    }
    metrics.maintenanceCleared.inc({ table }, cleared)
    if (cleared > 0) logger.info({ table, cleared }, 'cleared what had ended')
  }
}

/** Looks, and repairs nothing: what is found is for an operator to look at first. */
async function checkConsistency({
  runConsistencyCheck,
  logger,
  metrics,
}: Pick<MaintenanceOptions, 'runConsistencyCheck' | 'logger' | 'metrics'>): Promise<void> {
  const { findings } = await runConsistencyCheck.execute({ repair: false })
  metrics.consistencyFindings.reset()
  for (const { check, count, sampleIds } of findings) {
    metrics.consistencyFindings.set({ check }, count)
    logger.error({ check, count, sampleIds }, 'the stored data are not whole: npm run check:consistency')
  }
  if (findings.length === 0) logger.info('the stored data are whole')
}
