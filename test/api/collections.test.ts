import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, expectError } from '../support/api-answers.ts'
import { storedState } from '../support/api-stored-state.ts'
import { INGEST, ingestDocuments, SEARCH, searchCollection } from '../support/collection-client.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let gateway: TestGateway
let other: TestGateway

beforeAll(async () => {
  database = await createTestDatabase()
  const options = { databaseUrl: database.url, generator: new FakeGenerator() }
  ;[gateway, other] = await Promise.all([startTestGateway(options), startTestGateway(options)])
})
afterAll(async () => {
  await Promise.all([gateway?.close(), other?.close()])
  await database?.drop()
})

const found = async (collection: string, query: string) =>
  (await searchCollection(other.url, collection, query, 100)).map(hit => hit.documentId)

describe('ingestDocuments', () => {
  test('adds and changes by documentId, or replaces all, and each time the version rises by one', async () => {
    const ingest = (documents: Parameters<typeof ingestDocuments>[2], replace = false) =>
      ingestDocuments(gateway.url, 'breakfasts', documents, { replace })
    const oats = { documentId: 'oats', text: 'Overnight oats with berries' }
    const eggs = { documentId: 'eggs', text: 'Scrambled eggs with berries' }
    expect(await ingest([oats, eggs])).toEqual({
      __typename: 'IngestDocumentsPayload',
      collection: 'breakfasts',
      ingested: 2,
      documentCount: 2,
      version: 1,
    })
    expect(await ingest([{ ...eggs, text: 'Poached eggs' }])).toMatchObject({
      ingested: 1,
      documentCount: 2,
      version: 2,
    })
    expect(await found('breakfasts', 'berries')).toEqual(['oats'])
    expect(await found('breakfasts', 'poached')).toEqual(['eggs'])
    // The same again changes nothing but the version.
    expect(await ingest([oats])).toMatchObject({ ingested: 1, documentCount: 2, version: 3 })
    expect(await ingest([oats], true)).toMatchObject({ ingested: 1, documentCount: 1, version: 4 })
    expect(await found('breakfasts', 'eggs OR oats')).toEqual(['oats'])
    expect(await ingest([], true)).toMatchObject({ ingested: 0, documentCount: 0, version: 5 })
    expect(await found('breakfasts', 'eggs OR oats')).toEqual([])
    expect(await database.query('SELECT count(*)::int AS count FROM documents')).toEqual([{ count: 0 }])
    expect(await ingest([oats, eggs])).toMatchObject({ documentCount: 2, version: 6 })
    expect(await found('breakfasts', 'berries')).toHaveLength(2)
  })

  test('changes the metadata of a document whose text is the same', async () => {
    const ingest = (page: number) =>
      ingestDocuments(gateway.url, 'pages', [
        { documentId: 'oats', text: 'Overnight oats', metadata: { page } },
      ])
    await ingest(1)
    expect(await ingest(2)).toMatchObject({ documentCount: 1, version: 2 })
    expect((await searchCollection(gateway.url, 'pages', 'oats'))[0]?.metadata).toEqual({ page: 2 })
  })

  test('takes 10,000 documents in one call, and their metadata as they are', async () => {
    const documents = Array.from({ length: 10_000 }, (_, index) => ({
      documentId: `many ${index}`,
      text: `One of many, number n${index}`,
      metadata: index % 2 ? { index, tags: ['a', null], nested: { deep: [1.5, true] } } : [index],
    }))
    expect(await ingestDocuments(gateway.url, 'many', documents)).toMatchObject({ documentCount: 10_000 })
    expect(await searchCollection(gateway.url, 'many', 'n4321')).toMatchObject([
      { documentId: 'many 4321', metadata: documents[4321]?.metadata },
    ])
    expect((await searchCollection(gateway.url, 'many', 'n42'))[0]?.metadata).toEqual([42])
  })

  test('is for services alone', async () => {
    const variables = { input: { collection: 'closed', documents: [{ documentId: 'a', text: 'a' }] } }
    expectError(await ask(gateway.url, { query: INGEST, variables }), 'UNAUTHENTICATED', /token/)
    const token = await tokenOf('mere user')
    expectError(await ask(gateway.url, { query: INGEST, variables }, { token }), 'FORBIDDEN', /SERVICE/)
    expect(await found('closed', 'a')).toEqual([])
  })

  describe('refuses, and stores nothing of', () => {
    let before: Record<string, string>
    beforeAll(async () => {
      await ingestDocuments(gateway.url, 'kept', [{ documentId: 'a', text: 'kept as it is' }])
      before = await storedState(database)
    })
    const good = { documentId: 'good', text: 'a good one' }
    const levels = (depth: number): unknown => (depth === 0 ? 1 : [levels(depth - 1)])
    test.each([
      ['a collection without a name', { collection: '' }, 'input.collection', /1 to 128/],
      ['a name with white space around it', { collection: ' kept' }, 'input.collection', /white space/],
      ['a name with a line end', { collection: 'kept\n' }, 'input.collection', /control/],
      ['a name too long', { collection: 'k'.repeat(129) }, 'input.collection', /1 to 128/],
      ['no documents', { documents: [] }, 'input.documents', /at least one/],
      [
        '10,001 documents',
        { documents: Array.from({ length: 10_001 }, (_, n) => ({ ...good, documentId: `${n}` })) },
        'input.documents',
        /at most 10000 documents in one call, got 10001/,
      ],
      [
        'two documents with one id',
        { documents: [good, { documentId: 'b', text: 'b' }, { ...good, text: 'again' }] },
        'input.documents.2.documentId',
        /once; documents\.0 has it too/,
      ],
      [
        'an empty id',
        { documents: [good, { ...good, documentId: '' }] },
        'input.documents.1.documentId',
        /1 to 256/,
      ],
      [
        'an id with NUL',
        { documents: [{ ...good, documentId: 'a\u0000' }] },
        'input.documents.0.documentId',
        /control/,
      ],
      ['an empty text', { documents: [{ ...good, text: '' }] }, 'input.documents.0.text', /1 to 100000/],
      [
        'a text of white space',
        { documents: [{ ...good, text: ' \n' }] },
        'input.documents.0.text',
        /white space/,
      ],
      [
        'a text too long',
        { documents: [{ ...good, text: 'x'.repeat(100_001) }] },
        'input.documents.0.text',
        /1 to 100000/,
      ],
      [
        'a text with a bell',
        { documents: [{ ...good, text: 'a\u0007' }] },
        'input.documents.0.text',
        /control/,
      ],
      [
        'half a surrogate pair',
        { documents: [{ ...good, text: 'a\udc00' }] },
        'input.documents.0.text',
        /control/,
      ],
      [
        'NUL in metadata',
        { documents: [{ ...good, metadata: { a: ['\u0000'] } }] },
        'input.documents.0.metadata',
        /control/,
      ],
      [
        'NUL in a key of metadata',
        { documents: [{ ...good, metadata: { '\u0000': 1 } }] },
        'input.documents.0.metadata',
        /control/,
      ],
      [
        'metadata too long',
        { documents: [{ ...good, metadata: 'm'.repeat(16_384) }] },
        'input.documents.0.metadata',
        /16384/,
      ],
      [
        'metadata too deep',
        { documents: [{ ...good, metadata: levels(21) }] },
        'input.documents.0.metadata',
        /20 levels/,
      ],
    ])('%s', async (_what, input, path, message) => {
      const { collection = 'kept', documents = [good] } = input as Partial<{
        collection: string
        documents: []
      }>
      const answer = await ingestDocuments(gateway.url, collection, documents)
      expect(answer).toMatchObject({ __typename: 'InvalidInputError', code: 'INVALID_INPUT' })
      expect(answer.issues[0]?.path.join('.')).toBe(path)
      expect(answer.issues[0]?.message).toMatch(message)
      expect(await storedState(database)).toEqual(before)
    })
  })

  test('takes what is at the edge of what it takes', async () => {
    const documents = [
      { documentId: 'i'.repeat(256), text: 'edge', metadata: null },
      { documentId: 'long', text: 'edge '.repeat(20_000), metadata: 'm'.repeat(16_382) },
      // More words than any text, and each of them another one.
      {
        documentId: 'dense',
        text: Array.from({ length: 20_000 }, (_, n) => n.toString(36))
          .join(' ')
          .slice(0, 100_000),
      },
      { documentId: 'lines', text: 'edge\tof\r\nthe\ndesk 😀', metadata: { emoji: '😀' } },
    ]
    expect(await ingestDocuments(gateway.url, 'é/ü: 1', documents)).toMatchObject({ documentCount: 4 })
    const hits = await searchCollection(gateway.url, 'é/ü: 1', 'edge')
    expect(hits.map(hit => hit.documentId).toSorted()).toEqual(['i'.repeat(256), 'lines', 'long'].toSorted())
    expect(hits.find(hit => hit.documentId === 'i'.repeat(256))?.metadata).toEqual({})
    expect(hits.find(hit => hit.documentId === 'lines')?.text).toBe('edge\tof\r\nthe\ndesk 😀')
  })
})

