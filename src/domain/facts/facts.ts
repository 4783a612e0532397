import { ChangeFeed, PAGE_SIZE } from '../../coordination/change-feed.ts'
import type { ChangeWakes } from '../../coordination/change-wakes.ts'
import type { DatabaseClient } from '../../database/client.ts'
import { FACT_TOPIC, findPromotionsAfter, type PromotionRow } from '../../database/facts.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { ContributeFact } from './contribute-fact.ts'

export interface FactsOptions {
  db: DatabaseClient
  transaction: RunTransaction
  changes: ChangeWakes
  promotionThreshold: number
  eventsCommitted: () => void
  clock: Clock
  logger: Logger
  metrics: Metrics
}

/** The keys of the feed: promotions of one category, or of all, by their position among all. */
export const promotionFeedKey = {
  ofAll: '',
  ofCategory: (category: string) => category,
} as const

export interface Facts {
  readonly contributeFact: ContributeFact
  readonly promotionFeed: ChangeFeed<PromotionRow>
  /** Ends every subscription. */
  close(): Promise<void>
}

/** The collective facts of an instance: contributions, and the feed of promotions made on whichever instance. */
export function startFacts(options: FactsOptions): Facts {
  const { db, changes, clock, logger } = options
  const promotionFeed = new ChangeFeed<PromotionRow>({
    name: 'promotions',
    read: requests =>
      findPromotionsAfter(
        db,
        requests.map(({ key, after }) => ({ category: key === promotionFeedKey.ofAll ? null : key, after })),
        PAGE_SIZE,
      ),
    cursorOf: row => row.position,
    clock,
    logger,
  })
  // Promotions are rare, and all followers read in one statement: nobody is worth telling apart.
  const wakeAll = () => promotionFeed.wakeAll()
  changes.listen(FACT_TOPIC, { wake: wakeAll, wakeAll })
  return {
    contributeFact: new ContributeFact(options),
    promotionFeed,
    close: async () => promotionFeed.close(),
  }
}
