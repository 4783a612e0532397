import { z } from 'zod'
import { GroupCommit } from '../../coordination/group-commit.ts'
import type { Queryable } from '../../database/client.ts'
import {
  type Contribution,
  type CountedFact,
  countSources,
  type FactRow,
  findFactCategories,
  insertPromotions,
  lockFacts,
  type NewFact,
} from '../../database/facts.ts'
import { isDatabaseAway, SQLSTATE, sqlState } from '../../database/postgres-errors.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import { countCharacters } from '../../shared/characters.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { SharedRead } from '../../shared/shared-read.ts'
import { type FieldIssue, fieldIssues } from '../field-issues.ts'
import { factHash, normaliseFact } from './normalise-fact.ts'

export interface ContributionRequest {
  userId: string
  content: string
  category: string
  /** Aborts when the client leaves. */
  signal?: AbortSignal
}

export type ContributeFactOutcome =
  | { type: 'contributed'; fact: FactRow; counted: boolean; promotedNow: boolean }
  | { type: 'invalid-input'; issues: FieldIssue[] }

export interface ContributeFactOptions {
  db: Queryable
  transaction: RunTransaction
  promotionThreshold: number
  eventsCommitted: () => void
  clock: Clock
  metrics: Metrics
}

const MAX_CHARACTERS = 10_000
/** Beyond this not even the white space is looked at. */
const MAX_RAW_CHARACTERS = 100_000
/** Something to be seen: neither white space nor formatting alone. */
const VISIBLE = /[^\p{Z}\p{C}]/u
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u

const expectedLength = `expected 1 to ${MAX_CHARACTERS} characters`
const Content = z
  .string()
  .max(MAX_RAW_CHARACTERS, expectedLength)
  .transform(normaliseFact)
  .pipe(
    z
      .string()
      .refine(text => countCharacters(text, MAX_CHARACTERS) <= MAX_CHARACTERS, expectedLength)
      .refine(text => VISIBLE.test(text), expectedLength)
      .refine(text => !UNPRINTABLE.test(text), 'expected text without control characters'),
  )

/** What one transaction takes: a few statements of some hundred kilobytes at most. */
const MAX_BATCH = 100
/** Twenty transactions' worth: beyond that, waiting longer helps nobody. */
const MAX_QUEUED = 2000
/**
 * Transactions under way at once. With more of them fewer contributions gather in each: on two cores and 1,000 facts four
 * gave two thirds of what two gave. With one alone, a fact that another instance holds would stop all others.
 */
const LANES = 2
/**
 * A category that was there is taken to be there still: it would else be read for each contribution. One that is not known is
 * looked for at once, and a new fact needs its category's row whatever is known here.
 */
const CATEGORIES_KNOWN_MS = 10_000

interface Member extends NewFact {
  userId: string
}
type Contributed = Extract<ContributeFactOutcome, { type: 'contributed' }>

/**
 * Counts a user's contribution of a fact, once, and promotes the fact when enough users have contributed it. What waits on
 * one instance is committed together, contributions of one fact and of several: they would otherwise wait for each
 * other's lock, one transaction each. Facts have their lane by their hash, so that those of one fact meet.
 */
export class ContributeFact {
  readonly #options: ContributeFactOptions
  readonly #categories = new SharedRead<string[]>()
  #known = { categories: new Set<string>(), untilMs: 0 }
  readonly #group: GroupCommit<number, Member, Contributed>

