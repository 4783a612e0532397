import { z } from 'zod'
import { LockTimeoutError } from '../../coordination/lock-errors.ts'
import type { Locks } from '../../coordination/locks.ts'
import {
  boundLockWait,
  completeIngestion,
  deleteOtherEditions,
  type Edition,
  lockCollection,
  type NewDocument,
  upsertDocuments,
} from '../../database/collections.ts'
import { SQLSTATE, sqlState } from '../../database/postgres-errors.ts'
import type { RunTransaction, Transaction } from '../../database/transaction.ts'
import type { Clock } from '../../shared/clock.ts'
import type { JsonValue } from '../../shared/json.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { type FieldIssue, fieldIssues } from '../field-issues.ts'
import { CollectionName, DocumentForm } from './document-form.ts'
import { documentLanguage } from './document-language.ts'
import { PACE_OF_CALLS, PACE_OF_STREAMS, type Pace, paced } from './ingestion-pace.ts'

export interface IngestDocumentsRequest {
  collection: string
  documents: readonly { documentId: string; text: string; metadata: JsonValue }[]
  replace: boolean
  /** Aborts when the client leaves: it waits no longer then, and what has begun is finished. */
  signal?: AbortSignal
}

export interface StreamedIngestion {
  collection: string
  replace: boolean
  /** The documents, each documentId once. Read again from the start when the transaction is tried again. */
  read: () => AsyncIterable<DocumentForm>
  /** How many documents the database has taken; from 0 again when the transaction is tried again. */
  onProgress: (documents: number) => void
  /** Aborts to give it up: nothing of it is there then. */
  signal?: AbortSignal
}

interface Ingestion extends StreamedIngestion {
  pace: Pace
}

interface Ingested {
  type: 'ingested'
  ingested: number
  documentCount: number
  version: number
}
interface LockTimeout {
  type: 'lock-timeout'
  waitedMs: number
}
export type IngestDocumentsOutcome = Ingested | LockTimeout | { type: 'invalid-input'; issues: FieldIssue[] }

export interface IngestDocumentsOptions {
  transaction: RunTransaction
  locks: Pick<Locks, 'collections' | 'ingestions'>
  /** For all the locks of an ingestion together. */
  lockTimeoutMs: number
  /** Told after each ingestion that was committed. */
  ingested?: () => void
  clock: Clock
  metrics: Metrics
}

export const MAX_DOCUMENTS_PER_CALL = 10_000
/** Long texts are fewer of a statement. */
const BATCH_CHARACTERS = 100_000
/** Some ten milliseconds' work; each passes over what those before it have deleted. */
const DELETE_BATCH = 5000
/** Less than any statement may take: a long wait for a row is several short ones. */
const ROW_WAIT_MS = 2000
/** A call's documents are there at once; a file's are read meanwhile, and may be millions. */
const CALL_TIMEOUT_MS = 120_000
const STREAM_TIMEOUT_MS = 6 * 3_600_000

const Form = z
  .object({
    collection: CollectionName,
    documents: z
      .array(DocumentForm)
      .max(MAX_DOCUMENTS_PER_CALL, `expected at most ${MAX_DOCUMENTS_PER_CALL} documents in one call`),
    replace: z.boolean(),
  })
  .superRefine(({ documents, replace }, context) => {
    if (documents.length === 0 && !replace)
      context.addIssue({ code: 'custom', path: ['documents'], message: 'expected at least one document' })
    const indexById = new Map<string, number>()
    for (const [index, { documentId }] of documents.entries()) {
      const before = indexById.get(documentId)
      if (before === undefined) indexById.set(documentId, index)
      else
        context.addIssue({
          code: 'custom',
          path: ['documents', index, 'documentId'],
          message: `expected each documentId once; documents.${before} has it too`,
        })
    }
  })

/**
 * Puts documents into a collection: all of them with the next version, or none. One ingestion of a collection at a time,
 * on all instances: the row of the collection is locked until the transaction that holds all of it commits, so that an
 * instance that dies leaves nothing behind. Searches read their own snapshot and never wait for it.
 */
export class IngestDocuments {
  readonly #options: IngestDocumentsOptions

  constructor(options: IngestDocumentsOptions) {
    this.#options = options
  }

