import type { Queryable } from '../../database/client.ts'
import {
  claimVectors,
  completeVectors,
  copyVectors,
  deleteVectorsBefore,
  findPendingDocuments,
  findWindow,
  forgetDimensions,
  insertVectors,
  type NewVector,
  type PendingDocument,
  releaseVectors,
  type VectorClaim,
  type VectorStore,
} from '../../database/document-vectors.ts'
import { type Embedder, EmbeddingError } from '../../providers/embedder.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'

export interface EmbedDocumentsOptions {
  db: Queryable
  store: VectorStore
  embedder: Embedder
  clock: Clock
  logger: Logger
  metrics: Metrics
}

/** Documents that one statement looks at, whether they have their vectors or not: it reads and hashes their texts. */
const WINDOW = 500
/** Of one call: what servers take, and some hundred milliseconds' work of theirs. */
const BATCH = { documents: 32, characters: 100_000 }
/** A model reads some thousand words, and the beginning of a text says what it is about. */
const MAX_CHARACTERS = 8000
/** Where a text is too long even so, as one without spaces may be. */
const FEW_CHARACTERS = 1000
/** Longer than one call with all its tries; an instance that dies is replaced after that. */
const CLAIM_MS = 150_000
/** After a failure, which mostly is one of the server's and passes. */
const PAUSE_MS = 15_000
/** Other instances' ingestions, and those of the command line, are found after that. */
const POLL_MS = 5000
const DELETE_BATCH = 5000

/**
 * Gives documents their vectors, after the ingestion that brought them and out of its way: no lock is held and no
 * transaction open while the server is asked, and a server that is away costs an ingestion nothing. Until a document has
 * its vector, searches find it by its words. On every instance; one at a time is at a collection. A text that has a vector
 * already, under the same id, is not embedded again when the collection is replaced.
 */
export class EmbedDocuments {
  readonly #options: EmbedDocumentsOptions
  readonly #closed = new AbortController()
  #running: Promise<void> | undefined
  #again = false
  #failing = false
  #cancelTimer: (() => void) | undefined

  constructor(options: EmbedDocumentsOptions) {
    this.#options = options
  }

