import cluster from 'node:cluster'
import { readConfig } from './config.ts'
import { createLogger, type Logger } from './shared/logger.ts'

/*
 * One process is an instance, unless WORKERS asks for several: then this one starts the others, each of which runs this file
 * again. What each needs is loaded when it is known which one it is: a primary has no use for a gateway.
 */

let logger: Logger | undefined
let databaseUrl: string | undefined
/** Tells a primary instead of a terminal. */
let tellPrimary: ((sentence: string) => Promise<void>) | undefined
try {
  const config = readConfig()
  databaseUrl = config.databaseUrl
  const several = config.workers > 1
  const worker = several ? cluster.worker : undefined
  logger = createLogger({
    level: config.logLevel,
    format: config.logFormat,
    name: worker && `worker ${worker.id}`,
  })
  if (several && !worker) {
    const { runPrimary } = await import('./run-primary.ts')
    process.exit(await runPrimary(config, logger))
  }
  const { runInstance } = await import('./run-instance.ts')
  process.exit(
    await runInstance(config, logger, {
      asWorker: several,
      onLink: link => {
        tellPrimary = sentence => link.fail(sentence)
      },
    }),
  )
} catch (error) {
  const { explainFailure } = await import('./explain-failure.ts')
  const known = explainFailure(error, databaseUrl)
  if (known && tellPrimary) await tellPrimary(known)
  else if (known) process.stderr.write(`\n${known}\n\n`)
  else if (logger) logger.fatal({ err: error }, 'the gateway could not start')
  else console.error(error)
  process.exit(1)
}
