import type { Coordination } from '../coordination/coordination.ts'
import { lockFigures } from '../coordination/locks.ts'
import { findNewestAnalysis, readDecisionFacts } from '../database/analyses.ts'
import type { DatabaseClient, Queryable } from '../database/client.ts'
import { countOverdueInterviews } from '../database/interviews.ts'
import { ping } from '../database/ping.ts'
import { readSyncFigures } from '../database/sync-figures.ts'
import { inTime } from '../shared/abort.ts'
import type { Metrics } from '../shared/metrics.ts'

export type Phase = 'starting' | 'ready' | 'draining'

/** One of the three answers of a health page, with its figures. */
export interface HealthReport {
  status: 'ok' | 'degraded' | 'down'
  [figure: string]: unknown
}

/** A probe that waits for longer than this has its answer. */
const PROBE_TIMEOUT_MS = 2000

export async function databaseAnswers(db: Queryable): Promise<boolean> {
  const answer = ping(db).then(
    () => true,
    () => false,
  )
  return inTime(answer, PROBE_TIMEOUT_MS, () => false)
}

/** Every request for an analysis waits for this read; it takes milliseconds. */
const SLOW_READ_MS = 1000

/** Asks the database, by the read that decides about requests, for the newest analysis of all. */
export async function recentAnalysisHealth(db: Queryable, recentWindowMs: number): Promise<HealthReport> {
  const startedAtMs = performance.now()
  const newest = await findNewestAnalysis(db)
  const facts = newest && (await readDecisionFacts(db, newest.userId, newest.archetype))
  const readMs = Math.round((performance.now() - startedAtMs) * 10) / 10
  const found = !newest || facts?.latest?.createdAt.getTime() === newest.createdAt.getTime()
  return {
    status: found && readMs < SLOW_READ_MS ? 'ok' : 'degraded',
    source: 'database',
    readMs,
    recentWindowMs,
    newestAnalysisAt: newest?.createdAt.toISOString() ?? null,
    newestAnalysisAgeMs: facts?.latest ? facts.now.getTime() - facts.latest.createdAt.getTime() : null,
  }
}

/** What happened on this instance since its start, and what is under way. */
export async function coordinationHealth(
  mode: string,
  { runOnce, locks, instance, connected, livenessConnected }: Coordination,
  metrics: Metrics,
  answers: () => Promise<boolean>,
): Promise<HealthReport> {
  const requests = (await metrics.coordinationRequests.get()).values
  const total = (values: readonly { value: number }[]) => values.reduce((sum, { value }) => sum + value, 0)
  return {
    // Without that connection others take this instance for gone; without the database nobody can run anything.
    status: connected ? 'ok' : (await answers()) ? 'degraded' : 'down',
    mode,
    instance,
    livenessConnected,
    ...runOnce.figures,
    requests: total(requests),
    joins: total(requests.filter(({ labels }) => labels.source === 'JOINED')),
    takeovers: total((await metrics.coordinationTakeovers.get()).values),
    fenced: total((await metrics.coordinationFenced.get()).values),
    resumed: total((await metrics.coordinationResumed.get()).values),
    givenUp: total((await metrics.coordinationGivenUp.get()).values),
    lockQueues: lockFigures(locks),
  }
}

/** Beyond it something is wrong with whoever publishes or reads: both need well under a second. */
const BEHIND_MS = 30_000

interface ListenerFigures {
  up: boolean
  oldestWaitingMs: number | null
}

/** Whether what is stored, what is told of it and what comes in agree, and how far each is behind. */
export async function databaseSyncHealth(options: {
  client: DatabaseClient
  /** Undefined without Redis. */
  readListener: (() => Promise<ListenerFigures>) | undefined
  interviewDeadlineMs: number
}): Promise<HealthReport> {
  const { client, readListener, interviewDeadlineMs } = options
  const [figures, interviewsStuck, listener] = await Promise.all([
    readSyncFigures(client),
    countOverdueInterviews(client, interviewDeadlineMs),
    readListener?.(),
  ])
  const { outboxBacklog, outboxOldestMs, trackedAnalyses, storedAnalyses } = figures
  const problems = [
    outboxOldestMs > BEHIND_MS && 'the outbox is behind',
    trackedAnalyses !== storedAnalyses && 'tracking does not tell what is stored',
    interviewsStuck > 0 && 'interviews are past their deadline',
    listener && !listener.up && 'the prompt listener does not hear from Redis',
    (listener?.oldestWaitingMs ?? 0) > BEHIND_MS && 'the prompt listener is behind',
  ].filter(problem => typeof problem === 'string')
  const { totalCount, idleCount, waitingCount } = client.pool
  return {
    status: problems.length === 0 ? 'ok' : 'degraded',
    problems,
    pool: { total: totalCount, idle: idleCount, waiting: waitingCount },
    tracking: { trackedAnalyses, storedAnalyses },
    outbox: { backlog: outboxBacklog, oldestMs: outboxOldestMs },
    interviewsStuck,
    promptListener: listener
      ? { state: listener.up ? 'up' : 'down', ...listener }
      : { state: 'off', reason: 'REDIS_URL is not set' },
  }
}
