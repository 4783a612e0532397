import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { createDatabaseClient } from '../../src/database/client.ts'
import { claimVectors } from '../../src/database/document-vectors.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import {
  type Hit,
  ingestDocuments,
  searchCollection,
  type TestDocument,
} from '../support/collection-client.ts'
import { startFakeEmbeddings } from '../support/fake-embeddings-server.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { newInterview, readInterview } from '../support/interview-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { send } from '../support/reply-client.ts'
import type { TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import {
  findVectorPostgres,
  NO_PGVECTOR,
  startVectorPostgres,
  type VectorPostgres,
} from '../support/vector-postgres.ts'

const BIN = findVectorPostgres()
const KEY = 'embeddings-secret-key'

let postgres: VectorPostgres | undefined
beforeAll(async () => {
  if (BIN) postgres = await startVectorPostgres(BIN)
})
afterAll(() => postgres?.stop())
beforeEach(context => {
  if (!BIN) context.skip(NO_PGVECTOR)
})

/** A database with pgvector and an embeddings server of the test's own. */
async function createScene(options: { owner?: string } = {}) {
  if (!postgres) throw new Error(NO_PGVECTOR)
  const database = await postgres.createDatabase(options)
  const embeddings = await startFakeEmbeddings()
  const gateways: TestGateway[] = []
  onTestFinished(async () => {
    // A call that stands still would hold up whoever closes.
    embeddings.onCall = call => call.disconnect()
    await Promise.all(gateways.map(gateway => gateway.close()))
    await embeddings.close()
    await database.drop()
  })
  return {
    database,
    embeddings,
    async start(settings: Record<string, string> = {}) {
      const log = new PassThrough()
      const generator = new FakeGenerator()
      let logged = ''
      log.on('data', chunk => {
        logged += chunk
      })
      const gateway = await startTestGateway({
        databaseUrl: database.url,
        generator,
        logTo: log,
        settings: {
          LOG_LEVEL: 'debug',
          DATABASE_POOL_SIZE: '6',
          EMBEDDINGS_BASE_URL: embeddings.url,
          EMBEDDINGS_API_KEY: KEY,
          EMBEDDINGS_MODEL: 'first-model',
          ...settings,
        },
      })
      gateways.push(gateway)
      return Object.assign(gateway, { generator, logged: () => logged })
    },
  }
}

const vectorsOf = async (database: TestDatabase, name: string) =>
  (
    await database.query<{
      version: number
      filled: number
      model: string
      vectors: number
      editions: number
    }>(
      `SELECT c.version, s.version AS filled, s.model, count(v.embedding)::int AS vectors,
         count(DISTINCT v.edition)::int AS editions
       FROM collections c LEFT JOIN collection_vectors s ON s.collection_id = c.id
       LEFT JOIN document_vectors v ON v.collection_id = c.id
       WHERE c.name = $1 GROUP BY c.id, s.collection_id`,
      [name],
    )
  )[0]
const filled = (database: TestDatabase, name: string, version: number) =>
  until(async () => (await vectorsOf(database, name))?.filled === version, {
    what: `the vectors of version ${version} of ${name}`,
  })
const idsOf = (hits: readonly Hit[]) => hits.map(hit => hit.documentId)
const fused = (place: number, otherPlace?: number) =>
  (1 / (60 + place) + (otherPlace === undefined ? 0 : 1 / (60 + otherPlace))) * 30.5

const LIBRARY: TestDocument[] = [
  { documentId: 'insomnia', text: 'Insomnia, and what helps against it' },
  { documentId: 'sleep', text: 'Sleep comes more easily to those who keep their hours' },
  { documentId: 'jogging', text: 'Jogging for those who have never done it' },
  { documentId: 'bread', text: 'A loaf of bread with walnuts' },
]

test('a search finds what means the same in other words, and what has both the words and the meaning comes first', async () => {
  const { database, embeddings, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  const hits = await searchCollection(gateway.url, 'library', 'sleep')
  expect(idsOf(hits)).toEqual(['sleep', 'insomnia'])
  // First in both, or first but one in one of them: reciprocal rank fusion, and 1 is the best there is.
  const places = hits.map(hit => Number(hit.score.toFixed(6)))
  expect(
    [
      [fused(1, 1), fused(2)],
      [fused(1, 2), fused(1)],
    ].map(pair => pair.map(n => Number(n.toFixed(6)))),
  ).toContainEqual(places)
  expect(hits[0]?.snippet).toContain('<b>Sleep</b>')
  expect(hits[1]?.snippet).toContain('Insomnia')
  // Without any of its words.
  expect(idsOf(await searchCollection(gateway.url, 'library', 'marathon'))).toEqual(['jogging'])
  expect(await searchCollection(gateway.url, 'library', 'umore')).toEqual([])
  expect(embeddings.calls[0]).toMatchObject({ path: '/v1/embeddings', model: 'first-model' })
  expect(embeddings.calls[0]?.headers.authorization).toBe(`Bearer ${KEY}`)
  expect(gateway.logged()).not.toContain(KEY)
})

test('a phrase and an exclusion keep out what merely means the same', async () => {
  const { database, embeddings, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  expect(idsOf(await searchCollection(gateway.url, 'library', '"sleep"'))).toEqual(['sleep'])
  expect(idsOf(await searchCollection(gateway.url, 'library', 'sleep -hours'))).toEqual([])
  expect(idsOf(await searchCollection(gateway.url, 'library', 'sleep -insomnia'))).toEqual(['sleep'])
  // What is excluded has no part in the meaning that is looked for, nor have the signs.
  expect(
    idsOf(await searchCollection(gateway.url, 'library', '"a loaf" or Walnuts -sleep -"in bed"')),
  ).toEqual(['bread'])
  expect(embeddings.calls.at(-1)?.input).toEqual(['a loaf Walnuts'])
  const calls = embeddings.calls.length
  expect(await searchCollection(gateway.url, 'library', '-sleep')).toHaveLength(3)
  expect(embeddings.calls).toHaveLength(calls)
})

test('prompts and replies are built on what means the same too, and on what has the words where the server keeps a query waiting', async () => {
  const { database, embeddings, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  const token = await tokenOf('asker')
  const { id } = await newInterview(gateway.url, token, {
    topic: 'Marathon training',
    enhancer: 'GATEWAY',
    collection: 'library',
  })
  await until(async () => (await readInterview(gateway.url, token, id)).status === 'READY', {
    what: 'the prompt',
  })
  expect(gateway.generator.promptCalls[0]?.passages.map(({ documentId }) => documentId)).toEqual(['jogging'])
  await send(gateway.url, token, { content: 'Shall I slumber?', collection: 'library' })
  const passagesOf = (reply: number) =>
    gateway.generator.replyCalls[reply]?.passages.map(({ documentId }) => documentId)
  expect(passagesOf(0)?.toSorted()).toEqual(['insomnia', 'sleep'])
  const gate = new Gate()
  embeddings.onCall = async call => {
    await gate.pass()
    call.answer()
  }
  await send(gateway.url, token, { content: 'Shall I have walnuts in bed?', collection: 'library' })
  expect(gate.arrivals).toBe(1)
  expect(passagesOf(1)).toEqual(['bread'])
  gate.open()
})

test('an embeddings server that is down fails no ingestion and no search, and the vectors come when it is back', async () => {
  const { database, embeddings, start } = await createScene()
  embeddings.onCall = call => call.status(500)
  const gateway = await start()
  expect(await ingestDocuments(gateway.url, 'library', LIBRARY)).toMatchObject({ version: 1 })
  expect(idsOf(await searchCollection(gateway.url, 'library', 'sleep'))).toEqual(['sleep'])
  await until(() => gateway.logged().includes('documents get no vectors for now'), { what: 'a word of it' })
  expect(gateway.logged()).not.toContain('secret of')
  embeddings.onCall = call => call.answer()
  // Sooner than the pause after a failure, and than the breaker would let it.
  await database.query('UPDATE collection_vectors SET claimed_until = NULL')
  const other = await start()
  await filled(database, 'library', 1)
  expect(idsOf(await searchCollection(other.url, 'library', 'sleep'))).toEqual(['sleep', 'insomnia'])
  expect(gateway.logged().match(/documents get no vectors for now/g)).toHaveLength(1)
})

test('while the server keeps a query waiting, the search goes by words, and soon', async () => {
  const { database, embeddings, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  const gate = new Gate()
  embeddings.onCall = async call => {
    await gate.pass()
    call.answer()
  }
  const askedAt = performance.now()
  const hits = await Promise.all([1, 2, 3].map(() => searchCollection(gateway.url, 'library', 'sleep')))
  for (const answer of hits) expect(idsOf(answer)).toEqual(['sleep'])
  expect(performance.now() - askedAt).toBeGreaterThan(900)
  expect(gate.arrivals).toBe(1)
  gate.open()
})

test('those who search for the same at once share one call, and later ones need none', async () => {
  const { database, embeddings, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  const before = embeddings.calls.length
  for (let round = 0; round < 2; round++)
    for (const hits of await Promise.all(
      Array.from({ length: 10 }, () => searchCollection(gateway.url, 'library', 'slumber')),
    ))
      expect(idsOf(hits).toSorted()).toEqual(['insomnia', 'sleep'])
  expect(embeddings.calls.length - before).toBe(1)
})

test('no lock is held and no transaction open while the server is asked: the next ingestion goes by', async () => {
  const { database, embeddings, start } = await createScene()
  const gate = new Gate()
  embeddings.onCall = async call => {
    await gate.pass()
    call.answer()
  }
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await gate.arrived(1)
  expect(
    await database.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tributary'
       AND state LIKE 'idle in transaction%'`,
    ),
  ).toEqual([])
  expect(await ingestDocuments(gateway.url, 'library', [{ documentId: 'new', text: 'Broth' }])).toMatchObject(
    {
      version: 2,
    },
  )
  gate.open()
  await filled(database, 'library', 2)
  expect(idsOf(await searchCollection(gateway.url, 'library', 'soup'))).toEqual(['new'])
  expect(Math.max(...embeddings.sent.values())).toBe(1)
})

test('on three instances every text is sent once', async () => {
  const { database, embeddings, start } = await createScene()
  const documents = Array.from({ length: 600 }, (_, n) => ({ documentId: `d${n}`, text: `Sleep, part ${n}` }))
  const gateways = await Promise.all([start(), start(), start()])
  await ingestDocuments(gateways[0]?.url ?? '', 'library', documents)
  await filled(database, 'library', 1)
  expect(embeddings.sent.size).toBe(600)
  expect(Math.max(...embeddings.sent.values())).toBe(1)
  expect(await vectorsOf(database, 'library')).toMatchObject({ vectors: 600 })
})

test('of two who claim a collection at once one has it, and the other nothing', async () => {
  const { database, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  await gateway.close()
  await database.query('UPDATE collection_vectors SET version = 0')
  // The faster of the two, which has not committed yet.
  const claim = "UPDATE collection_vectors SET claimed_until = clock_timestamp() + interval '1 hour'"
  const faster = await holdLock(database.url, claim)
  const client = createDatabaseClient({
    url: database.url,
    poolSize: 1,
    lockTimeoutMs: 20_000,
    logger: createLogger({ level: 'silent', format: 'json' }),
    metrics: createMetrics(),
  })
  onTestFinished(() => client.close())
  const slower = claimVectors(client, { model: 'first-model', claimMs: 60_000 })
  await faster.waitedFor()
  await faster.commit()
  expect(await slower).toBeUndefined()
})

test('what is replaced by the same text keeps its vector, and nothing is left of the edition before', async () => {
  const { database, embeddings, start } = await createScene()
  const gateway = await start()
  const [first, ...rest] = LIBRARY
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  await ingestDocuments(gateway.url, 'library', [{ documentId: 'insomnia', text: 'Now of soup' }, ...rest], {
    replace: true,
  })
  await filled(database, 'library', 2)
  expect(await vectorsOf(database, 'library')).toMatchObject({ vectors: 4, editions: 1 })
  expect(embeddings.sent.get(first?.text ?? '')).toBe(1)
  expect(embeddings.sent.size).toBe(5)
  expect(Math.max(...embeddings.sent.values())).toBe(1)
  expect(idsOf(await searchCollection(gateway.url, 'library', 'slumber'))).toEqual(['sleep'])
  expect(idsOf(await searchCollection(gateway.url, 'library', 'broth'))).toEqual(['insomnia'])
})

test('right after a replacement the vectors of before serve those documents that still say the same, and no others', async () => {
  const { database, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  // Nobody is to begin with the new edition.
  await database.query("UPDATE collection_vectors SET claimed_until = clock_timestamp() + interval '1 hour'")
  const [, sleep] = LIBRARY
  const documents = [
    { documentId: 'insomnia', text: 'Rolls, and how to bake them' },
    { documentId: 'sleep', text: sleep?.text ?? '' },
  ]
  await ingestDocuments(gateway.url, 'library', documents, { replace: true })
  expect(idsOf(await searchCollection(gateway.url, 'library', 'slumber'))).toEqual(['sleep'])
  expect(idsOf(await searchCollection(gateway.url, 'library', 'marathon'))).toEqual([])
})

test('of a collection that is emptied no vector is left', async () => {
  const { database, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  await ingestDocuments(gateway.url, 'library', [], { replace: true })
  await filled(database, 'library', 2)
  expect(await vectorsOf(database, 'library')).toMatchObject({ vectors: 0, editions: 0 })
  expect(await searchCollection(gateway.url, 'library', 'slumber')).toEqual([])
})

test('a document that has changed is never found by what it said before', async () => {
  const { database, embeddings, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  const gate = new Gate()
  embeddings.onCall = async call => {
    if (call.input.some(text => text.startsWith('Rolls'))) await gate.pass()
    call.answer()
  }
  await ingestDocuments(gateway.url, 'library', [
    { documentId: 'insomnia', text: 'Rolls, and how to bake them' },
  ])
  await gate.arrived(1)
  expect(idsOf(await searchCollection(gateway.url, 'library', 'slumber'))).toEqual(['sleep'])
  expect(idsOf(await searchCollection(gateway.url, 'library', 'rolls'))).toEqual(['insomnia'])
  gate.open()
  await filled(database, 'library', 2)
  expect(await vectorsOf(database, 'library')).toMatchObject({ vectors: 4 })
})

test('under another model a version is searched by words, until it is replaced', async () => {
  const { database, start } = await createScene()
  const first = await start()
  await ingestDocuments(first.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  const second = await start({ EMBEDDINGS_MODEL: 'second-model' })
  // Of as many dimensions, and still not to be compared.
  expect(idsOf(await searchCollection(second.url, 'library', 'slumber'))).toEqual([])
  expect(idsOf(await searchCollection(second.url, 'library', 'sleep'))).toEqual(['sleep'])
  await first.close()
  await ingestDocuments(second.url, 'library', LIBRARY, { replace: true })
  await filled(database, 'library', 2)
  expect(await vectorsOf(database, 'library')).toMatchObject({
    model: 'second-model',
    vectors: 4,
    editions: 1,
  })
  expect(idsOf(await searchCollection(second.url, 'library', 'slumber')).toSorted()).toEqual([
    'insomnia',
    'sleep',
  ])
})

test('a model whose vectors get other dimensions is no error: words until all are made anew', async () => {
  const { database, embeddings, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  embeddings.padding = 5
  expect(idsOf(await searchCollection(gateway.url, 'library', 'slumber'))).toEqual([])
  await ingestDocuments(gateway.url, 'library', [{ documentId: 'new', text: 'Rest' }])
  await until(() => gateway.logged().includes('other dimensions'), { what: 'a word of it' })
  await until(
    async () => {
      // Sooner than the pause after a failure.
      await database.query('UPDATE collection_vectors SET claimed_until = NULL WHERE dimensions IS NULL')
      return (await vectorsOf(database, 'library'))?.filled === 2
    },
    { what: 'all vectors to be made anew' },
  )
  expect(idsOf(await searchCollection(gateway.url, 'library', 'slumber')).toSorted()).toEqual([
    'insomnia',
    'new',
    'sleep',
  ])
})

test('a text that the model does not take is left to its words, costs no other its vector, and is not sent again', async () => {
  const { database, embeddings, start } = await createScene()
  embeddings.onCall = call => (call.input.some(text => text.length > 500) ? call.status(400) : call.answer())
  const gateway = await start()
  const endless = `Sleep ${'x'.repeat(2000)}`
  await ingestDocuments(gateway.url, 'library', [...LIBRARY, { documentId: 'endless', text: endless }])
  await filled(database, 'library', 1)
  expect(await vectorsOf(database, 'library')).toMatchObject({ vectors: 4 })
  expect(idsOf(await searchCollection(gateway.url, 'library', 'insomnia', 10)).toSorted()).toEqual([
    'insomnia',
    'sleep',
  ])
  expect(idsOf(await searchCollection(gateway.url, 'library', 'sleep', 10))).toContain('endless')
  const calls = embeddings.calls.length
  await ingestDocuments(gateway.url, 'library', [{ documentId: 'more', text: 'Bread' }])
  await filled(database, 'library', 2)
  expect(embeddings.calls.slice(calls).flatMap(call => call.input)).toEqual(['Bread'])
})

test('an instance that dies over the vectors is replaced by another, which makes only those that are missing', async () => {
  const { database, embeddings, start } = await createScene()
  const gate = new Gate()
  embeddings.onCall = async call => {
    if (embeddings.calls.length === 3) await gate.pass()
    call.answer()
  }
  const documents = Array.from({ length: 100 }, (_, n) => ({ documentId: `d${n}`, text: `Sleep, part ${n}` }))
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', documents)
  await gate.arrived(1)
  const other = await start()
  await ingestDocuments(other.url, 'elsewhere', LIBRARY)
  await filled(database, 'elsewhere', 1)
  // Claimed: nobody else is at it.
  expect(await vectorsOf(database, 'library')).toMatchObject({ filled: 0, vectors: 64 })
  // As it is once the claim of a dead instance has run out.
  await database.query(
    "UPDATE collection_vectors SET claimed_until = clock_timestamp() - interval '1 second'",
  )
  await filled(database, 'library', 1)
  gate.open()
  expect(await vectorsOf(database, 'library')).toMatchObject({ vectors: 100 })
  const counts = [...embeddings.sent]
    .filter(([text]) => text.startsWith('Sleep, part'))
    .map(([, count]) => count)
  expect(counts.filter(count => count > 1)).toHaveLength(32)
})

test('while a collection is replaced again and again, every answer is of one version, by whichever ranking', async () => {
  const { database, start } = await createScene()
  const [gateway, other] = await Promise.all([start(), start()])
  const documents = (version: number) =>
    Array.from({ length: 200 }, (_, n) => ({
      documentId: `d${n}`,
      text: `Sleep, part ${n} of ${version}`,
      metadata: { version },
    }))
  await ingestDocuments(gateway.url, 'busy', documents(1))
  let ingesting = true
  const searches = [gateway, other, gateway].map(async ({ url }, searcher) => {
    const versions: number[] = []
    while (ingesting) {
      const hits = await searchCollection(url, 'busy', searcher === 2 ? 'slumber' : 'sleep', 100)
      const seen = new Set(hits.map(hit => (hit.metadata as { version: number }).version))
      expect(seen.size).toBeLessThanOrEqual(1)
      if (searcher !== 2) expect(hits).toHaveLength(100)
      versions.push(...seen)
    }
    expect(versions).toEqual(versions.toSorted((one, two) => one - two))
    return versions
  })
  for (let version = 2; version <= 7; version++)
    await ingestDocuments(other.url, 'busy', documents(version), { replace: true })
  await filled(database, 'busy', 7)
  ingesting = false
  expect(new Set((await Promise.all(searches)).flat()).size).toBeGreaterThan(2)
  expect(await searchCollection(gateway.url, 'busy', 'slumber', 100)).toHaveLength(100)
})

test('a user who may not create the extension has searches by words, and is told once what to do', async () => {
  const { embeddings, start } = await createScene({ owner: 'mere_user' })
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  expect(idsOf(await searchCollection(gateway.url, 'library', 'sleep'))).toEqual(['sleep'])
  expect(gateway.logged().match(/collections are searched by words alone: [^"]*/g)).toEqual([
    'collections are searched by words alone: this user may not CREATE EXTENSION vector; somebody who may has to do it once',
  ])
  expect(embeddings.calls).toEqual([])
})

test('an extension that somebody has created in a schema of its own serves a user who could not', async () => {
  const { database, start } = await createScene({ owner: 'schema_user' })
  await database.query('CREATE SCHEMA "Extensions Here"')
  await database.query('CREATE EXTENSION vector SCHEMA "Extensions Here"')
  await database.query('GRANT USAGE ON SCHEMA "Extensions Here" TO schema_user')
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  expect(idsOf(await searchCollection(gateway.url, 'library', 'slumber')).toSorted()).toEqual([
    'insomnia',
    'sleep',
  ])
})

test('an extension that is dropped under a gateway leaves searches by words, and the next start makes it again', async () => {
  const { database, start } = await createScene()
  const gateway = await start()
  await ingestDocuments(gateway.url, 'library', LIBRARY)
  await filled(database, 'library', 1)
  await database.query('DROP EXTENSION vector CASCADE')
  expect(idsOf(await searchCollection(gateway.url, 'library', 'sleep'))).toEqual(['sleep'])
  await gateway.close()
  const next = await start()
  await filled(database, 'library', 1)
  expect(idsOf(await searchCollection(next.url, 'library', 'slumber')).toSorted()).toEqual([
    'insomnia',
    'sleep',
  ])
})

test('instances that start together on a new database all have vectors', async () => {
  const { database, start } = await createScene()
  const gateways = await Promise.all([start(), start(), start()])
  for (const gateway of gateways) expect(gateway.logged()).not.toContain('by words alone')
  expect(await database.query("SELECT 1 FROM pg_extension WHERE extname = 'vector'")).toHaveLength(1)
})
