import { Redis } from 'ioredis'
import { abortable } from '../shared/abort.ts'
import { backoffMs } from '../shared/backoff.ts'
import type { Logger } from '../shared/logger.ts'

/** What waits for longer than this goes on without Redis: it wakes and caches, and decides nothing. */
const COMMAND_TIMEOUT_MS = 1000
/** For the reader of a stream, whose reads wait for messages: above `STREAM_BLOCK_MS` and a slow answer. */
const STREAM_TIMEOUT_MS = 8000
/** How long a read of a stream waits for a message. */
export const STREAM_BLOCK_MS = 2000
const CONNECT_TIMEOUT_MS = 5000
const RECONNECT = { baseMs: 50, maxMs: 2000 }

/**
 * A connection that comes back on its own, without end, with growing waits. While it is away commands fail at once
 * instead of queueing up.
 */
export function connectRedis(
  url: string,
  options: { role: 'commands' | 'subscriber' | 'stream'; logger: Logger },
): Redis {
  const { role, logger } = options
  const redis = new Redis(url, {
    connectionName: `tributary-${role}`,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // A subscriber's first SUBSCRIBE may wait for the connection; nothing else may.
    ...(role !== 'subscriber' && {
      commandTimeout: role === 'stream' ? STREAM_TIMEOUT_MS : COMMAND_TIMEOUT_MS,
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

/** Waits for the connection. @throws when it is not there in time, or the signal's reason */
export async function untilReady(redis: Redis, timeoutMs: number, signal: AbortSignal): Promise<void> {
  if (redis.status === 'ready') return
  const ready = Promise.withResolvers<void>()
  const timer = setTimeout(() => ready.reject(new Error('Redis is away')), timeoutMs)
  redis.once('ready', ready.resolve)
  try {
    await abortable(ready.promise, signal)
  } finally {
    clearTimeout(timer)
    redis.off('ready', ready.resolve)
  }
}