  /** @throws {LockQueueFullError} when too many wait for the collection */
  async execute(request: IngestDocumentsRequest): Promise<IngestDocumentsOutcome> {
    const { signal, ...input } = request
    if (input.documents.length > MAX_DOCUMENTS_PER_CALL) {
      const message = `expected at most ${MAX_DOCUMENTS_PER_CALL} documents in one call, got ${input.documents.length}`
      return { type: 'invalid-input', issues: [{ path: ['input', 'documents'], message }] }
    }
    const form = Form.safeParse(input)
    if (!form.success) return { type: 'invalid-input', issues: fieldIssues(form.error, ['input']) }
    const { collection, replace, documents } = form.data
    return this.#ingest(
      {
        collection,
        replace,
        read: async function* () {
          yield* documents
        },
        onProgress: () => {},
        pace: PACE_OF_CALLS,
      },
      { timeoutMs: CALL_TIMEOUT_MS, signal },
    )
  }

  /** For more documents than a call takes; they must fit the form already. */
  executeStream(ingestion: StreamedIngestion): Promise<Ingested | LockTimeout> {
    const { signal } = ingestion
    return this.#ingest({ ...ingestion, pace: PACE_OF_STREAMS }, { timeoutMs: STREAM_TIMEOUT_MS, signal })
  }

  async #ingest(
    ingestion: Ingestion,
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<Ingested | LockTimeout> {
    const { locks, lockTimeoutMs, clock, transaction, ingested = () => {}, metrics } = this.#options
    const { collection } = ingestion
    const startedAtMs = clock.nowMs()
    const waitedMs = () => Math.round(clock.nowMs() - startedAtMs)
    const wait = () => ({ timeoutMs: Math.max(0, lockTimeoutMs - waitedMs()), signal, operation: 'ingest' })
    try {
      // Here first: who waits in the database holds one of the pool's connections.
      using _turn = await locks.collections.acquire(collection, wait())
      using _seat = await locks.ingestions.acquireRead('', wait())
      return await transaction(
        'ingest-documents',
        async tx => {
          const current = await lockRow(tx, collection, () => lockTimeoutMs - waitedMs())
          tx.afterCommit(ingested)
          return store(tx, current, ingestion)
        },
        { timeoutMs: lockTimeoutMs + timeoutMs },
      )
    } catch (error) {
      if (!(error instanceof LockTimeoutError)) throw error
      // A collection's name is no user's: few, and chosen by operators.
      metrics.collectionLockTimeouts.inc({ collection_name: collection })
      return { type: 'lock-timeout', waitedMs: waitedMs() }
    }
  }
}

/** @throws {LockTimeoutError} when another instance's ingestion holds the collection until nothing is left of the time */
async function lockRow(tx: Transaction, collection: string, leftMs: () => number): Promise<Edition> {
  for (;;) {
    const waitMs = Math.min(leftMs(), ROW_WAIT_MS)
    let current: Edition | undefined
    await boundLockWait(tx, waitMs)
    const failure = await tx.savepoint(async () => {
      current = await lockCollection(tx, collection)
    })
    if (current) return current
    if (sqlState(failure?.error) !== SQLSTATE.lockNotAvailable) throw failure?.error
    if (leftMs() <= 0) throw new LockTimeoutError('collections', 'ingest', waitMs)
  }
}

/**
 * What replaces a collection is built as an edition beside the one that is searched: a search would otherwise look through
 * its rows, and through those that it replaced, only to find that they are not there for it.
 */
async function store(tx: Transaction, current: Edition, ingestion: Ingestion): Promise<Ingested> {
  const { replace, read, onProgress, pace, signal } = ingestion
  const target = replace ? { ...current, edition: current.edition + 1 } : current
  let ingested = 0
  onProgress(0)
  for await (const batch of batches(read(), pace.batchDocuments)) {
    signal?.throwIfAborted()
    await paced(tx, pace, () => upsertDocuments(tx, target, batch))
    ingested += batch.length
    onProgress(ingested)
  }
  for (let deleted = replace ? DELETE_BATCH : 0; deleted === DELETE_BATCH; )
    deleted = await paced(tx, pace, () => deleteOtherEditions(tx, target, DELETE_BATCH))
  signal?.throwIfAborted()
  return { type: 'ingested', ingested, ...(await completeIngestion(tx, target)) }
}

async function* batches(
  documents: AsyncIterable<DocumentForm>,
  count: number,
): AsyncGenerator<NewDocument[]> {
  let batch: NewDocument[] = []
  let characters = 0
  for await (const { documentId, text, metadata } of documents) {
    // Composed, so that the same word is the same lexeme however it was typed.
    const composed = text.normalize('NFC')
    batch.push({ documentId, text: composed, metadata, language: documentLanguage(composed) })
    characters += composed.length
    if (batch.length < count && characters < BATCH_CHARACTERS) continue
    yield batch
    batch = []
    characters = 0
  }
  if (batch.length > 0) yield batch
}
