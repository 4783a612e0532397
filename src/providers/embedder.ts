/** What makes texts comparable by their meaning: the nearer two vectors, the nearer what they say. */
export interface Embedder {
  /** Vectors of two models are never compared. */
  readonly model: string
  /** Of documents, whom nobody waits for. @throws EmbeddingError, or the signal's reason */
  embedDocuments(texts: readonly string[], signal: AbortSignal): Promise<Vector[]>
  /** Of a query, whose user waits: one try, within a second or so. @throws EmbeddingError, or the signal's reason */
  embedQuery(text: string, signal: AbortSignal): Promise<Vector>
}

/** Finite numbers, of one model always as many. */
export type Vector = readonly number[]

export class EmbeddingError extends Error {
  override readonly name = 'EmbeddingError'
  /** The server minds what was sent, which would bring nothing if it were sent again: too long, as a rule. */
  readonly rejected: boolean

  constructor(options: { rejected: boolean; cause: unknown }) {
    super(options.rejected ? 'a text was rejected by the embeddings server' : 'texts got no vectors', {
      cause: options.cause,
    })
    this.rejected = options.rejected
  }
}
