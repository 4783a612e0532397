import { LRUCache } from 'lru-cache'
import { storeAutomaticDocument, useAutomaticDocument } from '../../database/automatic-documents.ts'
import type { Queryable } from '../../database/client.ts'
import { inTime } from '../../shared/abort.ts'
import type { Logger } from '../../shared/logger.ts'
import type { OperationParams } from './operation-params.ts'
import { badRequest, Refused, refusal } from './refused.ts'
import { sha256 } from './registered-documents.ts'

/** `only`: nothing but registered documents is executed; `off`: nothing but what is sent whole. */
export type PersistedMode = 'allow' | 'only' | 'off'

/** The text to execute; `keep` stores it for the next time, once it has turned out to be worth it. */
export interface FoundDocument {
  readonly text: string
  keep?(): void
}

/** More than the operations of several frontends in several versions; the ones not used for longest make room. */
export const MAX_AUTOMATIC = 2000
/** Longer documents are executed, and sent whole each time: all that are kept are then 64 MB at most. */
export const MAX_AUTOMATIC_BYTES = 32 * 1024
/** A look-up that takes longer costs more than to send the document again. */
const LOOK_UP_MS = 1000

const SHA256 = /^[0-9a-f]{64}$/

/**
 * Finds the document that a client names by an id instead of sending it: one that the operator has registered, or one that a
 * client has sent before with its hash (Automatic Persisted Queries). Whatever is found goes the way of any other text.
 */
export class PersistedOperations {
  readonly #mode: PersistedMode
  readonly #registered: ReadonlyMap<string, string>
  readonly #registeredTexts: ReadonlySet<string>
  readonly #db: Queryable
  readonly #logger: Logger
  readonly #automatic = new LRUCache<string, string>({ max: MAX_AUTOMATIC })

  constructor(options: {
    mode: PersistedMode
    registered: ReadonlyMap<string, string>
    db: Queryable
    logger: Logger
  }) {
    this.#mode = options.mode
    this.#registered = options.registered
    this.#registeredTexts = new Set(options.registered.values())
    this.#db = options.db
    this.#logger = options.logger
  }

  /** @throws Refused */
  find(params: OperationParams): FoundDocument | Promise<FoundDocument> {
    const { query } = params
    const id = idOf(params)
    if (id === undefined) return this.#whole(query)
    const { documentId } = params
    const registered = this.#mode === 'off' ? undefined : this.#registered.get(id)
    if (query !== undefined && query !== '') {
      // An id that an operator has given says nothing of the text; a hash does.
      if (documentId === undefined && sha256(query) !== id && query !== registered)
        throw badRequest('extensions.persistedQuery.sha256Hash: expected the SHA-256 of the query')
      const found = this.#whole(query)
      if (this.#mode !== 'allow' || registered !== undefined || documentId !== undefined) return found
      return { ...found, keep: () => this.#keep(id, query) }
    }
    if (registered !== undefined) return { text: registered }
    const known = this.#mode === 'allow' ? this.#automatic.get(id) : undefined
    if (known !== undefined) return { text: known }
    if (this.#mode !== 'allow' || !SHA256.test(id)) throw notFound()
    return this.#lookUp(id)
  }

  #whole(query: string | undefined): FoundDocument {
    if (query === undefined) throw badRequest('query: expected the document to execute')
    if (this.#mode !== 'only' || this.#registeredTexts.has(query)) return { text: query }
    const message = 'Only registered operations are executed: send the id of one.'
    throw new Refused([refusal('PERSISTED_QUERY_ONLY', message, { status: 403, spec: true })])
  }

  async #lookUp(hash: string): Promise<FoundDocument> {
    const text = await inTime(useAutomaticDocument(this.#db, hash), LOOK_UP_MS, () => {
      throw new Error('the database did not answer')
    }).catch(error => {
      // Its client sends it whole, as for one that was never there.
      this.#logger.debug({ err: error }, 'an automatic document could not be looked up')
      return undefined
    })
    if (text === undefined) throw notFound()
    this.#automatic.set(hash, text)
    return { text }
  }

  #keep(hash: string, document: string): void {
    if (this.#automatic.has(hash) || Buffer.byteLength(document) > MAX_AUTOMATIC_BYTES) return
    this.#automatic.set(hash, document)
    // Nobody waits for it: until it is there, other instances ask for the document again.
    storeAutomaticDocument(this.#db, { hash, document, most: MAX_AUTOMATIC }).catch(error =>
      this.#logger.debug({ err: error }, 'an automatic document could not be kept'),
    )
  }
}

/** @throws Refused */
function idOf({ documentId, extensions }: OperationParams): string | undefined {
  if (documentId !== undefined) return documentId
  const persisted = extensions?.persistedQuery
  if (persisted == null) return undefined
  const { version, sha256Hash } = persisted as Record<string, unknown>
  if (version !== 1) throw badRequest('extensions.persistedQuery.version: expected 1')
  if (typeof sha256Hash !== 'string')
    throw badRequest('extensions.persistedQuery.sha256Hash: expected a string')
  return sha256Hash
}

/** In the words that clients look for: they then send the document. */
function notFound(): Refused {
  return new Refused([
    refusal('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound', { status: 404, spec: true }),
  ])
}
