import { join } from 'node:path'
import type { DocumentSearch } from './database/collections.ts'
import { ACCOUNT_SYNC_QUEUE, startAccounts } from './domain/accounts/accounts.ts'
import { createAnalysisPath } from './domain/analyses/analysis-path.ts'
import { RequestAnalysis } from './domain/analyses/request-analysis.ts'
import { startCollections } from './domain/collections/collections.ts'
import { createConversations } from './domain/conversations/conversations.ts'
import { LocalConversationCache } from './domain/conversations/local-conversation-cache.ts'
import { SendMessage } from './domain/conversations/send-message.ts'
import { startFacts } from './domain/facts/facts.ts'
import { INTERVIEW_PROMPT_QUEUE } from './domain/interviews/enhance-interview.ts'
import { findPassages } from './domain/interviews/find-passages.ts'
import { startInterviews } from './domain/interviews/interviews.ts'
import { learnLater, REMEMBER_QUEUE, startLearning } from './domain/memory/learn-from-replies.ts'
import { RememberExchange } from './domain/memory/remember-exchange.ts'
import { UserMemory } from './domain/memory/user-memory.ts'
import { CLEARING_QUEUE, CONSISTENCY_QUEUE, startMaintenance } from './domain/operations/maintenance.ts'
import { RunConsistencyCheck } from './domain/operations/run-consistency-check.ts'
import { GeneratePlan } from './domain/plans/generate-plan.ts'
import { SIGN_IN_MAIL_QUEUE } from './domain/sign-in/parts.ts'
import { startSignIn } from './domain/sign-in/sign-in.ts'
import { createResolveUser } from './domain/users/resolve-user.ts'
import type { Foundation, FoundationOptions } from './foundation.ts'
import { createSignAccessToken } from './http/token.ts'
import type { Embedder } from './providers/embedder.ts'
import { createFileMailer, createSmtpMailer } from './providers/mailer.ts'
import { createRulesMemory } from './providers/rules/memory/extract-facts.ts'
import { createStrava } from './providers/strava.ts'
import { createWakatime } from './providers/wakatime.ts'
import { RedisConversationCache } from './redis/conversation-cache.ts'
import { HeldStream } from './redis/held-stream.ts'
import type { Services } from './schema/context.ts'
import { loadersOver } from './schema/loaders.ts'
import { createReads } from './schema/reads.ts'
import { FewAtOnce } from './shared/few-at-once.ts'
import type { SealingKeys } from './shared/sealing-keys.ts'
import { PromptListener } from './streams/prompt-listener.ts'

/** Of memory and documents a reply has more when it is made again than when nobody waits for it any more. */
const REPLY_READ_TIMEOUT_MS = 2000
const MS_PER_MINUTE = 60_000

/** Every queue of durable jobs, named by the use case that works on it. */
export const jobQueues = [
  INTERVIEW_PROMPT_QUEUE,
  REMEMBER_QUEUE,
  SIGN_IN_MAIL_QUEUE,
  ACCOUNT_SYNC_QUEUE,
  CLEARING_QUEUE,
  CONSISTENCY_QUEUE,
]

/** Of the connections a fifth: a run takes a dozen statements after its first, and they are what is to get through. */
export const startsAtOnce = (poolSize: number) => ({
  most: Math.max(1, Math.floor(poolSize / 5)),
  stalledMs: 1000,
  patienceMs: 20_000,
})

export interface FeaturesOptions
  extends Pick<FoundationOptions, 'config' | 'generator' | 'logger' | 'metrics' | 'tracing' | 'clock'> {
  /** Undefined where keys come from an address: users sign in elsewhere. */
  jwtSecret: string | undefined
  sealingKeys: SealingKeys
  now: () => Date
}

export interface Features {
  readonly services: Services
  /** Undefined without REDIS_URL. */
  readonly promptListener: PromptListener | undefined
  readonly recentWindowMs: number
}

