import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Hit,
  type IngestionAnswer,
  ingestDocuments,
  searchCollection,
} from '../support/collection-client.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateways: TestGateway[]
/** Gives up on a collection soon. */
let impatient: TestGateway
const url = (index: number) => gateways[index % gateways.length]?.url ?? ''

beforeAll(async () => {
  database = await createTestDatabase()
  const start = (settings: Record<string, string> = {}) =>
    startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator(), settings })
  gateways = await Promise.all([1, 2, 3].map(() => start({ DATABASE_POOL_SIZE: '8' })))
  impatient = await start({ INGEST_LOCK_TIMEOUT_MS: '300' })
})
afterAll(async () => {
  await Promise.all([...(gateways ?? []), ...(impatient ? [impatient] : [])].map(gateway => gateway.close()))
  await database?.drop()
})

const documents = (count: number, version: number | string) =>
  Array.from({ length: count }, (_, index) => ({
    documentId: `document ${index}`,
    text: `Document ${index} about sleep, as version ${version} has it`,
    metadata: { version },
  }))
const versionsOf = (hits: readonly Hit[]) => [
  ...new Set(hits.map(hit => (hit.metadata as { version: number | string }).version)),
]
const collectionRow = async (name: string) =>
  (
    await database.query<{ version: number; count: number; documents: number }>(
      `SELECT version, document_count AS count,
         (SELECT count(*)::int FROM documents d WHERE d.collection_id = c.id) AS documents
       FROM collections c WHERE name = $1`,
      [name],
    )
  )[0]
const lockQueues = async (gateway: TestGateway) =>
  (
    (await (await fetch(`${gateway.url}/api/health/coordination`)).json()) as {
      lockQueues: Record<string, { waiting: number; held: number }>
    }
  ).lockQueues

test('while ten ingestions of 1,000 documents replace a collection, every search is answered from exactly one version, and never from an older one than before', async () => {
  await ingestDocuments(url(0), 'busy', documents(1000, 1))
  let ingesting = true
  const searches = [0, 1, 2, 3, 4, 5].map(async searcher => {
    const versions: number[] = []
    while (ingesting) {
      const hits = await searchCollection(url(searcher), 'busy', 'sleep', 100)
      expect(hits).toHaveLength(100)
      expect(versionsOf(hits)).toHaveLength(1)
      versions.push(Number(versionsOf(hits)[0]))
    }
    return versions
  })
  for (let version = 2; version <= 11; version++) {
    expect(
      await ingestDocuments(url(version), 'busy', documents(1000, version), { replace: true }),
    ).toMatchObject({ version, documentCount: 1000, ingested: 1000 })
  }
  ingesting = false
  const seen = await Promise.all(searches)
  for (const versions of seen) expect(versions).toEqual(versions.toSorted((one, other) => one - other))
  expect(new Set(seen.flat()).size).toBeGreaterThan(5)
  expect(await collectionRow('busy')).toEqual({ version: 11, count: 1000, documents: 1000 })
})

test('two ingestions at once, on one instance or on two, go one after the other', async () => {
  for (const others of [0, 1]) {
    const name = `turns ${others}`
    const answers = await Promise.all([
      ingestDocuments(url(0), name, documents(300, 'a'), { replace: true }),
      ingestDocuments(url(others), name, documents(400, 'b'), { replace: true }),
    ])
    expect(answers.map(answer => answer.version).toSorted()).toEqual([1, 2])
    const last = answers.find(answer => answer.version === 2)
    const hits = await searchCollection(url(2), name, 'sleep', 100)
    expect(versionsOf(hits)).toEqual([last?.ingested === 300 ? 'a' : 'b'])
    expect(await collectionRow(name)).toEqual({
      version: 2,
      count: last?.ingested,
      documents: last?.ingested,
    })
  }
})

