import { failureOfConnection, ProviderFailure } from './provider-failure.ts'

/**
 * The bytes of a response as they come. Ends the connection when the reader stops early, and when the signal aborts,
 * whose reason is then thrown.
 */
export async function* receiveBody(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  const hangUp = () => void reader.cancel().catch(() => {})
  signal.addEventListener('abort', hangUp, { once: true })
  try {
    for (;;) {
      signal.throwIfAborted()
      const { done, value } = await reader.read().catch(error => {
        throw signal.aborted ? signal.reason : failureOfConnection(error, 'dropped')
      })
      // A cancelled read ends like a finished one.
      signal.throwIfAborted()
      if (done) return
      yield value
    }
  } finally {
    signal.removeEventListener('abort', hangUp)
    hangUp()
  }
}

/** @throws ProviderFailure when more bytes come, or a longer line */
export async function* bounded(
  chunks: AsyncIterable<Uint8Array>,
  most: { bytes: number; lineBytes: number },
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  let lineBytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    const lastLineEnd = chunk.lastIndexOf(LINE_FEED)
    lineBytes = lastLineEnd === -1 ? lineBytes + chunk.length : chunk.length - lastLineEnd - 1
    if (bytes > most.bytes || lineBytes > most.lineBytes) throw new ProviderFailure('oversized')
    yield chunk
  }
}

/** At most so many bytes, as text: those that come before the body ends, breaks off or is hung up on. */
export async function readStart(chunks: AsyncIterable<Uint8Array>, mostBytes: number): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of chunks) {
      parts.push(chunk.subarray(0, mostBytes - bytes))
      bytes += chunk.length
      if (bytes >= mostBytes) break
    }
  } catch {}
  return Buffer.concat(parts).toString('utf8')
}

/**
 * Looks at the first byte that is no blank, and hands all of them on.
 * @returns undefined as first where there is none
 */
export async function peek(chunks: AsyncGenerator<Uint8Array>): Promise<{
  first: number | undefined
  chunks: AsyncGenerator<Uint8Array>
}> {
  const seen: Uint8Array[] = []
  let first: number | undefined
  while (first === undefined) {
    const { done, value } = await chunks.next()
    if (done) break
    seen.push(value)
    first = value.find(byte => !BLANKS.has(byte))
  }
  return { first, chunks: oneAfterTheOther(seen, chunks) }
}

async function* oneAfterTheOther(
  seen: readonly Uint8Array[],
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* seen
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

const LINE_FEED = 0x0a
/** White space, and a byte order mark. */
const BLANKS = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf])