/** Puts the use cases together and sets those to work that wait for nobody to ask; `owners` closes them in reverse. */
export async function startFeatures(
  foundation: Foundation,
  options: FeaturesOptions,
  owners: AsyncDisposableStack,
): Promise<Features> {
  const { db, transaction, coordination, jobs, redis, longestGenerationMs, eventsCommitted } = foundation
  const { config, generator, jwtSecret, sealingKeys, now, logger, metrics, tracing, clock } = options
  const { runOnce, runWatch } = coordination
  const rules = {
    recentWindowMs: config.recentAnalysisMinutes * MS_PER_MINUTE,
    dataPointThreshold: config.dataPointThreshold,
  }
  const starts = new FewAtOnce({ ...startsAtOnce(config.databasePoolSize), clock })
  const requestAnalysis = new RequestAnalysis({
    db,
    runOnce,
    generator,
    rules,
    starts,
    logger,
    metrics,
  })
  const generatePlan = new GeneratePlan({
    db,
    runOnce,
    generator,
    analyses: createAnalysisPath({ db, requestAnalysis, rules }),
    recentWindowMs: rules.recentWindowMs,
    starts,
    eventsCommitted,
    logger,
    metrics,
  })
  const collections = await startCollections({
    db,
    transaction,
    locks: coordination.locks,
    embedder: await createEmbedder(options),
    ingestLockTimeoutMs: config.ingestLockTimeoutMs,
    clock,
    logger,
    metrics,
  })
  owners.defer(() => collections.close())
  const searchForPrompt = (search: DocumentSearch) => collections.searchCollection.find(search)
  const interviews = await startInterviews({
    db,
    transaction,
    runOnce,
    jobs,
    changes: coordination.changes,
    generator,
    findPassages: (collection, topic) => findPassages(searchForPrompt, collection, topic),
    deadlineMs: config.interviewEnhanceDeadlineMs,
    eventsCommitted,
    clock,
    logger,
    metrics,
  })
  owners.defer(() => interviews.close())
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
  owners.defer(() => promptListener?.close())
  const conversationCache = redis ? new RedisConversationCache(redis) : new LocalConversationCache()
  const conversations = await createConversations({
    db,
    transaction,
    dataDir: config.dataDir,
    cache: conversationCache,
    heldStream: redis && ((identity, bounds) => new HeldStream(redis, identity, bounds)),
    clock,
    logger,
    metrics,
  })
  owners.defer(() => conversations.close())
  const userMemory = new UserMemory({
    db,
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
    db,
    runOnce,
    writer: conversations.writer,
    recent: conversations.recent,
    generator,
    readFacts: userId => userMemory.read(userId),
    findPassages: searchForPrompt,
    learnLater: (learning, exchange) => learnLater(jobs, learning, exchange),
    readTimeoutMs: REPLY_READ_TIMEOUT_MS,
    logger,
    metrics,
  })
  await startLearning({ db, jobs, rememberExchange })
  const tokens = { ...config.jwt, secret: jwtSecret }
  const signIn =
    tokens.secret === undefined
      ? undefined
      : await startSignIn({
          db,
          transaction,
          jobs,
          changes: coordination.changes,
          mailer: config.mailUrl
            ? createSmtpMailer(config.mailUrl)
            : createFileMailer(join(config.dataDir, 'mail')),
          signAccessToken: createSignAccessToken({ ...tokens, secret: tokens.secret }),
          clock,
          logger,
        })
  owners.defer(() => signIn?.close())
  const facts = startFacts({
    db,
    transaction,
    changes: coordination.changes,
    promotionThreshold: config.factPromotionThreshold,
    eventsCommitted,
    clock,
    logger,
    metrics,
  })
  owners.defer(() => facts.close())
  const accounts = await startAccounts({
    db,
    transaction,
    jobs,
    keys: sealingKeys,
    providers: {
      STRAVA: createStrava(config.strava),
      WAKATIME: createWakatime({ ...config.wakatime, now }),
    },
    instance: () => coordination.instance,
    syncIntervalMs: config.accountSyncMinutes * MS_PER_MINUTE,
    now,
    clock,
    logger,
    metrics,
  })
  owners.defer(() => accounts.close())
  const runConsistencyCheck = new RunConsistencyCheck({
    db,
    transaction,
    conversationCache,
    interviewDeadlineMs: config.interviewEnhanceDeadlineMs,
    eventsCommitted,
    now,
    metrics,
  })
  await startMaintenance({ db, jobs, runConsistencyCheck, logger, metrics })
  const services: Services = {
    db,
    resolveUser: createResolveUser({ db, metrics }),
    createLoaders: loadersOver(createReads({ db, runOnce, metrics, tracing }), tracing),
    transaction,
    runOnce,
    runWatch,
    requestAnalysis,
    generatePlan,
    createInterview: interviews.createInterview,
    moveInterview: interviews.moveInterview,
    deliverPrompts: interviews.deliverPrompts,
    interviewFeed: interviews.feed,
    runConsistencyCheck,
    sendMessage,
    userMemory,
    rememberExchange,
    sessionWriter: conversations.writer,
    recentMessages: conversations.recent,
    sealingKeys,
    syncAccount: accounts.syncAccount,
    signIn,
    sessionWatch: signIn?.sessionWatch,
    facts,
    ingestDocuments: collections.ingestDocuments,
    searchCollection: collections.searchCollection,
    dataPointThreshold: config.dataPointThreshold,
    now,
    logger,
    metrics,
    tracing,
  }
  return { services, promptListener, recentWindowMs: rules.recentWindowMs }
}

async function createEmbedder({ config, logger, metrics }: FeaturesOptions): Promise<Embedder | undefined> {
  if (!config.embeddings) return undefined
  // Loaded where it is used: its client library costs 0.2 s and memory.
  const { createOpenAiEmbedder } = await import('./providers/openai/openai-embedder.ts')
  return createOpenAiEmbedder({
    ...config.embeddings,
    logger,
    onTokens: ({ kind, tokens }) => metrics.providerTokens.inc({ kind, direction: 'input' }, tokens),
    onBreakerChange: ({ kind, state }) => metrics.providerBreaker.set({ kind }, state === 'closed' ? 0 : 1),
  })
}
