import { announce } from './announce.ts'
import type { Config } from './config.ts'
import { startEmbeddedPostgres } from './database/embedded-postgres.ts'
import { type OpenDatabase, startGateway } from './gateway.ts'
import { keptSecret } from './http/kept-secret.ts'
import { loadSealingKeys } from './load-sealing-keys.ts'
import type { Generator } from './providers/generator.ts'
import { createRulesGenerator } from './providers/rules/rules-generator.ts'
import type { Logger } from './shared/logger.ts'
import { collectProcessMetrics, createMetrics, type Metrics } from './shared/metrics.ts'
import type { Tracing } from './shared/tracing.ts'
import { CLOSING_MS, SAME_KEYSTROKE_MS, watchForStop } from './watch-for-stop.ts'
import { WorkerLink } from './workers/worker-link.ts'

/**
 * A gateway for as long as the process is to live: alone, or as one of several workers, whose primary has the database and says
 * when they stop. @returns the exit code
 */
export async function runInstance(
  config: Config,
  logger: Logger,
  options: { asWorker: boolean; onLink: (link: WorkerLink) => void },
): Promise<number> {
  const { asWorker } = options
  const stop = watchForStop({
    logger,
    // A primary has the database to close after its workers.
    giveUpAfterMs: config.shutdownTimeoutMs + (asWorker ? CLOSING_MS / 2 : CLOSING_MS),
    heedAfterMs: asWorker ? SAME_KEYSTROKE_MS : 0,
  })
  // Loaded where spans are collected: its packages cost 50 ms and memory.
  const tracing =
    config.tracing && (await import('./shared/open-telemetry.ts')).startOpenTelemetry(config.tracing)
  const metrics = createMetrics()
  collectProcessMetrics(metrics)
  const worker = asWorker ? await WorkerLink.join(() => metrics.registry.getMetricsAsJSON()) : undefined
  if (worker) {
    options.onLink(worker)
    if (worker.stopping.aborted) stop.ask()
    worker.stopping.addEventListener('abort', stop.ask)
  }
  const secret =
    config.jwt.secret ?? (config.jwt.jwksUrl ? undefined : await keptSecret(config.dataDir, 'jwt-secret'))
  const gateway = await startGateway({
    config,
    openDatabase: signal =>
      worker
        ? worker.database(signal).then(url => ({ url, migrated: true }))
        : openDatabase(config, logger, signal),
    jwtSecret: secret,
    sealingKeys: await loadSealingKeys(config),
    generator: await createGenerator(config, logger, metrics, tracing),
    logger,
    metrics,
    tracing,
    worker,
    signal: stop.signal,
  }).catch(error => {
    if (error !== stop.signal.reason) throw error
  })
  if (gateway) {
    if (worker) await worker.ready(gateway)
    else announce(logger, config, gateway)
    if (!stop.signal.aborted) await new Promise(resolve => stop.signal.addEventListener('abort', resolve))
    if (worker && !process.connected) logger.warn('the primary process is gone: draining')
    else if (worker?.phase === 'ready') logger.info('draining; the other workers serve on')
    await gateway.close()
    await tracing?.close()
  }
  // Of several, the primary says it once.
  logger[asWorker ? 'debug' : 'info'](gateway ? 'drained' : 'stopped before it had started')
  return stop.exitCode
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
