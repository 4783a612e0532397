import type { Config } from './config.ts'
import { jobQueues, startFeatures } from './features.ts'
import { openFoundation } from './foundation.ts'
import { createGraphqlServer } from './http/graphql-server.ts'
import {
  coordinationHealth,
  databaseAnswers,
  databaseSyncHealth,
  type Phase,
  recentAnalysisHealth,
} from './http/health.ts'
import { type HttpServer, listen } from './http/http-server.ts'
import { createRunOperation } from './http/operation/operations.ts'
import { PersistedOperations } from './http/operation/persisted-operations.ts'
import { RateLimits } from './http/operation/rate-limits.ts'
import { readRegisteredDocuments } from './http/operation/registered-documents.ts'
import { tracedSchema } from './http/operation/traced-schema.ts'
import { createDevelopmentToken, createVerifyToken, rememberVerified } from './http/token.ts'
import type { Generator } from './providers/generator.ts'
import { schema } from './schema/schema.ts'
import { type Clock, systemClock } from './shared/clock.ts'
import type { Logger } from './shared/logger.ts'
import type { Metrics } from './shared/metrics.ts'
import type { SealingKeys } from './shared/sealing-keys.ts'
import type { Tracing } from './shared/tracing.ts'
import type { WorkerLink } from './workers/worker-link.ts'

/** A database that is there, or was started for this instance, which then stops it when all else is closed. */
export interface OpenDatabase {
  readonly url: string
  /** By whoever has opened it. */
  readonly migrated?: boolean
  stop?(): Promise<void>
}

export interface GatewayOptions {
  config: Config
  openDatabase: (signal: AbortSignal | undefined) => Promise<OpenDatabase>
  /** HS256; undefined where keys come from an address. */
  jwtSecret: string | undefined
  /** Seal the tokens of connected accounts. */
  sealingKeys: SealingKeys
  generator: Generator
  logger: Logger
  metrics: Metrics
  /** Undefined: spans are collected by nobody. */
  tracing?: Tracing | undefined
  clock?: Clock
  now?: () => Date
  /** This is one of several processes of an instance. */
  worker?: WorkerLink | undefined
  /** Ends a start that is still under way: it rejects with the signal's reason, and has closed what was open. */
  signal?: AbortSignal
}

export interface Gateway {
  readonly url: string
  /** Undefined in production, and where tokens are signed by somebody else. */
  readonly developmentToken: string | undefined
  /** Drains: takes no more requests, finishes those under way and the runs, hands over what takes too long. Idempotent. */
  close(): Promise<void>
}

/**
 * One instance, which listens before anything else. Several in one process share nothing but what their settings name. As one of
 * several workers it is a part of an instance: what health and metrics tell is of all of them.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const {
    config,
    logger,
    metrics,
    tracing,
    worker,
    signal,
    clock = systemClock,
    now = () => new Date(),
  } = options
  let phase: Phase = 'starting'
  const owners = new AsyncDisposableStack()
  const closeAll = () => owners.disposeAsync().catch(error => logger.error({ err: error }, 'closing failed'))
  try {
    const reports: Parameters<typeof listen>[0]['reports'] = {}
    const http: HttpServer = await listen({
      host: config.host,
      port: config.port,
      trustedProxies: config.trustedProxies,
      maxConnections: config.maxConnections,
      clientTimeoutMs: config.clientTimeoutMs,
      maxBodyBytes: config.maxBodyBytes,
      logger,
      tracing,
      phase: () => phase,
      reports,
      metrics: async () => ({
        contentType: metrics.registry.contentType,
        text: await (worker ?? metrics.registry).metrics(),
      }),
      instance: worker,
    })
    owners.defer(() => http.close(0))

    const database = await options.openDatabase(signal)
    owners.defer(() => database.stop?.())
    const shared = { config, generator: options.generator, logger, metrics, tracing, clock }
    const foundation = await openFoundation(
      { ...shared, databaseUrl: database.url, migrated: database.migrated ?? false, jobQueues, signal },
      owners,
    )
    const { db, coordination, jobs, redis } = foundation
    const { jwtSecret, sealingKeys } = options
    const { services, promptListener, recentWindowMs } = await startFeatures(
      foundation,
      { ...shared, jwtSecret, sealingKeys, now },
      owners,
    )
    reports['/api/health/coordination'] = () =>
      coordinationHealth(config.coordination, coordination, metrics, () => databaseAnswers(db))
    reports['/api/health/database-sync'] = () =>
      databaseSyncHealth({
        client: db,
        readListener: promptListener && (() => promptListener.figures()),
        interviewDeadlineMs: config.interviewEnhanceDeadlineMs,
      })
    worker?.gather(reports)
    reports['/api/health/recent-analysis'] = () => recentAnalysisHealth(db, recentWindowMs)

    const tokens = { ...config.jwt, secret: jwtSecret }
    const developmentToken =
      config.production || jwtSecret === undefined
        ? undefined
        : await createDevelopmentToken({ ...tokens, secret: jwtSecret })
    const { path } = config.persistedOperations
    const registered = path === undefined ? new Map<string, string>() : await readRegisteredDocuments(path)
    const rateLimits = new RateLimits({
      settings: config.rateLimits,
      redis,
      addTogether: worker && ((...what) => worker.addPoints(...what)),
      clock,
    })
    const runOperation = createRunOperation({
      schema: tracing ? tracedSchema(schema, tracing) : schema,
      services,
      verifyToken: rememberVerified(createVerifyToken(tokens)),
      limits: config.operationLimits,
      timeoutMs: config.operationTimeoutMs,
      persisted: new PersistedOperations({
        mode: config.persistedOperations.mode,
        registered,
        db,
        logger,
      }),
      rateLimits,
      subscriptionLimits: config.subscriptionLimits,
      introspection: !config.production || config.graphiql,
    })
    const { graphiql, corsOrigins, production, maxBodyBytes } = config
    await http.serve(
      createGraphqlServer({
        runOperation,
        checkAddress: client => rateLimits.checkAddress(client),
        graphiql,
        corsOrigins,
        production,
        maxBodyBytes,
        developmentToken,
        logger,
      }),
      runOperation,
      () => databaseAnswers(db),
    )
    signal?.throwIfAborted()
    coordination.resumeAbandoned()
    phase = 'ready'

    let closed: Promise<void> | undefined
    const close = async () => {
      phase = 'draining'
      coordination.leaveAbandoned()
      const deadlineMs = clock.nowMs() + config.shutdownTimeoutMs
      const leftMs = () => Math.max(0, deadlineMs - clock.nowMs())
      // Half the time for what is under way; what is left for handing over what takes longer, and to tell those who wait for it.
      const halfMs = config.shutdownTimeoutMs / 2
      const { runOnce } = coordination
      const jobsStopped = jobs.stop(halfMs)
      const listenerClosed = promptListener?.close()
      await http.drain(halfMs, () => runOnce.figures.flights > 0)
      await coordination.drain(Math.max(0, leftMs() - halfMs), halfMs)
      await jobsStopped
      await listenerClosed
      await http.close(leftMs())
      await closeAll()
    }
    return {
      url: http.url,
      developmentToken,
      close() {
        closed ??= close()
        return closed
      },
    }
  } catch (error) {
    phase = 'draining'
    await closeAll()
    throw error
  }
}
