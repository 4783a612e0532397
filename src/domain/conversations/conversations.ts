import { join } from 'node:path'
import { HeldJournal } from '../../coordination/held-journal.ts'
import { Holding } from '../../coordination/holding.ts'
import type { DatabaseClient } from '../../database/client.ts'
import { findDatabaseIdentity } from '../../database/conversations.ts'
import { sqlState } from '../../database/postgres-errors.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { ConversationCache } from '../../redis/conversation-cache.ts'
import type { HeldBounds, HeldStream } from '../../redis/held-stream.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { AppendSaves } from './append-saves.ts'
import { RecentMessages } from './recent-messages.ts'
import { SessionWriter } from './session-writer.ts'

/** What is held at most: by an instance, and by all of them together on Redis. Beyond it nothing more is accepted. */
export const HELD_BOUNDS: HeldBounds = { messages: 100_000, bytes: 64 * 1024 * 1024 }

export interface ConversationsOptions {
  db: DatabaseClient
  transaction: RunTransaction
  dataDir: string
  cache: ConversationCache
  /** Undefined without Redis. */
  heldStream: ((databaseIdentity: string, bounds: HeldBounds) => HeldStream) | undefined
  clock: Clock
  logger: Logger
  metrics: Metrics
}

export interface Conversations {
  readonly writer: SessionWriter
  readonly recent: RecentMessages
  close(): Promise<void>
}

/** Puts the parts together, and takes over what a process before this one has held. */
export async function createConversations(options: ConversationsOptions): Promise<Conversations> {
  const { db, transaction, cache, clock, logger, metrics } = options
  const recent = new RecentMessages({ db, cache, clock, logger, metrics })
  const identity = await findDatabaseIdentity(db)
  const holding = new Holding({
    // What is held is for one database, and several may have their gateways here.
    journal: new HeldJournal(join(options.dataDir, 'held', identity.replaceAll(/[^\w-]/g, '_'))),
    stream: options.heldStream?.(identity, HELD_BOUNDS),
    bounds: HELD_BOUNDS,
    save: (_key, payloads) => writer.saveHeld(payloads),
    // Data that PostgreSQL refuses now it refuses always.
    isHopeless: error => /^2[23]/.test(sqlState(error) ?? '') || error instanceof SyntaxError,
    clock,
    logger,
  })
  const appends = new AppendSaves({ transaction, recent })
  const writer = new SessionWriter({ db, appends, holding, logger })
  metrics.observeHeldMessages(() => holding.messages, { shared: options.heldStream !== undefined })
  await holding.start()
  return {
    writer,
    recent,
    async close() {
      recent.close()
      await holding.close()
    },
  }
}
