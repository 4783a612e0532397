import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { storeAutomaticDocument } from '../../src/database/automatic-documents.ts'
import { ask, exchange, expectError } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import { connectSocket, openRawSocket } from '../support/web-socket-client.ts'

let database: TestDatabase
let folder: string
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'tributary-documents-'))
  const write = (name: string, content: unknown) =>
    writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  await write('apollo.json', {
    format: 'apollo-persisted-query-manifest',
    version: 1,
    operations: [{ id: 'apollo-1', name: 'Who', type: 'query', body: REGISTERED }],
  })
  await write('relay.json', { 'relay-1': 'mutation Leave { logout(refreshToken: "x") }' })
  await write('typename.graphql', TYPENAME)
  await write('README.md', 'no document')
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await database?.drop()
})

const REGISTERED = 'query Who { viewer { email } }'
const TYPENAME = '{ __typename }'
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
const persisted = (sha256Hash: string) => ({ persistedQuery: { version: 1, sha256Hash } })
const send = (gateway: TestGateway, body: object, token?: string) =>
  ask(gateway.url, JSON.stringify(body), token === undefined ? {} : { token })
const start = async (settings: Record<string, string> = {}): Promise<TestGateway> => {
  const gateway = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings,
  })
  onTestFinished(() => gateway.close())
  return gateway
}
let count = 0
/** One that nobody has sent before. */
const fresh = () => `query Fresh${count++} { __typename }`
const storedHashes = async () =>
  (await database.query<{ hash: string }>('SELECT hash FROM automatic_documents')).map(({ hash }) => hash)

describe('automatic documents', () => {
  test('are asked for, sent once with their hash, and known from then on, on every instance and over a socket', async () => {
    const [one, two] = [await start(), await start()]
    const query = fresh()
    const extensions = persisted(hashOf(query))
    const unknown = await send(one, { extensions })
    // The words that Apollo Client and urql look for.
    expectError(unknown, 'PERSISTED_QUERY_NOT_FOUND', /^PersistedQueryNotFound$/)
    expect((await send(one, { query, extensions })).data).toEqual({ __typename: 'Query' })
    expect((await send(one, { extensions })).data).toEqual({ __typename: 'Query' })
    await until(async () => (await storedHashes()).includes(hashOf(query)), {
      what: 'the document to be kept',
    })
    expect((await send(two, { extensions })).data).toEqual({ __typename: 'Query' })
    const overSocket = await connectSocket(two.url).ask({ extensions })
    expect(overSocket.results).toEqual([{ data: { __typename: 'Query' } }])
    const parameters = new URLSearchParams({ extensions: JSON.stringify(extensions) })
    expect((await exchange(two.url, {}, `/graphql?${parameters}`)).data).toEqual({ __typename: 'Query' })
  })

  test('are refused with a hash that is not theirs, and not kept', async () => {
    const gateway = await start()
    const query = fresh()
    const foreign = hashOf(fresh())
    expectError(await send(gateway, { query, extensions: persisted(foreign) }), 'BAD_USER_INPUT', /SHA-256/)
    expectError(await send(gateway, { extensions: persisted(foreign) }), 'PERSISTED_QUERY_NOT_FOUND', /./)
    expect(await storedHashes()).not.toContain(foreign)
  })

  test.each([
    [
      'a version other than 1',
      { persistedQuery: { version: 2, sha256Hash: 'a'.repeat(64) } },
      'BAD_USER_INPUT',
    ],
    ['a hash that is a number', { persistedQuery: { version: 1, sha256Hash: 5 } }, 'BAD_USER_INPUT'],
    ['nothing in it', { persistedQuery: {} }, 'BAD_USER_INPUT'],
    ['a text', { persistedQuery: 'x' }, 'BAD_USER_INPUT'],
    [
      'no hash',
      { persistedQuery: { version: 1, sha256Hash: "'; DROP TABLE users" } },
      'PERSISTED_QUERY_NOT_FOUND',
    ],
  ])('with %s are refused', async (_what, extensions, code) => {
    expectError(await send(await start(), { extensions }), code, /./)
  })

  test('that do not fit are refused as any other, and not kept: no way around a limit', async () => {
    const gateway = await start({ OPERATION_MAX_COST: '50' })
    const wrong = [
      '{ viewer { analyses(first: 100) { nodes { id } } } }',
      '{ nobody }',
      '{',
      `{ ${'viewer{'.repeat(200)}`,
    ]
    for (const query of wrong) {
      const extensions = persisted(hashOf(query))
      const codes = async (body: object) => (await send(gateway, body)).errors?.[0]?.extensions.code
      expect(await codes({ query, extensions })).toBe(await codes({ query }))
      expect(await codes({ extensions })).toBe('PERSISTED_QUERY_NOT_FOUND')
    }
    // One that was kept by an instance with other limits.
    const query = wrong[0] ?? ''
    await start().then(roomy => send(roomy, { query, extensions: persisted(hashOf(query)) }))
    await until(async () => (await storedHashes()).includes(hashOf(query)), {
      what: 'the document to be kept',
    })
    expectError(await send(gateway, { extensions: persisted(hashOf(query)) }), 'OPERATION_TOO_COMPLEX', /./)
  })

  test('longer than 32 kB are executed and not kept; of that length they are', async () => {
    const gateway = await start()
    const ofBytes = (bytes: number) => `${fresh()} #`.padEnd(bytes, 'x')
    for (const [bytes, kept] of [
      [32 * 1024 - 1, true],
      [32 * 1024, true],
      [32 * 1024 + 1, false],
    ] as const) {
      const query = ofBytes(bytes)
      const extensions = persisted(hashOf(query))
      expect((await send(gateway, { query, extensions })).data).toEqual({ __typename: 'Query' })
      expect((await send(gateway, { extensions })).errors === undefined, String(bytes)).toBe(kept)
    }
  })

  test('are so many at most; those not used for longest make room', async () => {
    const own = await createTestDatabase()
    onTestFinished(() => own.drop())
    const gateway = await startTestGateway({ databaseUrl: own.url, generator: new FakeGenerator() })
    onTestFinished(() => gateway.close())
    const hashes = ['a', 'b', 'c', 'd', 'e'].map(letter => letter.repeat(64))
    const db = {
      query: (statement: { text: string }, values: unknown[] = []) => own.query(statement.text, values),
    } as never
    for (const hash of hashes) await storeAutomaticDocument(db, { hash, document: TYPENAME, most: 4 })
    const stored = await own.query<{ hash: string }>('SELECT hash FROM automatic_documents ORDER BY hash')
    expect(stored.map(({ hash }) => hash)).toEqual(hashes.slice(1))
  })
})

