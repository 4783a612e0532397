import { LRUCache } from 'lru-cache'
import type { Embedder, Vector } from '../../providers/embedder.ts'
import { abortable } from '../../shared/abort.ts'
import type { Clock } from '../../shared/clock.ts'

/** Some megabytes of vectors; people ask for the same again, page by page and all of them on the same day. */
const MAX_KEPT = 500
/** Since it was asked for, however often it is used: a server that has another model under the same name is heard by then. */
const KEPT_MS = 3_600_000
/** Calls of the server at once: beyond it searches go by words, and nobody waits in a queue that grows. */
const MAX_CALLS = 20

/** The vector of each query, asked for once: who asks for the same meanwhile shares the call. What failed is not kept. */
export class QueryVectors {
  readonly #embedder: Embedder
  readonly #vectorByText: LRUCache<string, Promise<Vector>>
  readonly #closed = new AbortController()
  #calls = 0

  constructor(embedder: Embedder, clock: Clock) {
    this.#embedder = embedder
    const perf = { now: () => clock.nowMs() }
    this.#vectorByText = new LRUCache({ max: MAX_KEPT, ttl: KEPT_MS, ttlResolution: 0, perf })
  }

  get model(): string {
    return this.#embedder.model
  }

  /** @returns undefined where there is none within a second or so. @throws the signal's reason when it aborts */
  async find(query: string, signal?: AbortSignal): Promise<Vector | undefined> {
    const text = meaningOf(query)
    if (text === '') return undefined
    const vector = this.#vectorByText.get(text) ?? this.#ask(text)
    if (!vector) return undefined
    const found = await abortable(
      // The embedder has told of it.
      vector.catch(() => undefined),
      signal,
    )
    return found
  }

  close(): void {
    this.#closed.abort(new Error('the instance closes'))
  }

  #ask(text: string): Promise<Vector> | undefined {
    if (this.#calls >= MAX_CALLS) return undefined
    this.#calls++
    // Of everybody who asks for the same: one that leaves ends it for nobody.
    const vector = this.#embedder.embedQuery(text, this.#closed.signal)
    this.#vectorByText.set(text, vector)
    const forget = () => {
      if (this.#vectorByText.peek(text) === vector) this.#vectorByText.delete(text)
    }
    vector.catch(forget).finally(() => this.#calls--)
    return vector
  }
}

/** What is left out says nothing of what is looked for, and quotes and `or` are no words. */
function meaningOf(query: string): string {
  return query
    .replaceAll(/(^|\s)-+("[^"]*"?|\S+)/g, ' ')
    .replaceAll(/"|(?<=^|\s)or(?=\s|$)/gi, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
}
