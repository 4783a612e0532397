import { join } from 'node:path'
import type { Config } from './config.ts'
import { createCoordination } from './coordination/coordination.ts'
import { createJobs } from './coordination/jobs.ts'
import { OutboxRelay } from './coordination/outbox-relay.ts'
import { createDatabaseClient } from './database/client.ts'
import { migrate } from './database/migrate.ts'
import { createRunTransaction } from './database/transaction.ts'
import { ACCOUNT_SYNC_QUEUE, startAccounts } from './domain/accounts/accounts.ts'
import { createAnalysisPath } from './domain/analyses/analysis-path.ts'
import { RequestAnalysis } from './domain/analyses/request-analysis.ts'
import { IngestDocuments } from './domain/collections/ingest-documents.ts'
import { SearchCollection } from './domain/collections/search-collection.ts'
import { createConversations } from './domain/conversations/conversations.ts'
import { SendMessage } from './domain/conversations/send-message.ts'
import { startFacts } from './domain/facts/facts.ts'
import { INTERVIEW_PROMPT_QUEUE } from './domain/interviews/enhance-interview.ts'
import { findPassages } from './domain/interviews/find-passages.ts'
import { startInterviews } from './domain/interviews/interviews.ts'
import { learnLater, REMEMBER_QUEUE, startLearning } from './domain/memory/learn-from-replies.ts'
import { RememberExchange } from './domain/memory/remember-exchange.ts'
import { UserMemory } from './domain/memory/user-memory.ts'
import { RunConsistencyCheck } from './domain/operations/run-consistency-check.ts'
import { GeneratePlan } from './domain/plans/generate-plan.ts'
import { SIGN_IN_MAIL_QUEUE } from './domain/sign-in/parts.ts'
import { startSignIn } from './domain/sign-in/sign-in.ts'
import { createGraphqlServer } from './http/graphql-server.ts'
import {
  coordinationHealth,
  databaseAnswers,
  databaseSyncHealth,
  type Phase,
  recentAnalysisHealth,
} from './http/health.ts'
import { type HttpServer, listen } from './http/http-server.ts'
import { createDevelopmentToken, createSignAccessToken, createVerifyToken } from './http/token.ts'
import type { Generator } from './providers/generator.ts'
import { createFileMailer, createSmtpMailer } from './providers/mailer.ts'
import { createRulesMemory } from './providers/rules/memory/extract-facts.ts'
import { createStrava } from './providers/strava.ts'
import { createWakatime } from './providers/wakatime.ts'
import { connectRedis } from './redis/client.ts'
import { ConversationCache } from './redis/conversation-cache.ts'
import { appendEvents } from './redis/event-stream.ts'
import { HeldStream } from './redis/held-stream.ts'
import type { Services } from './schema/context.ts'
import { type Clock, systemClock } from './shared/clock.ts'
import type { Logger } from './shared/logger.ts'
import type { Metrics } from './shared/metrics.ts'
import type { SealingKeys } from './shared/sealing-keys.ts'
import { PromptListener } from './streams/prompt-listener.ts'

