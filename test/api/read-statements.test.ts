import { Server } from 'node:http'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest'
import { CancellablePool } from '../../src/database/cancellable-client.ts'
import { loadReadsData, type ReadsData, subjectOf } from '../bench/reads-data.ts'
import { type Shape, shapes } from '../bench/reads-shapes.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

/** Of each shape of the benchmark: what it reads, each a statement whatever the sizes of its lists. */
const STATEMENTS: Record<string, string[]> = {
  // Nobody is asked about: no look at who asks.
  typename: [],
  analysis: ['users-find-by-subject', 'analyses-find-by-ids'],
  viewer: ['users-find-by-subject', 'analyses-find-latest-heads', 'tracking-find-by-user-ids'],
  analyses: [
    'users-find-by-subject',
    'analyses-head-pages',
    'insights-find-by-analysis-ids',
    'plans-find-heads-by-analysis-ids',
  ],
  interviews: [
    'users-find-by-subject',
    'interviews-pages',
    'enhanced-prompts-find-by-interview-ids',
    'interview-changes-find-by-interview-ids',
  ],
  messages: ['users-find-by-subject', 'conversations-find-heads-by-session', 'messages-pages'],
  facts: ['users-find-by-subject', 'facts-first-page-promoted', 'facts-find-contributed-by-one'],
}
const READS =
  /^(users|analyses|insights|tracking|plans|interviews?|enhanced|conversations|messages|facts|memory|preferences)-/
/** What the watch over interviews and the cache of conversations read for themselves. */
const BACKGROUND = new Set(['interviews-count-overdue', 'messages-read-tail'])
const CONCURRENT = 40

let database: TestDatabase
let gateway: TestGateway
let data: ReadsData
/** Names of statements, as they came to the pool. */
let sent: string[]
/** While it is there, reads wait for it. */
let held: PromiseWithResolvers<void> | undefined
/** Requests that the gateway has begun. */
let arrived: number

beforeAll(async () => {
  database = await createTestDatabase()
  data = await loadReadsData(text => database.query(text), 0.01)
  gateway = await startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})
beforeEach(() => {
  sent = []
  held = undefined
  arrived = 0
  const { runPrepared } = CancellablePool.prototype
  vi.spyOn(CancellablePool.prototype, 'runPrepared').mockImplementation(async function (
    this: CancellablePool,
    ...args: unknown[]
  ) {
    const { name } = args[0] as { name: string }
    // Jobs, leases and the outbox go on meanwhile.
    if (READS.test(name) && !BACKGROUND.has(name)) {
      sent.push(name)
      await held?.promise
    }
    return Reflect.apply(runPrepared, this, args)
  } as never)
  const { emit } = Server.prototype
  vi.spyOn(Server.prototype, 'emit').mockImplementation(function (this: Server, ...args: unknown[]) {
    if (args[0] === 'request') arrived++
    return Reflect.apply(emit, this, args)
  } as never)
})
afterEach(() => {
  vi.restoreAllMocks()
})

async function ask(shape: Shape, n: number, query = shape.query): Promise<unknown> {
  const subject = subjectOf(shape.asker(n, data))
  const answer = await post(gateway.url, {
    query,
    variables: shape.variables(n, data),
    token: await tokenOf(subject),
  })
  expect(answer.errors).toBeUndefined()
  // A cursor of facts holds when its first page was read.
  return JSON.parse(JSON.stringify(answer.data, (name, value) => (name === 'endCursor' ? undefined : value)))
}

describe.each(shapes)('$name', shape => {
  const expected = STATEMENTS[shape.name] ?? []

  test('costs the same statements whatever the size of its lists', async () => {
    await ask(shape, 1)
    expect([...sent].sort()).toEqual([...expected].sort())
    sent = []
    await ask(shape, 1, shape.query.replaceAll(/first: \d+/g, 'first: 1'))
    // The newest messages come from the cache by then.
    const read = expected.filter(name => name !== 'messages-pages' || sent.includes(name))
    expect([...sent].sort()).toEqual([...read].sort())
  })

  test(`asked for ${CONCURRENT} times at once, costs few statements, and gives each what it gives alone`, async () => {
    const askers = Math.min(CONCURRENT, shape.askers(data))
    const numbers = Array.from({ length: CONCURRENT }, (_, index) => (index % askers) + 1)
    const alone = new Map<number, unknown>()
    for (const n of new Set(numbers)) alone.set(n, await ask(shape, n))
    sent = []
    arrived = 0
    held = Promise.withResolvers()
    const together = Promise.all(numbers.map(n => ask(shape, n)))
    await until(() => arrived === CONCURRENT, { what: 'all requests' })
    held.resolve()
    expect(await together).toEqual(numbers.map(n => alone.get(n)))
    expect(sent.length).toBeLessThanOrEqual((CONCURRENT * expected.length) / 4)
  })
})

