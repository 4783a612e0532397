import type { Redis } from 'ioredis'
import { Resting } from './resting.ts'

/** A message as it is cached. */
export interface CachedMessage {
  id: string
  seq: number
  role: string
  content: string
  /** ISO 8601 */
  createdAt: string
}

export interface CachedTail {
  version: number
  /** Oldest first, the newest of the conversation last. */
  messages: CachedMessage[]
}

/**
 * The newest messages of conversations. Each tail carries its conversation's version, which only grows: what is older than
 * what is cached is refused where it is kept, whoever comes in whatever order. A reader compares the version with the row's,
 * so that what nobody has told this cache of costs a read and nothing else.
 */
export interface ConversationCache {
  /** @returns undefined where nothing is cached. @throws where the cache does not answer. */
  read(conversationId: string): Promise<CachedTail | undefined>
  /**
   * What led from one version to the next. Version 0 is the empty conversation.
   * @returns `gap` where what is cached was not of the version before: it is not cached any more, and nor is this.
   */
  append(
    conversationId: string,
    versions: { before: number; after: number },
    messages: readonly CachedMessage[],
  ): Promise<'stored' | 'refused' | 'gap'>
  /** All of a tail as it stood at a version. */
  replace(conversationId: string, tail: CachedTail): Promise<'stored' | 'refused'>
  invalidate(conversationId: string): Promise<void>
  /** Conversations that are cached, in no order; at most so many. */
  find(limit: number): Promise<string[]>
}

/** As many as the largest page of a list. */
export const CACHED_MESSAGES = 100
/** A tail with longer texts than this is not worth its memory. */
export const MAX_TAIL_CHARACTERS = 262_144
export const CACHE_TTL_SECONDS = 3600
/** Keys that one step of a scan looks at. */
const SCAN_COUNT = 1000
/** The database answers in a fraction of it. */
const READ_WITHIN_MS = 200

/**
 * KEYS: version, messages. ARGV: the version before, the version after, how many to keep, ttl, then the messages.
 * A write that is not newer than what is there is refused; one that would leave a gap takes away what is there.
 */
const APPEND = `
local cached = tonumber(redis.call('GET', KEYS[1]))
local before, after = tonumber(ARGV[1]), tonumber(ARGV[2])
if cached and cached >= after then return 'refused' end
if cached ~= before and before ~= 0 then
  redis.call('DEL', KEYS[1], KEYS[2])
  return 'gap'
end
if not cached or cached ~= before then redis.call('DEL', KEYS[2]) end
for i = 5, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[3]), -1)
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 'stored'`

/** KEYS: version, messages. ARGV: the version, ttl, then the messages. */
const REPLACE = `
local cached = tonumber(redis.call('GET', KEYS[1]))
if cached and cached > tonumber(ARGV[1]) then return 'refused' end
redis.call('DEL', KEYS[2])
for i = 3, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 'stored'`

/** KEYS: version, messages. Both of one moment. */
const READ = `return { redis.call('GET', KEYS[1]), redis.call('LRANGE', KEYS[2], 0, -1) }`

interface Scripts {
  appendConversationTail(...values: (string | number)[]): Promise<'stored' | 'refused' | 'gap'>
  replaceConversationTail(...values: (string | number)[]): Promise<'stored' | 'refused'>
  readConversationTail(...values: (string | number)[]): Promise<[version: string | null, messages: string[]]>
}

/** One for all instances. */
export class RedisConversationCache implements ConversationCache {
  readonly #redis: Redis & Scripts
  readonly #reads = new Resting(READ_WITHIN_MS)

  constructor(redis: Redis) {
    redis.defineCommand('appendConversationTail', { numberOfKeys: 2, lua: APPEND })
    redis.defineCommand('replaceConversationTail', { numberOfKeys: 2, lua: REPLACE })
    redis.defineCommand('readConversationTail', { numberOfKeys: 2, lua: READ })
    this.#redis = redis as Redis & Scripts
  }

  async read(conversationId: string): Promise<CachedTail | undefined> {
    const [version, messages] = await this.#reads.ask(() =>
      this.#redis.readConversationTail(...keysOf(conversationId)),
    )
    if (version === null) return undefined
    return {
      version: Number(version),
      messages: messages.map(message => JSON.parse(message) as CachedMessage),
    }
  }

  async append(
    conversationId: string,
    versions: { before: number; after: number },
    messages: readonly CachedMessage[],
  ): Promise<'stored' | 'refused' | 'gap'> {
    const texts = messages.slice(-CACHED_MESSAGES).map(message => JSON.stringify(message))
    if (sizeOf(texts) > MAX_TAIL_CHARACTERS) {
      await this.invalidate(conversationId)
      return 'gap'
    }
    return this.#redis.appendConversationTail(
      ...keysOf(conversationId),
      versions.before,
      versions.after,
      CACHED_MESSAGES,
      CACHE_TTL_SECONDS,
      ...texts,
    )
  }

  async replace(conversationId: string, { version, messages }: CachedTail): Promise<'stored' | 'refused'> {
    const texts = messages.slice(-CACHED_MESSAGES).map(message => JSON.stringify(message))
    while (sizeOf(texts) > MAX_TAIL_CHARACTERS) texts.shift()
    return this.#redis.replaceConversationTail(
      ...keysOf(conversationId),
      version,
      CACHE_TTL_SECONDS,
      ...texts,
    )
  }

  async invalidate(conversationId: string): Promise<void> {
    await this.#redis.del(...keysOf(conversationId))
  }

  async find(limit: number): Promise<string[]> {
    const ids = new Set<string>()
    let cursor = '0'
    do {
      const [next, keys] = await this.#redis.scan(cursor, 'MATCH', VERSION_KEYS, 'COUNT', SCAN_COUNT)
      for (const key of keys) {
        const id = VERSION_KEY.exec(key)?.[1]
        if (id !== undefined) ids.add(id)
      }
      cursor = next
    } while (cursor !== '0' && ids.size < limit)
    return [...ids].slice(0, limit)
  }
}

const VERSION_KEYS = 'tributary:conversation:{*}:version'
const VERSION_KEY = /^tributary:conversation:\{(.+)\}:version$/

/** In one slot of a cluster. */
function keysOf(conversationId: string): [version: string, messages: string] {
  return [
    `tributary:conversation:{${conversationId}}:version`,
    `tributary:conversation:{${conversationId}}:messages`,
  ]
}

function sizeOf(texts: readonly string[]): number {
  return texts.reduce((size, text) => size + text.length, 0)
}
