import type { Queryable } from '../../database/client.ts'
import type { ConversationRow } from '../../database/conversations.ts'
import {
  findMessagePages,
  type MessagePageKey,
  type MessageRow,
  readConversationTail,
} from '../../database/messages.ts'
import {
  CACHED_MESSAGES,
  type CachedMessage,
  type ConversationCache,
} from '../../redis/conversation-cache.ts'
import { backoffMs } from '../../shared/backoff.ts'
import { Batcher } from '../../shared/batcher.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'

export interface RecentMessagesOptions {
  db: Queryable
  cache: ConversationCache
  clock: Clock
  logger: Logger
  metrics: Metrics
}

/** A message that was stored just now. */
interface FreshMessage {
  id: string
  seq: number
  role: MessageRow['role']
  content: string
  createdAt: Date
}

/** Conversations whose tails wait to be mended; of more than these a reader finds out by the version. */
const MAX_REPAIRS = 10_000
/** Of up to 101 messages each. */
const MAX_PAGES = 50
const RETRY = { baseMs: 200, maxMs: 5000 }

/**
 * The newest messages of conversations, in the database first and then in the cache. The database's row has the version;
 * a tail serves a reader only when it carries the same one, so whoever has saved reads what it saved, on every instance.
 * What could not be written to the cache is taken out of it, counted, and read anew from the database.
 */
export class RecentMessages {
  readonly #options: RecentMessagesOptions
  readonly #pages: Batcher<MessagePageKey, MessageRow[]>
  readonly #repairs = new Map<string, string>()
  #repairing = false
  #failures = 0
  #cancelTimer: (() => void) | undefined
  #closed = false

  constructor(options: RecentMessagesOptions) {
    this.#options = options
    this.#pages = new Batcher({
      load: keys => findMessagePages(options.db, keys),
      identify: ({ conversationId, afterSeq, limit }) => `${conversationId} ${afterSeq} ${limit}`,
      maxKeys: MAX_PAGES,
      onBatch: options.metrics.observeBatches('messagePage'),
    })
  }

  /** After the commit that led on from `conversation.version`. Never waited for, never rejects. */
  appended(
    conversation: { id: string; userId: string; version: number },
    messages: readonly FreshMessage[],
  ): void {
    const { cache } = this.#options
    const { id, userId, version } = conversation
    const cached = messages.map(message => ({
      id: message.id,
      seq: message.seq,
      role: message.role,
      content: message.content,
      createdAt: message.createdAt.toISOString(),
    }))
    cache.append(id, { before: version, after: version + 1 }, cached).then(
      outcome => {
        if (outcome === 'gap') this.#repairSoon(id, userId)
      },
      error => this.#failed(id, userId, error),
    )
  }

  /** Messages of the conversation as its row was read: oldest first, after `afterSeq`. */
  async page(
    conversation: Pick<ConversationRow, 'id' | 'userId' | 'version' | 'messageCount'>,
    afterSeq: number,
    limit: number,
  ): Promise<MessageRow[]> {
    return (
      (await this.#cachedPage(conversation, afterSeq, limit)) ??
      this.#pages.load({ conversationId: conversation.id, userId: conversation.userId, afterSeq, limit })
    )
  }

  close(): void {
    this.#closed = true
    this.#cancelTimer?.()
  }

  async #cachedPage(
    {
      id,
      userId,
      version,
      messageCount,
    }: Pick<ConversationRow, 'id' | 'userId' | 'version' | 'messageCount'>,
    afterSeq: number,
    limit: number,
  ): Promise<MessageRow[] | undefined> {
    const { cache } = this.#options
    // A page before the tail cannot come from it.
    if (messageCount === 0 || afterSeq < messageCount - CACHED_MESSAGES) return undefined
    const tail = await cache.read(id).catch(() => undefined)
    if (!tail || tail.version < version) {
      this.#repairSoon(id, userId)
      return undefined
    }
    // The row was read before somebody else appended.
    if (tail.version > version) return undefined
    const [first] = tail.messages
    const whole = tail.messages.every(({ seq }, index) => seq === (first?.seq ?? 0) + index)
    if (!first || !whole || tail.messages.at(-1)?.seq !== messageCount) {
      this.#failed(id, userId, new Error('a cached conversation was not what its version says'))
      return undefined
    }
    if (afterSeq < first.seq - 1) return undefined
    const from = afterSeq - first.seq + 1
    return tail.messages.slice(from, from + limit).map(message => rowOf(message, id, userId))
  }

  /** Of a conversation that is gone. Nobody would be shown what is left: only whoever has read its row is. */
  async forget(conversationId: string): Promise<void> {
    const { cache, logger } = this.#options
    await cache
      .invalidate(conversationId)
      .catch(error => logger.warn({ err: error }, 'the cache of a deleted conversation was not dropped'))
  }

  #failed(conversationId: string, userId: string, error: unknown): void {
    const { cache, metrics, logger } = this.#options
    metrics.cacheConsistencyErrors.inc()
    logger.warn({ err: error, conversation: conversationId }, 'the cache of a conversation was not written')
    cache.invalidate(conversationId).catch(() => {})
    this.#repairSoon(conversationId, userId)
  }

  #repairSoon(conversationId: string, userId: string): void {
    if (this.#closed || (this.#repairs.size >= MAX_REPAIRS && !this.#repairs.has(conversationId))) return
    this.#repairs.set(conversationId, userId)
    if (this.#failures === 0) void this.#repair()
  }

  /** One after the other: what is read here is never of use to somebody who waits. */
  async #repair(): Promise<void> {
    if (this.#repairing) return
    this.#repairing = true
    const { db, cache, clock } = this.#options
    try {
      for (const [conversationId, userId] of this.#repairs) {
        if (this.#closed) return
        // Out first: who changes it from here on asks again.
        this.#repairs.delete(conversationId)
        try {
          const tail = await readConversationTail(db, { conversationId, userId }, CACHED_MESSAGES)
          if (!tail) continue
          await cache.replace(conversationId, {
            version: tail.version,
            messages: tail.messages.map(cachedOf),
          })
        } catch (error) {
          this.#repairs.set(conversationId, userId)
          throw error
        }
      }
      this.#failures = 0
    } catch {
      this.#failures++
      this.#cancelTimer?.()
      this.#cancelTimer = clock.setTimer(() => void this.#repair(), backoffMs(this.#failures, RETRY))
    } finally {
      this.#repairing = false
    }
  }
}

function cachedOf({ id, seq, role, content, createdAt }: MessageRow): CachedMessage {
  return { id, seq, role, content, createdAt: createdAt.toISOString() }
}

function rowOf(message: CachedMessage, conversationId: string, userId: string): MessageRow {
  return {
    ...message,
    role: message.role as MessageRow['role'],
    conversationId,
    userId,
    createdAt: new Date(message.createdAt),
  }
}
