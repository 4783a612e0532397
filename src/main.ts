import { type Config, readConfig } from './config.ts'
import { startEmbeddedPostgres } from './database/embedded-postgres.ts'
import { explainFailure } from './explain-failure.ts'
import { startGateway } from './gateway.ts'
import { keptSecret } from './http/kept-secret.ts'
import { loadSealingKeys } from './load-sealing-keys.ts'
import type { Generator } from './providers/generator.ts'
import { createRulesGenerator } from './providers/rules/rules-generator.ts'
import { createLogger, type Logger } from './shared/logger.ts'
import { collectProcessMetrics, createMetrics, type Metrics } from './shared/metrics.ts'

let logger: Logger | undefined
try {
  await main()
} catch (error) {
  const known = explainFailure(error)
  if (known) process.stderr.write(`\n${known}\n\n`)
  else if (logger) logger.fatal({ err: error }, 'the gateway could not start')
  else console.error(error)
  process.exit(1)
}

async function main(): Promise<void> {
  const config = readConfig()
  logger = createLogger({ level: config.logLevel, format: config.logFormat })
  const log = logger
  const stopping = new AbortController()
  // SIGHUP: the terminal was closed.
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
  let asked = 0
  for (const signal of signals) {
    process.on(signal, () => {
      // Who asks twice does not want to wait.
      if (++asked > 1) process.exit(1)
      log.info(`${signal}: draining; once more ends at once`)
      stopping.abort()
    })
  }

  const metrics = createMetrics()
  collectProcessMetrics(metrics)
  const embedded = config.databaseUrl
    ? undefined
    : await startEmbeddedPostgres({ dataDir: config.dataDir, log: message => log.info(message) })
  try {
    const secret =
      config.jwt.secret ?? (config.jwt.jwksUrl ? undefined : await keptSecret(config.dataDir, 'jwt-secret'))
    const gateway = await startGateway({
      config,
      databaseUrl: config.databaseUrl ?? embedded?.url ?? '',
      jwtSecret: secret,
      sealingKeys: await loadSealingKeys(config),
      generator: await createGenerator(config, log, metrics),
      logger: log,
      metrics,
    })
    log.info(`listening on ${gateway.url}`)
    if (config.graphiql) log.info(`GraphiQL: ${gateway.url}/graphql`)
    if (gateway.developmentToken) log.info(`development token: ${gateway.developmentToken}`)
    if (!stopping.signal.aborted)
      await new Promise(resolve => stopping.signal.addEventListener('abort', resolve))
    await gateway.close()
    log.info('drained')
  } finally {
    await embedded?.stop()
  }
  process.exit(0)
}

async function createGenerator(config: Config, log: Logger, metrics: Metrics): Promise<Generator> {
  if (!config.openai) return createRulesGenerator()
  // Loaded where it is used: its client library costs 0.2 s and memory.
  const { createOpenAiGenerator } = await import('./providers/openai/openai-generator.ts')
  return createOpenAiGenerator({
    ...config.openai,
    callTimeoutMs: config.generationTimeoutMs,
    logger: log,
    onTokens: ({ kind, direction, tokens }) => metrics.providerTokens.inc({ kind, direction }, tokens),
    onRepair: ({ kind }) => metrics.providerRepairs.inc({ kind }),
    onBreakerChange: ({ kind, state }) => metrics.providerBreaker.set({ kind }, state === 'closed' ? 0 : 1),
  })
}
