import { LRUCache } from 'lru-cache'
import {
  CACHE_TTL_SECONDS,
  CACHED_MESSAGES,
  type CachedMessage,
  type CachedTail,
  type ConversationCache,
  MAX_TAIL_CHARACTERS,
} from '../../redis/conversation-cache.ts'

/** Of all tails together, two bytes a character at most; those that nobody has read for longest make way. */
const MAX_CHARACTERS = 16 * 1024 * 1024

/**
 * Within this process, where there is no Redis. Another instance's appends leave what is here behind the row's version: it
 * serves nobody then, and is read anew.
 */
export class LocalConversationCache implements ConversationCache {
  readonly #tails = new LRUCache<string, CachedTail>({
    maxSize: MAX_CHARACTERS,
    sizeCalculation: ({ messages }) => Math.max(1, sizeOf(messages)),
    ttl: CACHE_TTL_SECONDS * 1000,
  })

  async read(conversationId: string): Promise<CachedTail | undefined> {
    return this.#tails.get(conversationId)
  }

  async append(
    conversationId: string,
    { before, after }: { before: number; after: number },
    messages: readonly CachedMessage[],
  ): Promise<'stored' | 'refused' | 'gap'> {
    const cached = this.#tails.get(conversationId)
    if (cached && cached.version >= after) return 'refused'
    const grown = [...(cached?.messages ?? []), ...messages].slice(-CACHED_MESSAGES)
    if ((cached?.version ?? 0) !== before || sizeOf(grown) > MAX_TAIL_CHARACTERS) {
      this.#tails.delete(conversationId)
      return 'gap'
    }
    this.#tails.set(conversationId, { version: after, messages: grown })
    return 'stored'
  }

  async replace(conversationId: string, { version, messages }: CachedTail): Promise<'stored' | 'refused'> {
    if ((this.#tails.get(conversationId)?.version ?? 0) > version) return 'refused'
    const newest = messages.slice(-CACHED_MESSAGES)
    while (sizeOf(newest) > MAX_TAIL_CHARACTERS) newest.shift()
    this.#tails.set(conversationId, { version, messages: newest })
    return 'stored'
  }

  async invalidate(conversationId: string): Promise<void> {
    this.#tails.delete(conversationId)
  }

  async find(limit: number): Promise<string[]> {
    return [...this.#tails.keys()].slice(0, limit)
  }
}

/** Roughly what they take as JSON. */
function sizeOf(messages: readonly CachedMessage[]): number {
  return messages.reduce((size, { content }) => size + content.length + 120, 0)
}
