import { Redis } from 'ioredis'
import { backoffMs } from '../shared/backoff.ts'
import type { Logger } from '../shared/logger.ts'

/** What waits for longer than this goes on without Redis: it wakes and caches, and decides nothing. */
const COMMAND_TIMEOUT_MS = 1000
const CONNECT_TIMEOUT_MS = 5000
const RECONNECT = { baseMs: 50, maxMs: 2000 }

/**
 * A connection that comes back on its own, without end, with growing waits. While it is away commands fail at once
 * instead of queueing up.
 */
export function connectRedis(
  url: string,
  options: { role: 'commands' | 'subscriber'; logger: Logger },
): Redis {
  const { role, logger } = options
  const redis = new Redis(url, {
    connectionName: `tributary-${role}`,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // A subscriber's first SUBSCRIBE may wait for the connection; nothing else may.
    ...(role === 'commands' && {
      commandTimeout: COMMAND_TIMEOUT_MS,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
    }),
    ...(role === 'subscriber' && { maxRetriesPerRequest: null }),
    retryStrategy: attempt => backoffMs(attempt, RECONNECT),
  })
  let away = false
  // Without a listener an error of the connection would be printed by the library; with each retry again.
  redis.on('error', error => {
    if (!away) logger.warn({ err: error, role }, 'Redis is away; the gateway goes on without it')
    away = true
  })
  redis.on('ready', () => {
    if (away) logger.info({ role }, 'Redis is back')
    away = false
  })
  return redis
}
