import { z } from 'zod'
import type { Locks } from '../../coordination/locks.ts'
import type { Queryable } from '../../database/client.ts'
import { type DocumentSearch, type SearchHitRow, searchCollection } from '../../database/collections.ts'
import type { VectorStore } from '../../database/document-vectors.ts'
import { searchByMeaning } from '../../database/fused-search.ts'
import { isDatabaseAway } from '../../database/postgres-errors.ts'
import type { Vector } from '../../providers/embedder.ts'
import type { Logger } from '../../shared/logger.ts'
import { type FieldIssue, fieldIssues, longText } from '../field-issues.ts'
import { CollectionName } from './document-form.ts'
import type { QueryVectors } from './query-vectors.ts'

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

export interface SearchCollectionOptions {
  db: Queryable
  locks: Pick<Locks, 'searches'>
  /** Absent: words alone rank. */
  vectors?: { store: VectorStore; queries: QueryVectors } | undefined
  logger: Logger
}

/**
 * The best documents of a collection, in its newest version, by their words and by their meaning where there are vectors.
 * Some searches of a collection at once; the others queue.
 */
export class SearchCollection {
  readonly #options: SearchCollectionOptions

  constructor(options: SearchCollectionOptions) {
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
    return { type: 'hits', hits: await this.find({ collection, query, limit: first }, signal) }
  }

  /** As `execute`, and throws the same, for a search that is no user's: what a prompt is built on. */
  async find(search: DocumentSearch, signal?: AbortSignal): Promise<SearchHitRow[]> {
    const { locks, vectors } = this.#options
    // Before a seat is taken: a slow server keeps nobody else from searching.
    const vector = await vectors?.queries.find(search.query, signal)
    const turn = { timeoutMs: TURN_TIMEOUT_MS, signal, operation: 'search' }
    return locks.searches.runRead(search.collection, turn, () => this.#search(search, vector))
  }

  async #search(search: DocumentSearch, vector: Vector | undefined): Promise<SearchHitRow[]> {
    const { db, vectors, logger } = this.#options
    if (!vectors || !vector) return searchCollection(db, search)
    const { store, queries } = vectors
    try {
      const strict = isStrict(search.query)
      return await searchByMeaning(db, store, { ...search, vector, model: queries.model, strict })
    } catch (error) {
      if (isDatabaseAway(error)) throw error
      // As when the extension is dropped under a gateway at work. A search has its words still.
      logger.warn({ err: error }, 'a search by meaning failed; it goes by words alone')
      return searchCollection(db, search)
    }
  }
}

/** Whoever writes a phrase or an exclusion says exactly what they want, and gets nothing that merely means the same. */
function isStrict(query: string): boolean {
  return query.includes('"') || /(^|\s)-\S/.test(query)
}

/** Something beside quotes, dashes and OR. */
function hasWord(query: string): boolean {
  return (query.match(/[\p{L}\p{N}]+/gu) ?? []).some(word => word.toLowerCase() !== 'or')
}
