import { CHANGE_CHANNEL } from '../database/changes.ts'
import type { DatabaseClient } from '../database/client.ts'
import { HAND_OVER_CHANNEL, RUN_CHANNEL } from '../database/leases.ts'
import type { RunTransaction } from '../database/transaction.ts'
import { createRedisRunEvents } from '../redis/run-events.ts'
import { inTime } from '../shared/abort.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { Tracing } from '../shared/tracing.ts'
import { AbandonedRuns } from './abandoned-runs.ts'
import { ChangeWakes } from './change-wakes.ts'
import type { Leases } from './lease.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { Liveness } from './liveness.ts'
import { LocalLeases } from './local-leases.ts'
import { createLocks, type Locks } from './locks.ts'
import { Pilot } from './pilot.ts'
import { PinnedConnection } from './pinned-connection.ts'
import { PostgresLeases } from './postgres-leases.ts'
import { RunOnce } from './run-once.ts'
import { RunWatch } from './run-watch.ts'

export interface CoordinationOptions {
  config: {
    coordination: 'distributed' | 'local'
    leaseTtlMs: number
    generationTimeoutMs: number
    redisUrl: string | undefined
  }
  databaseUrl: string
  client: DatabaseClient
  transaction: RunTransaction
  clock: Clock
  logger: Logger
  metrics: Metrics
  tracing?: Tracing | undefined
}

export interface Coordination {
  readonly runOnce: RunOnce
  readonly runWatch: RunWatch
  readonly locks: Locks
  /** What changed in the database, on whichever instance. */
  readonly changes: ChangeWakes
  readonly instance: number
  /** Whether this instance shows that it lives; null with COORDINATION=local, where nobody needs to know. */
  readonly livenessConnected: boolean | null
  /** Whether changes made elsewhere are heard of at once. */
  readonly connected: boolean
  /** From now on this instance finishes what others have left behind: when every kind of run can be described here. */
  resumeAbandoned(): void
  /** It finishes what it has, and takes over nothing more that nobody here waits for. */
  leaveAbandoned(): void
  /** Lets the runs of this instance finish, for `finishMs` at most, then leaves them to others, which takes `leaveMs` at most. */
  drain(finishMs: number, leaveMs: number): Promise<void>
  close(): Promise<void>
}

/** Puts the parts of run-once together, across instances or for this process alone. */
export async function createCoordination(options: CoordinationOptions): Promise<Coordination> {
  const { config, client, transaction, clock, logger, metrics } = options
  const distributed = config.coordination === 'distributed'
  const changes = new ChangeWakes()
  const session = {
    databaseUrl: options.databaseUrl,
    heartbeatMs: Math.max(500, config.leaseTtlMs / 3),
    clock,
    logger,
  }
  const hearsChanges = { [CHANGE_CHANNEL]: (change: string) => changes.receive(change) }
  const liveness = new Liveness({
    ...session,
    listeners: {
      ...hearsChanges,
      [RUN_CHANNEL]: runId => runWatch.wake(runId),
      [HAND_OVER_CHANNEL]: () => abandonedRuns.wake(),
    },
    onReconnect: () => {
      changes.wakeAll()
      runWatch.wakeAll()
      abandonedRuns.wake()
      void keeper.renew()
    },
  })
  const listener = new PinnedConnection({
    ...session,
    name: 'listener',
    listeners: hearsChanges,
    onReconnect: () => changes.wakeAll(),
  })
  const leases: Leases = distributed
    ? new PostgresLeases({
        client,
        transaction,
        owner: () => liveness.instance,
        ttlMs: config.leaseTtlMs,
        notifiesProgress: config.redisUrl === undefined,
      })
    : new LocalLeases({ transaction, onChange: runId => runWatch.wake(runId) })
  const runWatch = new RunWatch({ leases, clock, logger, onAbandoned: () => abandonedRuns.wake() })
  const keeper = new LeaseKeeper({ leases, clock, ttlMs: config.leaseTtlMs, logger })
  const redis =
    distributed && config.redisUrl !== undefined
      ? createRedisRunEvents(config.redisUrl, {
          logger,
          onWake: runId => runWatch.wake(runId),
          onReconnect: () => runWatch.wakeAll(),
        })
      : undefined
  const pilot = new Pilot({
    leases,
    keeper,
    watch: runWatch,
    publish: redis && (runId => redis.publish(runId)),
    clock,
    logger,
    metrics,
    tracing: options.tracing,
    generationTimeoutMs: config.generationTimeoutMs,
  })
  const runOnce = new RunOnce(pilot)
  const abandonedRuns = new AbandonedRuns({ leases, runOnce, clock, logger, metrics })
  await (distributed ? liveness : listener).start()
  return {
    runOnce,
    runWatch,
    locks: createLocks({ clock, metrics }),
    changes,
    get instance() {
      return liveness.instance
    },
    get livenessConnected() {
      return distributed ? liveness.connected : null
    },
    get connected() {
      return (distributed ? liveness : listener).connected
    },
    resumeAbandoned() {
      if (distributed) abandonedRuns.start()
    },
    leaveAbandoned: () => abandonedRuns.stop(),
    async drain(finishMs, leaveMs) {
      abandonedRuns.stop()
      await inTime(runOnce.drained(), finishMs, () => {})
      const { flights } = runOnce.figures
      if (flights > 0) logger.warn({ flights }, 'what takes longer than the drain is left to other instances')
      pilot.handOverAll()
      // What still does not end waits for a database that does not answer.
      await inTime(runOnce.drained(), leaveMs, () => {})
    },
    async close() {
      abandonedRuns.stop()
      pilot.handOverAll()
      redis?.close()
      await (distributed ? liveness : listener).close()
    },
  }
}