  /** An ingestion was committed, or may have been. */
  wake(): void {
    if (this.#closed.signal.aborted) return
    this.#again = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** What is under way is given up; another instance, or the next start, goes on with it. */
  async close(): Promise<void> {
    this.#closed.abort(new Error('the instance closes'))
    this.#cancelTimer?.()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options
    this.#cancelTimer?.()
    try {
      while (this.#again && !this.#closed.signal.aborted) {
        this.#again = false
        if (await this.#embedNext()) this.#again = true
      }
    } catch (error) {
      // Each poll would tell of it.
      if (!this.#closed.signal.aborted && !this.#failing)
        logger.warn({ err: error }, 'documents get no vectors for now; they are searched by their words')
      this.#failing = true
    }
    if (!this.#closed.signal.aborted) this.#cancelTimer = clock.setTimer(() => this.wake(), POLL_MS)
  }

  /** @returns whether there was a collection to work on. */
  async #embedNext(): Promise<boolean> {
    const { db, embedder, logger } = this.#options
    const claim = await claimVectors(db, { model: embedder.model, claimMs: CLAIM_MS })
    if (!claim) return false
    try {
      await this.#embedCollection(claim)
    } catch (error) {
      await releaseVectors(db, claim, this.#closed.signal.aborted ? 0 : PAUSE_MS).catch(() => {})
      throw error
    }
    if (this.#failing) logger.info('documents get their vectors again')
    this.#failing = false
    return true
  }

  async #embedCollection(claim: VectorClaim): Promise<void> {
    const { db } = this.#options
    // Of vectors that nothing can be compared with none is taken over.
    if (claim.dimensions === null) await this.#deleteVectors({ ...claim, edition: claim.edition + 1 })
    let after = ''
    for (;;) {
      const until = await findWindow(db, claim, { after, limit: WINDOW })
      if (until === undefined) break
      const page = await findPendingDocuments(db, claim, { after, until, characters: MAX_CHARACTERS })
      if (!(await this.#embedPage(claim, page))) return
      after = until
    }
    await this.#deleteVectors(claim)
    await completeVectors(db, claim)
  }

  async #deleteVectors({ collectionId, edition }: VectorClaim): Promise<void> {
    const { db } = this.#options
    for (let deleted = DELETE_BATCH; deleted === DELETE_BATCH; )
      deleted = await deleteVectorsBefore(db, { collectionId, edition, limit: DELETE_BATCH })
  }

  /** @returns false where the collection was replaced meanwhile, or somebody else has it. */
  async #embedPage(claim: VectorClaim, page: readonly PendingDocument[]): Promise<boolean> {
    const { db, metrics } = this.#options
    const known = page.filter(({ text }) => text === null)
    if (known.length > 0) {
      if (!(await copyVectors(db, claim, { documents: known, claimMs: CLAIM_MS }))) return false
      metrics.documentsEmbedded.inc({ outcome: 'reused' }, known.length)
    }
    for (const batch of batches(page)) if (!(await this.#embedBatch(claim, batch))) return false
    return true
  }

  async #embedBatch(claim: VectorClaim, batch: readonly TextDocument[]): Promise<boolean> {
    const { db, store, logger, metrics } = this.#options
    const vectors = await this.#vectorsOf(batch)
    if (await insertVectors(db, store, claim, { vectors, claimMs: CLAIM_MS })) {
      const refused = vectors.filter(({ vector }) => vector === null).length
      metrics.documentsEmbedded.inc({ outcome: 'embedded' }, vectors.length - refused)
      if (refused > 0) metrics.documentsEmbedded.inc({ outcome: 'refused' }, refused)
      return true
    }
    const dimensions = vectors.find(({ vector }) => vector)?.vector?.length
    if (dimensions !== undefined && (await forgetDimensions(db, claim, dimensions))) {
      logger.warn(
        { dimensions },
        'the model makes vectors of other dimensions than before; all are made anew',
      )
      throw new Error('the dimensions of the model have changed')
    }
    return false
  }

  /** All at once; where the server minds one of them, each alone, and at last only its beginning. */
  async #vectorsOf(batch: readonly TextDocument[]): Promise<NewVector[]> {
    const made = await this.#tryEmbed(batch.map(({ text }) => text))
    if (made) return batch.map((document, index) => toRow(document, made[index] ?? null))
    const rows: NewVector[] = []
    for (const document of batch) {
      const [vector = null] =
        (batch.length > 1 && (await this.#tryEmbed([document.text]))) ||
        (await this.#tryEmbed([document.text.slice(0, FEW_CHARACTERS)])) ||
        []
      rows.push(toRow(document, vector))
    }
    return rows
  }

  /** @returns undefined where the server minds the texts; throws where it fails. */
  async #tryEmbed(texts: readonly string[]) {
    try {
      return await this.#options.embedder.embedDocuments(texts, this.#closed.signal)
    } catch (error) {
      if (error instanceof EmbeddingError && error.rejected) return undefined
      throw error
    }
  }
}

type TextDocument = PendingDocument & { text: string }

const toRow = ({ documentId, textHash }: PendingDocument, vector: NewVector['vector']): NewVector => ({
  documentId,
  textHash,
  vector,
})

function* batches(page: readonly PendingDocument[]): Generator<TextDocument[]> {
  let batch: TextDocument[] = []
  let characters = 0
  for (const { text, ...document } of page) {
    if (text === null) continue
    batch.push({ ...document, text })
    characters += text.length
    if (batch.length < BATCH.documents && characters < BATCH.characters) continue
    yield batch
    batch = []
    characters = 0
  }
  if (batch.length > 0) yield batch
}