describe('searchCollection', () => {
  const KITCHEN = [
    { documentId: 'soup', text: 'Red lentil soup with carrots and cumin. A warming soup for cold evenings.' },
    { documentId: 'salad', text: 'Green lentil salad with roasted carrots, nothing red in it.' },
    { documentId: 'cake', text: 'Chocolate cake with walnuts' },
    { documentId: 'zuppa', text: 'Zuppa di lenticchie rosse con carote, per le sere più fredde' },
    { documentId: 'torta', text: 'Torta al cioccolato con le noci' },
  ]
  beforeAll(async () => {
    await ingestDocuments(gateway.url, 'kitchen', KITCHEN)
  })
  const search = (query: string) => found('kitchen', query)

  test('ranks: what is about a word before what merely has it', async () => {
    await ingestDocuments(gateway.url, 'ranked', [
      { documentId: 'once', text: 'A week of training with one long run, a swim and a ride' },
      { documentId: 'often', text: 'Run easy to run long: why most of a run should feel slow' },
      { documentId: 'never', text: 'How to choose a bike' },
      { documentId: 'shout', text: 'Run, and then run again. '.repeat(50) },
    ])
    const hits = await searchCollection(gateway.url, 'ranked', 'runs')
    expect(hits.map(hit => hit.documentId)).toEqual(['shout', 'often', 'once'])
    const scores = hits.map(hit => hit.score)
    expect(scores).toEqual(scores.toSorted((one, other) => other - one))
    expect(scores.every(score => score > 0 && score < 1)).toBe(true)
    expect(scores[1]).toBeGreaterThan(scores[2] ?? 1)
    expect(await searchCollection(gateway.url, 'ranked', 'runs', 1)).toHaveLength(1)
  })

  test('reads English and Italian documents in one collection, each by its own grammar', async () => {
    expect(await search('soups')).toEqual(['soup'])
    expect(await search('zuppe')).toEqual(['zuppa'])
    expect(await search('lenticchia')).toEqual(['zuppa'])
    expect(await search('noce')).toEqual(['torta'])
    expect((await search('cakes or torte')).toSorted()).toEqual(['cake', 'torta'])
  })

  test('understands phrases, or, and exclusion', async () => {
    expect((await search('lentils carrots')).toSorted()).toEqual(['salad', 'soup'])
    expect(await search('"red lentil"')).toEqual(['soup'])
    expect(await search('"lentil red"')).toEqual([])
    expect((await search('soup OR cake')).toSorted()).toEqual(['cake', 'soup'])
    expect(await search('lentil -salad')).toEqual(['soup'])
    expect(await search('lentil -"red lentil"')).toEqual(['salad'])
    expect((await search('-lentil -lenticchie')).toSorted()).toEqual(['cake', 'torta'])
    expect(await search('"lenticchie rosse" -cioccolato')).toEqual(['zuppa'])
  })

  test('finds a word however its accents were typed', async () => {
    await ingestDocuments(gateway.url, 'accents', [
      { documentId: 'decomposed', text: 'Il caffe\u0300 della mattina e la corsa della sera' },
      { documentId: 'composed', text: 'Un caff\u00e8 prima della gara, e non dopo la gara' },
    ])
    for (const query of ['caffe\u0300', 'caff\u00e8']) expect(await found('accents', query)).toHaveLength(2)
  })

  test('shows what was found in bold, and no HTML of the document', async () => {
    await ingestDocuments(gateway.url, 'markup', [
      { documentId: 'a', text: 'Sleep & rest <img src=x onerror=alert(1)> 3 < 4 &lt; recovery of runners' },
    ])
    const [hit] = await searchCollection(gateway.url, 'markup', 'recovery')
    expect(hit?.snippet).toContain('<b>recovery</b>')
    expect(hit?.snippet).toContain('Sleep &amp; rest')
    expect(hit?.snippet.replaceAll(/<\/?b>/g, '')).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/)
    expect(hit?.text).toContain('<img src=x onerror=alert(1)>')
  })

  test('of a long text shows the passages in which it was found', async () => {
    const filler = 'nothing to see here and nothing to read there. '.repeat(200)
    await ingestDocuments(gateway.url, 'long', [
      { documentId: 'a', text: `${filler}The magnesium was in the middle. ${filler}` },
    ])
    const [hit] = await searchCollection(gateway.url, 'long', 'magnesium')
    expect(hit?.snippet).toContain('<b>magnesium</b>')
    expect(hit?.snippet.length).toBeLessThan(500)
    expect(hit?.text.length).toBeGreaterThan(10_000)
  })

  test('finds nothing in a collection that does not exist, and nothing by words of no meaning', async () => {
    expect(await found('nobodys', 'soup')).toEqual([])
    for (const query of ['the', 'and of', 'di']) expect(await search(query)).toEqual([])
  })

  test('gives five hits where nothing is said', async () => {
    await ingestDocuments(
      gateway.url,
      'seven',
      Array.from({ length: 7 }, (_, n) => ({ documentId: `${n}`, text: 'walking' })),
    )
    expect(await searchCollection(gateway.url, 'seven', 'walking')).toHaveLength(5)
    expect(await searchCollection(gateway.url, 'seven', 'walking', 100)).toHaveLength(7)
  })

  test.each([
    ['an empty query', { query: '' }, /^query: expected 1 to 1000/],
    ['a query of white space', { query: '  ' }, /^query: expected a word/],
    ['a query too long', { query: 'q'.repeat(1001) }, /^query: expected 1 to 1000/],
    ['a query with NUL', { query: 'a\u0000' }, /^query: .*control/],
    ['quotes alone', { query: '""' }, /^query: expected a word/],
    ['a dash', { query: '-' }, /^query: expected a word/],
    ['operators alone', { query: '"" OR - or -"" | & ! ( ) : *' }, /^query: expected a word/],
    ['a collection without a name', { collection: '' }, /^collection: expected 1 to 128/],
    ['no hits', { first: 0 }, /^first: expected 1 to 100/],
    ['too many hits', { first: 101 }, /^first: expected 1 to 100/],
  ])('refuses %s', async (_what, variables, names) => {
    const request = { query: SEARCH, variables: { collection: 'kitchen', query: 'soup', ...variables } }
    const answer = await ask(gateway.url, request, { token: await tokenOf('searcher') })
    expectError(answer, 'BAD_USER_INPUT', names)
  })

  test.each([
    ['SQL', "soup'; DROP TABLE documents; --"],
    ['a prefix', 'soup:*'],
    ['operators of another kind', 'soup & | ! carrots <-> <2> salad'],
    ['open brackets', '((((soup'],
    ['a backslash', 'soup\\'],
    ['a quote', "soup'"],
    ['an open phrase', '"soup'],
    ['an emoji and a mark of direction', 'soup 😀 \u202e'],
    ['200 words', 'soup '.repeat(200)],
    ['300 exclusions', `soup ${'-x '.repeat(300)}`],
    ['addresses and numbers', 'soup https://example.com/a?b=c#d user@example.com 1e999 /etc/passwd'],
  ])('takes %s for what a user typed', async (_what, query) => {
    const answer = await ask(
      gateway.url,
      { query: SEARCH, variables: { collection: 'kitchen', query } },
      { token: await tokenOf('searcher') },
    )
    expect(answer.errors).toBeUndefined()
  })

  test('needs a token', async () => {
    const request = { query: SEARCH, variables: { collection: 'kitchen', query: 'soup' } }
    expectError(await ask(gateway.url, request), 'UNAUTHENTICATED', /token/)
  })
})

test('where the database has no pgvector, an embeddings server is not needed: searches go by words, and the log says so once', async context => {
  const [available] = await database.query("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
  if (available) context.skip('the PostgreSQL that ships with the project has pgvector by now')
  const log = new PassThrough()
  let logged = ''
  log.on('data', chunk => {
    logged += chunk
  })
  const without = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    logTo: log,
    settings: {
      LOG_LEVEL: 'info',
      // Nobody listens there.
      EMBEDDINGS_BASE_URL: 'http://127.0.0.1:1/v1',
      EMBEDDINGS_MODEL: 'any',
    },
  })
  await ingestDocuments(without.url, 'wordy', [{ documentId: 'a', text: 'A broth of roots' }])
  expect(await searchCollection(without.url, 'wordy', 'roots')).toHaveLength(1)
  expect(await searchCollection(without.url, 'wordy', 'soup')).toEqual([])
  await without.close()
  expect(logged.match(/searched by words alone/g)).toHaveLength(1)
  expect(logged).toContain('the database server does not have the extension pgvector')
})