describe('registered documents', () => {
  test('are executed by their ids, however these are sent', async () => {
    const gateway = await start({ PERSISTED_OPERATIONS_PATH: folder })
    const token = await tokenOf('registered')
    for (const body of [
      { documentId: 'apollo-1' },
      { extensions: persisted('apollo-1') },
      { documentId: 'apollo-1', operationName: 'Who' },
    ])
      expect((await send(gateway, body, token)).data).toEqual({ viewer: { email: 'registered@example.com' } })
    expect((await send(gateway, { documentId: hashOf(TYPENAME) })).data).toEqual({ __typename: 'Query' })
    expect((await send(gateway, { documentId: 'relay-1' }, token)).data).toHaveProperty('logout')
    const { data } = await exchange(gateway.url, {}, `/graphql?documentId=${hashOf(TYPENAME)}`)
    expect(data).toEqual({ __typename: 'Query' })
    expectError(await send(gateway, { documentId: 'apollo-2' }), 'PERSISTED_QUERY_NOT_FOUND', /./)
    // Nobody else's documents are restricted by them.
    expect((await send(gateway, { query: fresh() })).data).toEqual({ __typename: 'Query' })
  })

  test('and automatic ones are executed over a socket without any query, as over HTTP', async () => {
    const gateway = await start({ PERSISTED_OPERATIONS_PATH: folder })
    const token = await tokenOf('wordless')
    const known = fresh()
    await send(gateway, { query: known, extensions: persisted(hashOf(known)) })
    const socket = await openRawSocket(gateway.url, { token })
    const payloads = {
      id: { documentId: 'apollo-1' },
      named: { documentId: 'apollo-1', operationName: 'Who', variables: { query: 1 } },
      empty: { documentId: 'apollo-1', query: '' },
      null: { documentId: 'apollo-1', query: null },
      hash: { extensions: persisted(hashOf(known)) },
      unknown: { documentId: 'apollo-2' },
      number: { documentId: 7 },
      nothing: { documentId: 'apollo-1', colour: 'red' },
    }
    for (const [id, payload] of Object.entries(payloads)) socket.send({ id, type: 'subscribe', payload })
    const ids = Object.keys(payloads)
    const last = (id: string) => socket.messages.findLast(message => message.id === id)
    await until(() => ids.every(id => ['complete', 'error'].includes(last(id)?.type ?? '')), {
      what: 'an end of each',
    })
    const first = (id: string) => socket.messages.find(message => message.id === id)
    for (const id of ['id', 'named', 'empty', 'null'])
      expect(first(id)).toEqual({
        id,
        type: 'next',
        payload: { data: { viewer: { email: 'wordless@example.com' } } },
      })
    expect(first('hash')?.payload).toEqual({ data: { __typename: 'Query' } })
    expect(first('unknown')).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } }],
    })
    for (const [id, message] of [
      ['number', /^documentId: expected a string/],
      ['nothing', /^colour: no such parameter/],
    ] as const)
      expect(first(id)).toMatchObject({
        type: 'error',
        payload: [{ message: expect.stringMatching(message), extensions: { code: 'BAD_USER_INPUT' } }],
      })
    expect(socket.closed).toBeUndefined()
  })

  test('alone are executed with PERSISTED_OPERATIONS=only, over HTTP and over a socket that stays open', async () => {
    const gateway = await start({ PERSISTED_OPERATIONS: 'only', PERSISTED_OPERATIONS_PATH: folder })
    const token = await tokenOf('restricted')
    const query = fresh()
    const socket = connectSocket(gateway.url, token)
    for (const body of [
      { query },
      { query: `${REGISTERED} ` },
      { query: '{' },
      { query, extensions: persisted(hashOf(query)) },
    ]) {
      expectError(await send(gateway, body, token), 'PERSISTED_QUERY_ONLY', /registered/)
      expect((await socket.ask(body)).errors[0]?.extensions.code).toBe('PERSISTED_QUERY_ONLY')
    }
    for (const path of [`/graphql?${new URLSearchParams({ query })}`])
      expectError(await exchange(gateway.url, {}, path), 'PERSISTED_QUERY_ONLY', /registered/)
    // One that an instance in another mode has kept.
    const kept = fresh()
    await start().then(other => send(other, { query: kept, extensions: persisted(hashOf(kept)) }))
    await until(async () => (await storedHashes()).includes(hashOf(kept)), {
      what: 'the document to be kept',
    })
    expectError(
      await send(gateway, { extensions: persisted(hashOf(kept)) }),
      'PERSISTED_QUERY_NOT_FOUND',
      /./,
    )
    const data = { viewer: { email: 'restricted@example.com' } }
    expect((await send(gateway, { documentId: 'apollo-1' }, token)).data).toEqual(data)
    expect((await send(gateway, { query: REGISTERED }, token)).data).toEqual(data)
    expect((await socket.ask({ extensions: persisted('apollo-1') })).results).toEqual([{ data }])
    expect(socket.closed).toBe(0)
  })

  test('are within the limits like any other', async () => {
    const gateway = await start({ PERSISTED_OPERATIONS_PATH: folder, OPERATION_MAX_DEPTH: '1' })
    expectError(await send(gateway, { documentId: 'apollo-1' }), 'OPERATION_TOO_COMPLEX', /levels/)
  })

  test('are not known with PERSISTED_OPERATIONS=off, and nothing is kept', async () => {
    const gateway = await start({ PERSISTED_OPERATIONS: 'off', PERSISTED_OPERATIONS_PATH: folder })
    expectError(await send(gateway, { documentId: 'apollo-1' }), 'PERSISTED_QUERY_NOT_FOUND', /./)
    const query = fresh()
    const extensions = persisted(hashOf(query))
    expect((await send(gateway, { query, extensions })).data).toEqual({ __typename: 'Query' })
    expectError(await send(gateway, { extensions }), 'PERSISTED_QUERY_NOT_FOUND', /./)
  })

  test.each([
    ['is not there', 'nowhere.json', undefined, /nowhere.json: cannot be read/],
    ['is no JSON', 'broken.json', '{', /broken.json: it is no JSON/],
    ['is something else', 'other.json', '{"operations": 5}', /other.json: expected a manifest/],
    ['holds nothing', 'empty.json', '{}', /empty.json: no document/],
  ])('in a file that %s stop the start, which says so', async (_what, name, content, message) => {
    const own = await mkdtemp(join(tmpdir(), 'tributary-documents-'))
    onTestFinished(() => rm(own, { recursive: true, force: true }))
    if (content !== undefined) await writeFile(join(own, name), content)
    await expect(start({ PERSISTED_OPERATIONS_PATH: join(own, name) })).rejects.toThrow(message)
  })
})