  constructor(options: ContributeFactOptions) {
    this.#options = options
    this.#group = new GroupCommit({
      name: 'contribute-fact',
      maxBatch: MAX_BATCH,
      maxQueued: MAX_QUEUED,
      gathersTurn: true,
      commit: (_lane, members) => this.#commit(members),
      // A row that somebody holds for too long counts as away, and is the fault of one fact alone.
      isOfOneItem: error => sqlState(error) === SQLSTATE.lockNotAvailable || !isDatabaseAway(error),
    })
  }

  /** Contributions that wait for their transaction. */
  get waiting(): number {
    return this.#group.queueLength
  }

  /** @throws {GroupCommitFullError} when too many wait already */
  async execute(request: ContributionRequest): Promise<ContributeFactOutcome> {
    const { userId, category, signal } = request
    const content = Content.safeParse(request.content)
    const issues = content.success ? [] : fieldIssues(content.error, ['input', 'content'])
    const unknown = this.#isKnown(category) ? undefined : await this.#issueWith(category)
    if (unknown) issues.push(unknown)
    if (!content.success || issues.length > 0) return { type: 'invalid-input', issues }
    const hash = factHash(content.data)
    const lane = Number.parseInt(hash.slice(0, 8), 16) % LANES
    try {
      return await this.#group.submit(lane, { userId, hash, content: content.data, category }, { signal })
    } catch (error) {
      if (sqlState(error) !== SQLSTATE.foreignKeyViolation) throw error
      const gone = await this.#issueWith(category)
      if (!gone) throw error
      return { type: 'invalid-input', issues: [gone] }
    }
  }

  #isKnown(category: string): boolean {
    const { categories, untilMs } = this.#known
    return categories.has(category) && this.#options.clock.nowMs() < untilMs
  }

  /** As the table has it. */
  async #issueWith(category: string): Promise<FieldIssue | undefined> {
    const { db, clock } = this.#options
    const names = await this.#categories.read('', () => findFactCategories(db))
    this.#known = { categories: new Set(names), untilMs: clock.nowMs() + CATEGORIES_KNOWN_MS }
    if (names.includes(category)) return undefined
    return { path: ['input', 'category'], message: `expected one of ${names.join(', ')}` }
  }

  /** All of the members in one transaction. A contribution that is made again is found to be there. */
  async #commit(members: readonly Member[]): Promise<Contributed[]> {
    const { transaction, promotionThreshold, eventsCommitted, metrics } = this.#options
    const factByHash = new Map<string, NewFact>()
    for (const { hash, content, category } of members)
      if (!factByHash.has(hash)) factByHash.set(hash, { hash, content, category })
    return transaction('contribute-facts', async tx => {
      const idByHash = await lockFacts(tx, [...factByHash.values()])
      const contributions = members.map(({ hash, userId }) => ({ factId: idByHash.get(hash) ?? '', userId }))
      const facts = await countSources(tx, contributions, promotionThreshold)
      const promoted = facts.filter(fact => fact.promotedNow).map(fact => fact.id)
      if (promoted.length > 0) {
        await insertPromotions(tx, promoted)
        tx.afterCommit(() => {
          metrics.factsPromoted.inc(promoted.length)
          eventsCommitted()
        })
      }
      return tellEach(contributions, facts, promotionThreshold)
    })
  }
}

/** What became of each contribution: of a user's several the first was counted, and the one that reached the threshold promoted. */
function tellEach(
  contributions: readonly Contribution[],
  facts: readonly CountedFact[],
  threshold: number,
): Contributed[] {
  const progressById = new Map(
    facts.map(({ countedUserIds, promotedNow, ...fact }) => {
      const before = fact.sourceCount - countedUserIds.length
      // The threshold may have been lowered since the last contribution; then the first one promotes.
      const promotingCount = promotedNow ? Math.max(threshold, before + 1) : undefined
      return [fact.id, { fact, uncounted: new Set(countedUserIds), count: before, promotingCount }]
    }),
  )
  return contributions.map(({ factId, userId }) => {
    const progress = progressById.get(factId)
    if (!progress) throw new Error('a contribution was not answered')
    const counted = progress.uncounted.delete(userId)
    if (counted) progress.count++
    const promotedNow = counted && progress.count === progress.promotingCount
    return { type: 'contributed', fact: progress.fact, counted, promotedNow }
  })
}
