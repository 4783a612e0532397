import type { Config } from './config.ts'
import { DEVELOPMENT_TOKEN, type Logger } from './shared/logger.ts'
import type { Started } from './workers/calls.ts'

/** The instance serves: what whoever has started it waits for, once. */
export function announce(logger: Logger, config: Config, { url, developmentToken }: Started): void {
  logger.info(`listening on ${url}`)
  if (config.graphiql) logger.info(`GraphiQL: ${url}/graphql`)
  if (developmentToken) logger.info(`${DEVELOPMENT_TOKEN}${developmentToken}`)
}
