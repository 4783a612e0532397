import { z } from 'zod'
import type { Locks } from '../../coordination/locks.ts'
import type { Queryable } from '../../database/client.ts'
import { type SearchHitRow, searchCollection } from '../../database/collections.ts'
import { type FieldIssue, fieldIssues, longText } from '../field-issues.ts'
import { CollectionName } from './document-form.ts'

export interface SearchRequest {
  collection: string
  query: string
  /** Of hits. */
  first: number
  /** Aborts when the client leaves. */
  signal?: AbortSignal
}

export type SearchOutcome =
  | { type: 'hits'; hits: SearchHitRow[] }
  | { type: 'invalid-input'; issues: FieldIssue[] }

/** As many as the largest page of a list. */
const MAX_HITS = 100
/** How long a search waits for its turn; a user has given up by then. */
const TURN_TIMEOUT_MS = 5000

const Form = z.object({
  collection: CollectionName,
  query: longText({ min: 1, max: 1000 })
    .transform(query => query.normalize('NFC'))
    .refine(hasWord, 'expected a word to search for'),
  first: z
    .int(`expected 1 to ${MAX_HITS}`)
    .min(1, `expected 1 to ${MAX_HITS}`)
    .max(MAX_HITS, `expected 1 to ${MAX_HITS}`),
})

/** The best documents of a collection, in its newest version. Some searches of a collection at once; the others queue. */
export class SearchCollection {
  readonly #options: { db: Queryable; locks: Pick<Locks, 'searches'> }

  constructor(options: { db: Queryable; locks: Pick<Locks, 'searches'> }) {
    this.#options = options
  }

  /**
   * @throws {LockQueueFullError} when too many wait for the collection
   * @throws {LockTimeoutError} when its turn does not come
   */
  async execute(request: SearchRequest): Promise<SearchOutcome> {
    const { signal, ...input } = request
    const form = Form.safeParse(input)
    if (!form.success) return { type: 'invalid-input', issues: fieldIssues(form.error) }
    const { collection, query, first } = form.data
    const { db, locks } = this.#options
    const turn = { timeoutMs: TURN_TIMEOUT_MS, signal, operation: 'search' }
    const hits = await locks.searches.runRead(collection, turn, () =>
      searchCollection(db, { collection, query, limit: first }),
    )
    return { type: 'hits', hits }
  }
}

/** Something beside quotes, dashes and OR. */
function hasWord(query: string): boolean {
  return (query.match(/[\p{L}\p{N}]+/gu) ?? []).some(word => word.toLowerCase() !== 'or')
}
