import { afterEach, beforeEach, expect, test } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import type { FactDraft } from '../../src/providers/memory.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { post } from '../support/graphql-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { readMemory, remember } from '../support/reply-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateways: TestGateway[]
let generator: FakeGenerator

/** Longer than ten writers take on a busy machine. */
const SETTINGS = { LOCK_TIMEOUT_MS: '20000', DATABASE_POOL_SIZE: '20' }

beforeEach(async () => {
  database = await createTestDatabase()
  generator = new FakeGenerator()
  // Each line of a message is a fact: kind, subject or nothing, content.
  generator.learn = async ({ userMessage }) =>
    userMessage.split('\n').map((line): FactDraft => {
      const [kind = '', subject = '', content = ''] = line.split('|')
      return { kind: kind as FactDraft['kind'], subject: subject || null, content }
    })
  gateways = await Promise.all(
    [1, 2].map(() => startTestGateway({ databaseUrl: database.url, generator, settings: SETTINGS })),
  )
})
afterEach(async () => {
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
})

const at = (index: number) => gateways[index % 2]?.url ?? ''
const contents = async (token: string) => (await readMemory(at(0), token)).facts.map(({ content }) => content)
const lockOf = (subject: string) =>
  holdLock(
    database.url,
    `SELECT pg_advisory_xact_lock(hashtextextended('memory:' || id, 0)) FROM users WHERE subject = '${subject}'`,
  )

test('ten concurrent exchanges of one user on two instances: all facts are there, each once', async () => {
  const token = await tokenOf('busy')
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      remember(
        at(index),
        token,
        `preference||Likes number ${index}\nconstraint||The same for ALL.\nconstraint||the same for all`,
      ),
    ),
  )
  for (const [index, answer] of answers.entries())
    expect(answer.facts.map(({ content }) => content.toLowerCase())).toEqual([
      `likes number ${index}`,
      'the same for all.',
    ])
  const all = await contents(token)
  expect(all).toHaveLength(11)
  for (let index = 0; index < 10; index++) expect(all).toContain(`Likes number ${index}`)
  expect(await database.query('SELECT 1 FROM memory_facts')).toHaveLength(11)
})

test('a newer value of the same kind supersedes the older, which stays as history; also when ten are told at once', async () => {
  const token = await tokenOf('fickle')
  await remember(at(0), token, 'goal|calories|1800 kcal\npreference||Likes tea')
  await remember(at(1), token, 'goal|Calories|2000 kcal')
  expect(await contents(token)).toEqual(['Likes tea', '2000 kcal'])
  const memory = await readMemory(at(0), token)
  expect(memory.summary).toBe('2000 kcal. Likes tea.')
  await Promise.all(
    Array.from({ length: 10 }, (_, index) => remember(at(index), token, `goal|calories|${index} kcal`)),
  )
  const rows = await database.query<{ id: string; content: string; superseded_by: string | null }>(
    "SELECT id, content, superseded_by FROM memory_facts WHERE slot = 'goal:calories'",
  )
  expect(rows).toHaveLength(12)
  expect(rows.filter(row => row.superseded_by === null)).toHaveLength(1)
  // From the first to the one that counts each leads to the next.
  let row = rows.find(({ content }) => content === '1800 kcal')
  for (let step = 1; step < 12; step++) row = rows.find(({ id }) => id === row?.superseded_by)
  expect(row?.superseded_by).toBeNull()
  // And back again: what was history counts once more.
  await remember(at(0), token, 'goal|calories|1800 kcal')
  expect(await contents(token)).toEqual(['Likes tea', '1800 kcal'])
  // A fact that was superseded is still a node of its owner.
  const query = 'query N($id: ID!) { node(id: $id) { ... on MemoryFact { content } } }'
  const old = Buffer.from(`MemoryFact:${rows[0]?.id}`).toString('base64url')
  expect((await post(at(1), { query, variables: { id: old }, token })).data?.node).not.toBeNull()
  expect(
    (await post(at(1), { query, variables: { id: old }, token: await tokenOf('another') })).data?.node,
  ).toBeNull()
})

test('reads return at once while a writer holds the memory and another waits for it', async () => {
  const token = await tokenOf('reader')
  await remember(at(0), token, 'name|name|Ada')
  const held = await lockOf('reader')
  const waiting = remember(at(0), token, 'name|name|Beda')
  await held.waitedFor()
  for (const index of [0, 1])
    expect((await readMemory(at(index), token)).facts).toMatchObject([{ content: 'Ada' }])
  await held.release()
  expect(await waiting).toMatchObject({ __typename: 'RememberExchangePayload' })
  expect(await contents(token)).toEqual(['Beda'])
})

test('a writer that does not get the memory in time is told so, with nothing half saved, and is counted', async () => {
  const token = await tokenOf('late')
  const settings = { ...SETTINGS, LOCK_TIMEOUT_MS: '1500' }
  const late = await startTestGateway({ databaseUrl: database.url, generator, settings })
  gateways.push(late)
  await remember(late.url, token, 'name|name|Ada')
  const held = await lockOf('late')
  const [first, second] = await Promise.all([
    remember(late.url, token, 'name|name|Beda\npreference||Likes tea'),
    remember(late.url, token, 'name|name|Ceda'),
  ])
  for (const answer of [first, second]) {
    expect(answer).toMatchObject({ __typename: 'LockTimeoutError' })
    expect(answer.waitedMs).toBeGreaterThanOrEqual(1400)
    expect(answer.waitedMs).toBeLessThan(10_000)
  }
  await held.release()
  expect(await contents(token)).toEqual(['Ada'])
  expect(await database.query('SELECT 1 FROM memory_facts')).toHaveLength(1)
  expect(await late.metrics.registry.getSingleMetricAsString('memory_lock_timeout_total')).toMatch(
    /total 2$/m,
  )
  expect(await remember(at(0), token, 'name|name|Beda')).toMatchObject({
    __typename: 'RememberExchangePayload',
  })
})