test.each([
  ['analyses(first: 2) { nodes { id } totalCount }', ['analyses-count', 'analyses-head-pages']],
  ['analyses(first: 2) { nodes { result } }', ['analyses-pages']],
  ['analyses(first: 2) { edges { node { ...R } } }', ['analyses-pages']],
  [
    'analyses(first: 2) { edges { node { ... on Node { ... on Analysis { r: result } } } } }',
    ['analyses-pages'],
  ],
  ['analyses(archetype: PEAK_PERFORMER, first: 2) { nodes { id } }', ['analyses-head-pages-of-archetype']],
  ['analyses(archetype: PEAK_PERFORMER, first: 2) { nodes { result } }', ['analyses-pages-of-archetype']],
  ['latestAnalysis(archetype: PEAK_PERFORMER) { result }', ['analyses-find-latest']],
  ['latestPlan(kind: MENU, archetype: PEAK_PERFORMER) { id }', ['plans-find-latest-heads']],
  ['latestPlan(kind: MENU, archetype: PEAK_PERFORMER) { items { day } }', ['plans-find-latest']],
  ['plans(first: 2) { nodes { title } }', ['plans-head-pages']],
  ['plans(first: 2) { nodes { items { title } } }', ['plans-pages']],
  ['conversations(first: 2) { nodes { sessionId } }', ['conversations-head-pages']],
  ['conversations(first: 2) { nodes { metadata } }', ['conversations-pages']],
])(
  '%s reads no large column that it does not show, and counts only for totalCount',
  async (fields, expected) => {
    const fragment = fields.includes('...R') ? 'fragment R on Analysis { result }' : ''
    const { data, errors } = await post<{ viewer: unknown }>(gateway.url, {
      query: `{ viewer { ${fields} } } ${fragment}`,
      token: await tokenOf('reader-1'),
    })
    expect(errors).toBeUndefined()
    expect(JSON.stringify(data)).not.toContain('null')
    expect(sent.filter(name => !name.startsWith('users-')).sort()).toEqual(expected)
  },
)

test('one user is never given what another has asked for, with the same query at the same moment', async () => {
  const answers = await Promise.all(
    Array.from({ length: 60 }, async (_, index) => {
      const n = (index % 10) + 1
      const { data } = await post<{ viewer: { email: string } }>(gateway.url, {
        query: '{ viewer { email } }',
        token: await tokenOf(subjectOf(n)),
      })
      return [n, data?.viewer.email]
    }),
  )
  for (const [n, email] of answers) expect(email).toBe(`reader-${n}@example.com`)
})

test('what somebody has written is in what they read after it, however many read meanwhile', async () => {
  const token = await tokenOf('reader-2')
  const read = async () => {
    const { data } = await post<{ viewer: { preferences: { version: number } } }>(gateway.url, {
      query: '{ viewer { preferences { version } } }',
      token,
    })
    return data?.viewer.preferences.version
  }
  let reading = true
  const readers = Array.from({ length: 8 }, async () => {
    while (reading) await read()
  })
  onTestFinished(() => {
    reading = false
  })
  for (let version = 1; version <= 20; version++) {
    const written = await post<{ updatePreferences: { preferences: { version: number } } }>(gateway.url, {
      query: `mutation { updatePreferences(input: { calorieGoal: ${2000 + version} }) { ... on UpdatePreferencesPayload { preferences { version } } } }`,
      token,
    })
    expect(written.data?.updatePreferences.preferences.version).toBe(version)
    expect(await read()).toBe(version)
  }
  reading = false
  await Promise.all(readers)
})

test('a session id that no text of the database can be is nobody’s, and harms nobody who reads with it', async () => {
  const token = await tokenOf('reader-1')
  const read = (sessionId: string) =>
    post<{ viewer: { conversation: { id: string } | null } }>(gateway.url, {
      query: 'query ($sessionId: String!) { viewer { conversation(sessionId: $sessionId) { id } } }',
      variables: { sessionId },
      token,
    })
  const strange = ['\0', 'a\ud800', '{"a"}', '\\', '"', 'NULL', '', "'; SELECT 1"]
  const answers = await Promise.all(['session-1', ...strange].map(read))
  expect(answers.map(answer => answer.errors)).toEqual(answers.map(() => undefined))
  expect(answers.map(answer => answer.data?.viewer.conversation !== null)).toEqual([
    true,
    ...strange.map(() => false),
  ])
})