/** A database that is there, or was started for this instance, which then stops it when all else is closed. */
export interface OpenDatabase {
  readonly url: string
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
  clock?: Clock
  now?: () => Date
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

/** Of memory and documents a reply has more when it is made again than when nobody waits for it any more. */
const REPLY_READ_TIMEOUT_MS = 2000
const MS_PER_MINUTE = 60_000
/** Every queue of durable jobs, named by the use case that works on it. */
const jobQueues = [INTERVIEW_PROMPT_QUEUE, REMEMBER_QUEUE, SIGN_IN_MAIL_QUEUE, ACCOUNT_SYNC_QUEUE]

/** One instance, which listens before anything else. Several in one process share nothing but what their settings name. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, logger, metrics, signal, clock = systemClock, now = () => new Date() } = options
  let phase: Phase = 'starting'
  const owners: (() => Promise<void>)[] = []
  const closeAll = async () => {
    for (const close of owners.splice(0).reverse())
      await close().catch(error => logger.error({ err: error }, 'closing failed'))
  }
  try {
    const reports: Parameters<typeof listen>[0]['reports'] = {}
    const http: HttpServer = await listen({
      host: config.host,
      port: config.port,
      logger,
      phase: () => phase,
      reports,
      metrics: async () => ({
        contentType: metrics.registry.contentType,
        text: await metrics.registry.metrics(),
      }),
    })
    owners.push(() => http.close(0))

    const database = await options.openDatabase(signal)
    owners.push(async () => database.stop?.())
    const databaseUrl = database.url
    await migrate(databaseUrl, message => logger.info(message), { signal })
    const client = createDatabaseClient({
      url: databaseUrl,
      poolSize: config.databasePoolSize,
      lockTimeoutMs: config.lockTimeoutMs,
      logger,
      metrics,
    })
    owners.push(() => client.close())

    const transaction = createRunTransaction(client, { logger, metrics })
    const { generator } = options
    const longestGenerationMs =
      generator.longestGenerationMs?.(config.generationTimeoutMs) ?? config.generationTimeoutMs
    const coordination = await createCoordination({
      config: { ...config, generationTimeoutMs: longestGenerationMs },
      databaseUrl,
      client,
      transaction,
      clock,
      logger,
      metrics,
    })
    owners.push(() => coordination.close())
    const { runOnce, runWatch } = coordination
    const jobs = await createJobs({ client, queues: jobQueues, logger })
    owners.push(() => jobs.stop(0))
    const rules = {
      recentWindowMs: config.recentAnalysisMinutes * MS_PER_MINUTE,
      dataPointThreshold: config.dataPointThreshold,
    }
    const requestAnalysis = new RequestAnalysis({
      db: client,
      runOnce,
      generator,
      rules,
      logger,
      metrics,
    })
    const redis =
      config.redisUrl === undefined ? undefined : connectRedis(config.redisUrl, { role: 'commands', logger })
    owners.push(async () => redis?.disconnect())
    const outbox = new OutboxRelay({
      db: client,
      publish: redis && (events => appendEvents(redis, events)),
      clock,
      logger,
    })
    owners.push(() => outbox.close())
    outbox.wake()
    const eventsCommitted = () => outbox.wake()
    const generatePlan = new GeneratePlan({
      db: client,
      runOnce,
      generator,
      analyses: createAnalysisPath({ db: client, requestAnalysis, rules }),
      recentWindowMs: rules.recentWindowMs,
      eventsCommitted,
      logger,
      metrics,
    })
    const interviews = await startInterviews({
      db: client,
      transaction,
      runOnce,
      jobs,
      changes: coordination.changes,
      generator,
      findPassages: (collection, topic) => findPassages(client, collection, topic),
      deadlineMs: config.interviewEnhanceDeadlineMs,
      eventsCommitted,
      clock,
      logger,
      metrics,
    })
    owners.push(() => interviews.close())
    const promptListener =
      config.redisUrl === undefined
        ? undefined
        : new PromptListener({
            redisUrl: config.redisUrl,
            deliverPrompts: interviews.deliverPrompts,
            clock,
            logger,
            metrics,
          })
    promptListener?.start()
    owners.push(async () => promptListener?.close())
    const conversations = await createConversations({
      db: client,
      transaction,
      dataDir: config.dataDir,
      redis: redis && {
        cache: new ConversationCache(redis),
        heldStream: (identity, bounds) => new HeldStream(redis, identity, bounds),
      },
      clock,
      logger,
      metrics,
    })
    owners.push(() => conversations.close())
    const userMemory = new UserMemory({
      db: client,
      transaction,
      locks: coordination.locks,
      lockTimeoutMs: config.lockTimeoutMs,
      clock,
      metrics,
    })
    const rememberExchange = new RememberExchange({
      memory: userMemory,
      generator,
      plainGenerator: createRulesMemory(),
      generationTimeoutMs: longestGenerationMs,
      now,
      logger,
      metrics,
    })
    const sendMessage = new SendMessage({
      db: client,
      runOnce,
      writer: conversations.writer,
      recent: conversations.recent,
      generator,
      readFacts: userId => userMemory.read(userId),
      learnLater: (learning, exchange) => learnLater(jobs, learning, exchange),
      readTimeoutMs: REPLY_READ_TIMEOUT_MS,
      logger,
      metrics,
    })
    await startLearning({ db: client, jobs, rememberExchange })
    const tokens = { ...config.jwt, secret: options.jwtSecret }
    const signIn =
      tokens.secret === undefined
        ? undefined
        : await startSignIn({
            db: client,
            transaction,
            jobs,
            mailer: config.mailUrl
              ? createSmtpMailer(config.mailUrl)
              : createFileMailer(join(config.dataDir, 'mail')),
            signAccessToken: createSignAccessToken({ ...tokens, secret: tokens.secret }),
            clock,
            logger,
          })
    owners.push(async () => signIn?.close())
    const facts = startFacts({
      db: client,
      transaction,
      changes: coordination.changes,
      promotionThreshold: config.factPromotionThreshold,
      eventsCommitted,
      clock,
      logger,
      metrics,
    })
    owners.push(() => facts.close())
    const accounts = await startAccounts({
      db: client,
      transaction,
      jobs,
      keys: options.sealingKeys,
      providers: {
        STRAVA: createStrava(config.strava),
        WAKATIME: createWakatime({ ...config.wakatime, now }),
      },
      instance: () => coordination.instance,
      syncIntervalMs: config.accountSyncMinutes * MS_PER_MINUTE,
      now,
      clock,
      logger,
    })
    owners.push(() => accounts.close())
    const services: Services = {
      db: client,
      transaction,
      runOnce,
      runWatch,
      requestAnalysis,
      generatePlan,
      createInterview: interviews.createInterview,
      moveInterview: interviews.moveInterview,
      deliverPrompts: interviews.deliverPrompts,
      interviewFeed: interviews.feed,
      runConsistencyCheck: new RunConsistencyCheck({
        db: client,
        transaction,
        interviewDeadlineMs: config.interviewEnhanceDeadlineMs,
        eventsCommitted,
        now,
        metrics,
      }),
      sendMessage,
      userMemory,
      rememberExchange,
      sessionWriter: conversations.writer,
      recentMessages: conversations.recent,
      sealingKeys: options.sealingKeys,
      syncAccount: accounts.syncAccount,
      signIn,
      facts,
      ingestDocuments: new IngestDocuments({
        transaction,
        locks: coordination.locks,
        lockTimeoutMs: config.ingestLockTimeoutMs,
        clock,
        metrics,
      }),
      searchCollection: new SearchCollection({ db: client, locks: coordination.locks }),
      dataPointThreshold: config.dataPointThreshold,
      now,
      logger,
      metrics,
    }
    reports['/api/health/coordination'] = () => coordinationHealth(config.coordination, coordination, metrics)
    reports['/api/health/database-sync'] = () =>
      databaseSyncHealth({
        client,
        readListener: promptListener && (() => promptListener.figures()),
        interviewDeadlineMs: config.interviewEnhanceDeadlineMs,
      })
    reports['/api/health/recent-analysis'] = () => recentAnalysisHealth(client, rules.recentWindowMs)

    const developmentToken =
      config.production || options.jwtSecret === undefined
        ? undefined
        : await createDevelopmentToken({ ...tokens, secret: options.jwtSecret })
    http.serve(
      createGraphqlServer({
        services,
        verifyToken: createVerifyToken(tokens),
        graphiql: config.graphiql,
        corsOrigins: config.corsOrigins,
        production: config.production,
        developmentToken,
      }),
      () => databaseAnswers(client),
    )
    signal?.throwIfAborted()
    phase = 'ready'

    let closed: Promise<void> | undefined
    const close = async () => {
      phase = 'draining'
      const deadlineMs = clock.nowMs() + config.shutdownTimeoutMs
      const jobsStopped = jobs.stop(config.shutdownTimeoutMs / 2)
      await promptListener?.close()
      // Half the time for the runs, which answer the requests that wait for them; what is left for the requests.
      await coordination.drain(config.shutdownTimeoutMs / 2)
      await jobsStopped
      await http.close(Math.max(0, deadlineMs - clock.nowMs()))
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