test('of the writers of one user on an instance one waits in the database, and the others take no connection of it', async () => {
  const token = await tokenOf('crowd')
  const [gateway] = gateways
  if (!gateway) throw new Error('no gateway')
  await remember(gateway.url, token, 'name|name|Ada')
  const held = await lockOf('crowd')
  const writers = Promise.all(
    Array.from({ length: 10 }, (_, index) => remember(gateway.url, token, `preference||number ${index}`)),
  )
  await held.waitedFor()
  const queued = async () => {
    const health = (await (await fetch(`${gateway.url}/api/health/coordination`)).json()) as {
      lockQueues: { memory: { waiting: number } }
    }
    return health.lockQueues.memory.waiting
  }
  await until(async () => (await queued()) === 9, { what: 'nine writers to queue' })
  const waiting = await database.query(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'",
  )
  expect(waiting).toHaveLength(1)
  await held.release()
  expect((await writers).every(answer => answer.__typename === 'RememberExchangePayload')).toBe(true)
  expect(await contents(token)).toHaveLength(11)
})

test('what is said is read before the lock is asked for: a slow model keeps no other writer waiting', async () => {
  const token = await tokenOf('patient')
  const gate = new Gate()
  const { learn } = generator
  generator.learn = async (input, context) => {
    if (input.userMessage.includes('slow')) await gate.pass(context.signal)
    return learn(input, context)
  }
  const slow = remember(at(0), token, 'preference||slow')
  await gate.arrived(1)
  expect(await remember(at(0), token, 'preference||quick')).toMatchObject({
    __typename: 'RememberExchangePayload',
  })
  gate.open()
  await slow
  expect((await contents(token)).sort()).toEqual(['quick', 'slow'])
})

test('of one user ten reads are under way at once, and the rest queue', async () => {
  const token = await tokenOf('eager')
  const [gateway] = gateways
  if (!gateway) throw new Error('no gateway')
  await remember(gateway.url, token, 'name|name|Ada')
  const held = await holdLock(database.url, 'LOCK TABLE memory_facts IN ACCESS EXCLUSIVE MODE')
  const reads = Promise.all(Array.from({ length: 15 }, (_, n) => readMemory(gateway.url, token, `Read${n}`)))
  const underWay = async () =>
    (
      await database.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%memory_facts%'",
      )
    )[0]?.count
  const queued = async () => {
    const health = (await (await fetch(`${gateway.url}/api/health/coordination`)).json()) as {
      lockQueues: { memoryReads: { waiting: number } }
    }
    return health.lockQueues.memoryReads.waiting
  }
  // The ten go out together, in no more statements than batches are under way at once.
  await until(async () => (await queued()) === 5 && ((await underWay()) ?? 0) > 0, {
    what: 'ten reads to be under way, and five to queue',
  })
  expect(await underWay()).toBeLessThanOrEqual(2)
  await held.release()
  expect((await reads).every(memory => memory.hasData)).toBe(true)
})

test('a model that fails loses nothing that is said in plain words', async () => {
  const token = await tokenOf('unlucky')
  generator.learn = async () => {
    throw new GenerationError('No model today.', { retryable: true })
  }
  const answer = await remember(at(0), token, 'My name is Ugo and I am allergic to nuts.')
  expect(answer.facts.map(({ content }) => content)).toEqual(['Name: Ugo', 'Allergic to nuts'])
  expect(answer.summary).toBe('Name: Ugo. Allergic to nuts.')
})

test('whatever a model says is bounded before it is kept, and can be stored', async () => {
  const token = await tokenOf('talkative')
  generator.learn = async () => [
    ...Array.from({ length: 150 }, (_, index) => ({
      kind: 'about' as const,
      subject: null,
      content: `${index} \ud800 `.padEnd(600, 'x'),
    })),
  ]
  const answer = await remember(at(0), token, 'anything')
  expect(answer.facts).toHaveLength(100)
  expect(answer.facts.every(({ content }) => content.length === 500 && content.includes('\ufffd'))).toBe(true)
})

test('what is said again counts as said now, and what is said again late not as said earlier', async () => {
  const token = await tokenOf('steady')
  await remember(at(0), token, 'goal||Swim')
  const saidAt = async () =>
    (await database.query<{ said_at: Date }>('SELECT said_at FROM memory_facts'))[0]?.said_at.getTime() ?? 0
  await database.query("UPDATE memory_facts SET said_at = '2026-01-01'")
  await remember(at(1), token, 'goal||swim!')
  expect(await saidAt()).toBeGreaterThan(new Date('2026-01-02').getTime())
  await database.query("UPDATE memory_facts SET said_at = '2999-01-01'")
  await remember(at(1), token, 'goal||swim')
  expect(await saidAt()).toBe(new Date('2999-01-01').getTime())
})

test.each<[what: string, said: [string, string], path: string]>([
  ['nothing said', ['', 'x'], 'input.userMessage'],
  ['a NUL', ['a\0', 'x'], 'input.userMessage'],
  ['half a pair in the answer', ['x', '\ud800'], 'input.aiResponse'],
  ['a megabyte', ['x'.repeat(1024 * 1024), 'x'], 'input.userMessage'],
])('%s is refused with its field', async (_what, [userMessage, aiResponse], path) => {
  const answer = await remember(at(0), await tokenOf('careless'), userMessage, aiResponse)
  expect(answer).toMatchObject({ __typename: 'InvalidInputError' })
  expect(answer.issues[0]?.path.join('.')).toBe(path)
  expect(generator.exchanges).toEqual([])
})
