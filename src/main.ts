import { type Config, readConfig } from './config.ts'
import { startEmbeddedPostgres } from './database/embedded-postgres.ts'
import { explainFailure } from './explain-failure.ts'
import { type OpenDatabase, startGateway } from './gateway.ts'
import { keptSecret } from './http/kept-secret.ts'
import { loadSealingKeys } from './load-sealing-keys.ts'
import type { Generator } from './providers/generator.ts'
import { createRulesGenerator } from './providers/rules/rules-generator.ts'
import { createLogger, DEVELOPMENT_TOKEN, type Logger } from './shared/logger.ts'
import { collectProcessMetrics, createMetrics, type Metrics } from './shared/metrics.ts'
import type { Tracing } from './shared/tracing.ts'
import { watchForStop } from './watch-for-stop.ts'

/** What a drain may take beyond its time: to close connections, and to stop the embedded database. */
const CLOSING_MS = 10_000

let logger: Logger | undefined
let databaseUrl: string | undefined
try {
  await main()
} catch (error) {
  const known = explainFailure(error, databaseUrl)
  if (known) process.stderr.write(`\n${known}\n\n`)
  else if (logger) logger.fatal({ err: error }, 'the gateway could not start')
  else console.error(error)
  process.exit(1)
}

async function main(): Promise<void> {
  const config = readConfig()
  databaseUrl = config.databaseUrl
  logger = createLogger({ level: config.logLevel, format: config.logFormat })
  const log = logger
  const stop = watchForStop({ logger: log, giveUpAfterMs: config.shutdownTimeoutMs + CLOSING_MS })

  // Loaded where spans are collected: its packages cost 50 ms and memory.
  const tracing =
    config.tracing && (await import('./shared/open-telemetry.ts')).startOpenTelemetry(config.tracing)
  const metrics = createMetrics()
  collectProcessMetrics(metrics)
  const secret =
    config.jwt.secret ?? (config.jwt.jwksUrl ? undefined : await keptSecret(config.dataDir, 'jwt-secret'))
  const gateway = await startGateway({
    config,
    openDatabase: signal => openDatabase(config, log, signal),
    jwtSecret: secret,
    sealingKeys: await loadSealingKeys(config),
    generator: await createGenerator(config, log, metrics, tracing),
    logger: log,
    metrics,
    tracing,
    signal: stop.signal,
  }).catch(error => {
    if (error !== stop.signal.reason) throw error
  })
  if (gateway) {
    log.info(`listening on ${gateway.url}`)
    if (config.graphiql) log.info(`GraphiQL: ${gateway.url}/graphql`)
    if (gateway.developmentToken) log.info(`${DEVELOPMENT_TOKEN}${gateway.developmentToken}`)
    if (!stop.signal.aborted) await new Promise(resolve => stop.signal.addEventListener('abort', resolve))
    await gateway.close()
    await tracing?.close()
  }
  log.info(gateway ? 'drained' : 'stopped before it had started')
  process.exit(stop.exitCode)
}

async function openDatabase(config: Config, log: Logger, signal?: AbortSignal): Promise<OpenDatabase> {
  return config.databaseUrl === undefined
    ? startEmbeddedPostgres({ dataDir: config.dataDir, log: message => log.info(message), signal })
    : { url: config.databaseUrl }
}

async function createGenerator(
  config: Config,
  log: Logger,
  metrics: Metrics,
  tracing: Tracing | undefined,
): Promise<Generator> {
  if (!config.openai) return createRulesGenerator()
  // Loaded where it is used: its client library costs 0.2 s and memory.
  const { createOpenAiGenerator } = await import('./providers/openai/openai-generator.ts')
  return createOpenAiGenerator({
    ...config.openai,
    callTimeoutMs: config.generationTimeoutMs,
    logger: log,
    tracing,
    onTokens: ({ kind, direction, tokens }) => metrics.providerTokens.inc({ kind, direction }, tokens),
    onRepair: ({ kind }) => metrics.providerRepairs.inc({ kind }),
    onBreakerChange: ({ kind, state }) => metrics.providerBreaker.set({ kind }, state === 'closed' ? 0 : 1),
  })
}
