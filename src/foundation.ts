import type { Redis } from 'ioredis'
import type { Config } from './config.ts'
import { type Coordination, createCoordination } from './coordination/coordination.ts'
import { createJobs, type Jobs } from './coordination/jobs.ts'
import { OutboxRelay } from './coordination/outbox-relay.ts'
import { createDatabaseClient, type DatabaseClient } from './database/client.ts'
import { migrate } from './database/migrate.ts'
import { createRunTransaction, type RunTransaction } from './database/transaction.ts'
import type { Generator } from './providers/generator.ts'
import { connectRedis } from './redis/client.ts'
import { appendEvents } from './redis/event-stream.ts'
import type { Clock } from './shared/clock.ts'
import type { Logger } from './shared/logger.ts'
import type { Metrics } from './shared/metrics.ts'
import type { Tracing } from './shared/tracing.ts'

export interface FoundationOptions {
  config: Config
  databaseUrl: string
  /** Somebody has done it. */
  migrated: boolean
  generator: Generator
  /** Every queue of durable jobs that a feature works on. */
  jobQueues: readonly string[]
  logger: Logger
  metrics: Metrics
  tracing: Tracing | undefined
  clock: Clock
  /** Ends the migrations that are under way. */
  signal: AbortSignal | undefined
}

/** What every feature stands on. */
export interface Foundation {
  readonly db: DatabaseClient
  readonly transaction: RunTransaction
  readonly coordination: Coordination
  readonly jobs: Jobs
  /** Undefined without REDIS_URL. */
  readonly redis: Redis | undefined
  /** The longest that one generation may take, repairs and retries counted in. */
  readonly longestGenerationMs: number
  /** Rows were put into the outbox, and are committed. */
  eventsCommitted(): void
}

/** A migrated database with its pool, coordination, jobs, Redis and the outbox; `owners` closes them in reverse. */
export async function openFoundation(
  options: FoundationOptions,
  owners: AsyncDisposableStack,
): Promise<Foundation> {
  const { config, databaseUrl, generator, logger, metrics, tracing, clock, signal } = options
  if (!options.migrated) await migrate(databaseUrl, message => logger.info(message), { signal })
  const db = createDatabaseClient({
    url: databaseUrl,
    poolSize: config.databasePoolSize,
    lockTimeoutMs: config.lockTimeoutMs,
    logger,
    metrics,
    tracing,
  })
  owners.defer(() => db.close())
  const transaction = createRunTransaction(db, { logger, metrics, tracing })
  const longestGenerationMs =
    generator.longestGenerationMs?.(config.generationTimeoutMs) ?? config.generationTimeoutMs
  const coordination = await createCoordination({
    config: { ...config, generationTimeoutMs: longestGenerationMs },
    databaseUrl,
    client: db,
    transaction,
    clock,
    logger,
    metrics,
    tracing,
  })
  owners.defer(() => coordination.close())
  const jobs = await createJobs({ client: db, queues: options.jobQueues, logger })
  owners.defer(() => jobs.stop(0))
  const redis =
    config.redisUrl === undefined ? undefined : connectRedis(config.redisUrl, { role: 'commands', logger })
  owners.defer(() => redis?.disconnect())
  const outbox = new OutboxRelay({
    db,
    publish: redis && (events => appendEvents(redis, events)),
    clock,
    logger,
  })
  owners.defer(() => outbox.close())
  outbox.wake()
  return {
    db,
    transaction,
    coordination,
    jobs,
    redis,
    longestGenerationMs,
    eventsCommitted: () => outbox.wake(),
  }
}