/** An ingestion that stands still with its documents half written: one of the rows that it changes is held. */
async function standStill(name: string, ingest: () => Promise<IngestionAnswer>) {
  const held = await holdLock(
    database.url,
    `SELECT 1 FROM documents d JOIN collections c ON c.id = d.collection_id
     WHERE c.name = '${name}' AND d.document_id = 'document 250' FOR UPDATE OF d`,
  )
  const ingestion = ingest()
  await held.waitedFor()
  return { ingestion, release: () => held.release() }
}

test('an ingestion that stands still blocks no search, here or elsewhere, and shows nothing of itself', async () => {
  await ingestDocuments(url(0), 'still', documents(300, 1))
  const { ingestion, release } = await standStill('still', () =>
    ingestDocuments(url(0), 'still', documents(300, 2)),
  )
  for (const index of [0, 1, 2]) {
    const hits = await searchCollection(url(index), 'still', 'sleep', 100)
    expect(hits).toHaveLength(100)
    expect(versionsOf(hits)).toEqual([1])
  }
  await release()
  expect(await ingestion).toMatchObject({ version: 2 })
  expect(versionsOf(await searchCollection(url(1), 'still', 'sleep', 100))).toEqual([2])
})

test('ingestions that queue for one collection do not hold up another', async () => {
  await ingestDocuments(url(0), 'queued', documents(300, 1))
  const { ingestion, release } = await standStill('queued', () =>
    ingestDocuments(url(0), 'queued', documents(300, 2)),
  )
  const queue = [3, 4, 5].map(version => ingestDocuments(url(0), 'queued', documents(300, version)))
  const [gateway] = gateways
  await until(async () => gateway !== undefined && (await lockQueues(gateway)).collections?.waiting === 3, {
    what: 'three to queue',
  })
  expect(await ingestDocuments(url(0), 'passing', documents(1, 1))).toMatchObject({ version: 1 })
  await release()
  expect((await Promise.all([ingestion, ...queue])).map(answer => answer.version).toSorted()).toEqual([
    2, 3, 4, 5,
  ])
})

test('who waits too long for a collection is told which one it is, and nothing is changed', async () => {
  await ingestDocuments(url(0), 'taken', documents(300, 1))
  const { ingestion, release } = await standStill('taken', () =>
    ingestDocuments(url(0), 'taken', documents(300, 2)),
  )
  // The first of the two waits in the database, the second behind it on the instance.
  const refused = await Promise.all(
    [1, 2].map(() => ingestDocuments(impatient.url, 'taken', documents(10, 'refused'), { replace: true })),
  )
  for (const answer of refused) {
    expect(answer).toMatchObject({ __typename: 'LockTimeoutError', code: 'LOCK_TIMEOUT' })
    expect(answer.message).toContain('"taken"')
    expect(answer.waitedMs).toBeGreaterThanOrEqual(290)
    // Less than what any other statement may wait for a lock.
    expect(answer.waitedMs).toBeLessThan(4000)
  }
  expect(versionsOf(await searchCollection(impatient.url, 'taken', 'sleep', 100))).toEqual([1])
  // Another collection is not concerned.
  expect(await ingestDocuments(impatient.url, 'free', documents(1, 1))).toMatchObject({ version: 1 })
  await release()
  expect(await ingestion).toMatchObject({ version: 2, documentCount: 300 })
  expect(await collectionRow('taken')).toEqual({ version: 2, count: 300, documents: 300 })
  expect(await impatient.metrics.registry.getSingleMetricAsString('collection_lock_timeout_total')).toContain(
    'collection_lock_timeout_total{collection_name="taken"} 2',
  )
  expect(await ingestDocuments(impatient.url, 'taken', documents(1, 3))).toMatchObject({ version: 3 })
})

