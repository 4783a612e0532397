import type { Redis } from 'ioredis'
import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible'
import { inTime } from '../shared/abort.ts'
import type { Clock } from '../shared/clock.ts'

/** What has been counted for a key in its window, these points included, and when the window ends. */
export interface Count {
  counted: number
  endsInMs: number
}

export interface PointCounter {
  /** Atomic. Never rejects, and takes no longer than a request should be held up by. */
  add(key: string, points: number): Promise<Count>
}

/** A Redis that needs longer is as good as none for a count that every request waits for. */
const ANSWER_MS = 500
/** So long after it has failed Redis is not asked again: few requests find out whether it is back. */
const LEFT_ALONE_MS = 5000

/**
 * Counts points in windows that begin with a key's first, for all instances together where there is a Redis. While it does
 * not answer, each instance counts for itself: a limit is then that of each instance, and nobody is kept waiting.
 * @param options.addTogether counts where there is no Redis, for all processes of this instance
 */
export function createPointCounter(options: {
  name: string
  windowMs: number
  redis: Redis | undefined
  addTogether?: PointCounter['add'] | undefined
  clock: Clock
}): PointCounter {
  const { name, windowMs, redis, clock } = options
  // It counts; what the limit is, whoever asks knows.
  const window = {
    keyPrefix: `tributary:rate:${name}`,
    duration: windowMs / 1000,
    points: Number.MAX_SAFE_INTEGER,
  }
  const own = new RateLimiterMemory(window)
  const inRedis =
    redis && new RateLimiterRedis({ ...window, storeClient: redis, rejectIfRedisNotReady: true })
  const addTogether = inRedis
    ? async (key: string, points: number) => toCount(await inRedis.penalty(key, points))
    : options.addTogether
  let askAgainAtMs = 0
  return {
    async add(key, points) {
      if (addTogether && clock.nowMs() >= askAgainAtMs) {
        try {
          return await inTime(addTogether(key, points), ANSWER_MS, () => {
            throw new Error('the count was not told in time')
          })
        } catch {
          askAgainAtMs = clock.nowMs() + LEFT_ALONE_MS
        }
      }
      return toCount(await own.penalty(key, points))
    },
  }
}

function toCount({ consumedPoints, msBeforeNext }: RateLimiterRes): Count {
  return { counted: consumedPoints, endsInMs: msBeforeNext }
}
