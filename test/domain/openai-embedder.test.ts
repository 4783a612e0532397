import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { EmbeddingError } from '../../src/providers/embedder.ts'
import {
  createOpenAiEmbedder,
  type OpenAiEmbedderOptions,
} from '../../src/providers/openai/openai-embedder.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { runInTransactionScope } from '../../src/shared/transaction-scope.ts'
import { startFakeEmbeddings } from '../support/fake-embeddings-server.ts'

async function scene(options: Partial<OpenAiEmbedderOptions> = {}) {
  const server = await startFakeEmbeddings()
  onTestFinished(() => server.close())
  const log = new PassThrough()
  let logged = ''
  log.on('data', chunk => {
    logged += chunk
  })
  const tokens: number[] = []
  const quick = { baseMs: 1, maxMs: 2 }
  const embedder = createOpenAiEmbedder({
    baseUrl: server.url,
    apiKey: 'the-key',
    model: 'a-model',
    logger: createLogger({ level: 'debug', format: 'json', destination: log }),
    onTokens: count => tokens.push(count.tokens),
    policies: { DOCUMENT_EMBEDDING: quick },
    ...options,
  })
  const signal = new AbortController().signal
  return {
    server,
    embedder,
    tokens,
    logged: () => logged,
    documents: (...texts: string[]) => embedder.embedDocuments(texts, signal),
    query: (text: string) => embedder.embedQuery(text, signal),
  }
}
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: unknown) => error,
  )

test('each text gets its own vector, in whatever order they come', async () => {
  const { server, documents, tokens } = await scene()
  const texts = ['soup', 'sleep', 'bread']
  expect(await documents(...texts)).toEqual(texts.map(text => server.vectorOf(text)))
  expect(tokens).toEqual([3])
  expect(server.calls[0]).toMatchObject({ model: 'a-model', input: texts })
})

test('a server without keys is sent none', async () => {
  const { server, query } = await scene({ apiKey: undefined })
  await query('soup')
  expect(server.calls[0]?.headers.authorization).toBeUndefined()
})

test('a call that failed for a moment is made again for documents, and not for a query', async () => {
  const { server, documents, query } = await scene()
  let failures = 0
  server.onCall = call =>
    failures++ < 2 ? (failures === 1 ? call.status(503) : call.disconnect()) : call.answer()
  expect(await documents('soup')).toHaveLength(1)
  expect(server.calls).toHaveLength(3)
  failures = 0
  expect(await failure(query('soup'))).toBeInstanceOf(EmbeddingError)
  expect(server.calls).toHaveLength(4)
})

test('a query is not waited for beyond its bound', async () => {
  const { server, query } = await scene({ policies: { QUERY_EMBEDDING: { callTimeoutMs: 50 } } })
  server.onCall = () => {}
  expect(await failure(query('soup'))).toBeInstanceOf(EmbeddingError)
})

const vectors = (...embeddings: unknown[]) =>
  JSON.stringify({ data: embeddings.map((embedding, index) => ({ index, embedding })) })
test.each([
  ['no JSON', 'Hello'],
  ['no vectors', '{}'],
  ['a vector too few', vectors([1])],
  ['a vector too many', vectors([1], [2], [3])],
  ['vectors of several lengths', vectors([1], [1, 2])],
  ['an empty vector', vectors([], [])],
  ['text for a number', vectors([1], ['1'])],
  ['null for a number', vectors([1], [null])],
  ['base64', vectors('AACAPw==', 'AACAPw==')],
  ['a number beyond a float', vectors([1], [1e39])],
  ['one index twice', JSON.stringify({ data: [1, 1].map(index => ({ index, embedding: [1] })) })],
  ['an index beyond the texts', JSON.stringify({ data: [0, 7].map(index => ({ index, embedding: [1] })) })],
  ['more dimensions than anybody keeps', vectors(Array(16_001).fill(0), Array(16_001).fill(0))],
])('%s is no answer', async (_what, body) => {
  const { server, documents } = await scene()
  server.onCall = call => call.raw(body)
  expect(await failure(documents('one', 'two'))).toMatchObject({ name: 'EmbeddingError', rejected: false })
})

test('a gap among three is no answer either', async () => {
  const { server, documents } = await scene()
  server.onCall = call =>
    call.raw(JSON.stringify({ data: [0, 2, 2].map(index => ({ index, embedding: [1] })) }))
  expect(await failure(documents('a', 'b', 'c'))).toBeInstanceOf(EmbeddingError)
})

test('texts that the server minds are told apart from a server that fails', async () => {
  const { server, documents } = await scene()
  server.onCall = call => call.status(400)
  expect(await failure(documents('soup'))).toMatchObject({ rejected: true })
  server.onCall = call => call.status(500)
  expect(await failure(documents('soup'))).toMatchObject({ rejected: false })
})

test.each([401, 404, 302, 500])(
  'a server that answers %i again and again is left alone for a while',
  async status => {
    const { server, query } = await scene({ breaker: { openAfter: 3, openForMs: 60_000 } })
    server.onCall = call => call.status(status)
    for (let round = 0; round < 6; round++)
      expect(await failure(query('soup'))).toBeInstanceOf(EmbeddingError)
    expect(server.calls).toHaveLength(3)
  },
)

test('neither the key nor a text is in the log or the error', async () => {
  const { server, documents, query, logged } = await scene()
  server.onCall = call => call.status(401)
  const errors = [await failure(documents('a private text')), await failure(query('a private query'))]
  for (const text of [
    logged(),
    ...errors.map(error => `${(error as Error).stack} ${JSON.stringify(error)}`),
  ]) {
    expect(text).not.toContain('the-key')
    expect(text).not.toContain('private')
  }
  expect(logged()).toContain('unauthorized')
})

test('no text is sent from within a transaction', async () => {
  const { server, documents } = await scene()
  await expect(runInTransactionScope('any', () => documents('soup'))).rejects.toThrow(
    'inside the transaction any',
  )
  expect(server.calls).toEqual([])
})