test('a long wait for a collection outlasts the bound of a single statement', async () => {
  await ingestDocuments(url(0), 'patience', documents(1, 1))
  const held = await holdLock(database.url, "SELECT 1 FROM collections WHERE name = 'patience' FOR UPDATE")
  const ingestion = ingestDocuments(url(0), 'patience', documents(1, 2))
  await held.givenUp(await held.waitedFor())
  await held.waitedFor()
  await held.release()
  expect(await ingestion).toMatchObject({ version: 2 })
})

test('who waits too long behind an ingestion of the same instance is told so as well', async () => {
  // What takes long without waiting for a lock itself.
  await database.query(`
    CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$;
    CREATE TRIGGER take_long BEFORE INSERT ON documents FOR EACH ROW
      WHEN (NEW.document_id = 'long') EXECUTE FUNCTION take_long()`)
  const ingestion = ingestDocuments(impatient.url, 'taken here', [{ documentId: 'long', text: 'sleep' }])
  await until(
    async () =>
      (
        await database.query(
          "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()",
        )
      ).length > 0,
    { what: 'the first ingestion to be at it' },
  )
  const refused = await ingestDocuments(impatient.url, 'taken here', documents(1, 2))
  expect(refused).toMatchObject({ __typename: 'LockTimeoutError' })
  expect(refused.waitedMs).toBeGreaterThanOrEqual(290)
  expect(await ingestion).toMatchObject({ version: 1, documentCount: 1 })
})

test('a first ingestion that fails leaves no collection behind', async () => {
  const held = await holdLock(database.url, "INSERT INTO collections (name) VALUES ('unborn')")
  expect(await ingestDocuments(impatient.url, 'unborn', documents(1, 1))).toMatchObject({
    __typename: 'LockTimeoutError',
  })
  await held.release()
  expect(await collectionRow('unborn')).toBeUndefined()
})

test('of the searches of one collection 20 go on at once, others queue, and another collection is not held up', async () => {
  // With a connection for each of them, so that nobody waits for anything else.
  const gateway = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings: { DATABASE_POOL_SIZE: '26', LOCK_TIMEOUT_MS: '20000' },
  })
  for (const name of ['crowded', 'quiet']) await ingestDocuments(url(0), name, documents(10, 1))
  const held = await holdLock(database.url, 'LOCK TABLE documents IN ACCESS EXCLUSIVE MODE')
  const answers = Promise.all([
    searchCollection(gateway.url, 'quiet', 'sleep'),
    // The same search of one user at once would be one.
    ...Array.from({ length: 23 }, (_, n) => searchCollection(gateway.url, 'crowded', 'sleep', 5 + n)),
  ])
  await until(async () => (await lockQueues(gateway)).searches?.held === 2, { what: 'both to be searched' })
  await until(async () => (await lockQueues(gateway)).searches?.waiting === 3, { what: 'three to queue' })
  await held.release()
  for (const hits of await answers) expect(hits.length).toBeGreaterThanOrEqual(5)
  expect((await lockQueues(gateway)).searches).toEqual({ waiting: 0, held: 0 })
  await gateway.close()
})

test('ingestions that wait leave the connections of the pool to the searches', async () => {
  for (const name of ['a', 'b', 'c', 'd', 'e', 'searched'])
    await ingestDocuments(url(0), `pool ${name}`, documents(10, 1))
  const small = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings: { DATABASE_POOL_SIZE: '3' },
  })
  const held = await holdLock(database.url, "SELECT 1 FROM collections WHERE name LIKE 'pool _' FOR UPDATE")
  const ingestions = ['a', 'b', 'c', 'd', 'e'].map(name =>
    ingestDocuments(small.url, `pool ${name}`, documents(10, 2)),
  )
  await until(async () => (await lockQueues(small)).ingestions?.waiting === 3, { what: 'three to wait here' })
  expect(await searchCollection(small.url, 'pool searched', 'sleep')).toHaveLength(5)
  await held.release()
  for (const answer of await Promise.all(ingestions)) expect(answer).toMatchObject({ version: 2 })
  await small.close()
})
