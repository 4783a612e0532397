import type { Locks } from '../../coordination/locks.ts'
import type { Queryable } from '../../database/client.ts'
import { openVectorStore, type VectorStore } from '../../database/document-vectors.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { Embedder } from '../../providers/embedder.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { EmbedDocuments } from './embed-documents.ts'
import { IngestDocuments } from './ingest-documents.ts'
import { QueryVectors } from './query-vectors.ts'
import { SearchCollection } from './search-collection.ts'

export interface CollectionsOptions {
  db: Queryable
  transaction: RunTransaction
  locks: Locks
  /** Absent: collections are searched by words alone, and the database needs no extension. */
  embedder: Embedder | undefined
  ingestLockTimeoutMs: number
  clock: Clock
  logger: Logger
  metrics: Metrics
}

export interface Collections {
  readonly ingestDocuments: IngestDocuments
  readonly searchCollection: SearchCollection
  /** Gives up what is under way for the vectors. */
  close(): Promise<void>
}

/** The collections of an instance. Whatever keeps vectors from being made, it starts, and searches by words. */
export async function startCollections(options: CollectionsOptions): Promise<Collections> {
  const { db, transaction, locks, embedder, ingestLockTimeoutMs, clock, logger, metrics } = options
  const store = embedder && (await openStore(transaction, logger))
  const vectors = embedder && store && { store, embedder, queries: new QueryVectors(embedder, clock) }
  const embedDocuments = vectors && new EmbedDocuments({ db, ...vectors, clock, logger, metrics })
  embedDocuments?.wake()
  return {
    ingestDocuments: new IngestDocuments({
      transaction,
      locks,
      lockTimeoutMs: ingestLockTimeoutMs,
      ingested: () => embedDocuments?.wake(),
      clock,
      metrics,
    }),
    searchCollection: new SearchCollection({ db, locks, vectors, logger }),
    async close() {
      vectors?.queries.close()
      await embedDocuments?.close()
    },
  }
}

async function openStore(transaction: RunTransaction, logger: Logger): Promise<VectorStore | undefined> {
  const without = 'collections are searched by words alone'
  try {
    const outcome = await openVectorStore(transaction)
    if (outcome.type === 'open') return outcome.store
    logger.warn(`${without}: ${outcome.why}`)
  } catch (error) {
    logger.warn({ err: error }, `${without}: the vectors of the database could not be opened`)
  }
  return undefined
}
