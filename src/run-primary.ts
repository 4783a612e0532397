import { announce } from './announce.ts'
import type { Config } from './config.ts'
import { startEmbeddedPostgres } from './database/embedded-postgres.ts'
import { migrate } from './database/migrate.ts'
import { abortable } from './shared/abort.ts'
import type { Logger } from './shared/logger.ts'
import { CLOSING_MS, watchForStop } from './watch-for-stop.ts'
import { Workers } from './workers/workers.ts'

/**
 * The process that starts the workers of an instance, with the one database of theirs, and ends when all have. It serves nothing
 * itself. @returns the exit code. @throws what there is to say of an instance that cannot start or go on, once all is closed
 */
export async function runPrimary(config: Config, logger: Logger): Promise<number> {
  const stop = watchForStop({ logger, giveUpAfterMs: config.shutdownTimeoutMs + CLOSING_MS })
  const workers = new Workers({ count: config.workers, logger })
  // Whatever ends this process, nobody is left behind.
  process.on('exit', () => workers.kill())
  const ended = AbortSignal.any([stop.signal, workers.failure])
  workers.start()
  let database: { url: string; stop?(): Promise<void> } | undefined
  let started = false
  let failure: { error: unknown } | undefined
  try {
    // Workers listen meanwhile, so that a probe learns that the instance is starting.
    database =
      config.databaseUrl === undefined
        ? await startEmbeddedPostgres({
            dataDir: config.dataDir,
            log: message => logger.info(message),
            signal: ended,
          })
        : { url: config.databaseUrl }
    await migrate(database.url, message => logger.info(message), { signal: ended })
    workers.useDatabase(database.url)
    announce(logger, config, await abortable(workers.started, ended))
    started = true
    await abortable(new Promise<never>(() => {}), ended)
  } catch (error) {
    if (workers.failure.aborted) failure = { error: workers.failure.reason }
    else if (!stop.signal.aborted) failure = { error }
  }
  stop.ask()
  const inOrder = await workers.stop()
  await database?.stop?.()
  if (failure) throw failure.error
  logger.info(started ? 'drained' : 'stopped before it had started')
  return inOrder ? stop.exitCode : 1
}
