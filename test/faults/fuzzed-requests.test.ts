import { Agent, request } from 'node:http'
import { Writable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CONTRACT_CODES, internalsIn } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const CASES = 10_000
/** The same for everybody; another one with FUZZ_SEED. */
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_126)
const AT_ONCE = 16
/** What may stay after half of the cases: caches fill up to their bounds. */
const MAX_GROWTH_BYTES = 48 * 1024 * 1024

let database: TestDatabase
let gateway: TestGateway
let token: string
let logged = ''
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings: { LOG_LEVEL: 'error', GRAPHIQL: 'off' },
    logTo: new Writable({
      write(chunk, _encoding, done) {
        logged += chunk
        done()
      },
    }),
  })
  token = await tokenOf('fuzzer')
})
afterAll(async () => {
  agent.destroy()
  await gateway?.close()
  await database?.drop()
})

/** Random numbers from a seed (mulberry32). */
function randomFrom(seed: number) {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (n: number) => Math.floor(next() * n)
  const pick = <T>(of: readonly T[]): T => of[below(of.length)] as T
  return { below, pick, chance: (p: number) => next() < p }
}
type Random = ReturnType<typeof randomFrom>

const VALID: { query: string; variables?: Record<string, unknown>; operationName?: string }[] = [
  { query: '{ __typename }' },
  {
    query:
      '{ viewer { id email emailVerified createdAt tracking { archetype analysisCount } memory { summary facts { id } } } }',
  },
  {
    query:
      'query Page($first: Int, $after: String) { viewer { analyses(first: $first, after: $after) { edges { cursor node { id insights { kind title } plans { id } } } pageInfo { endCursor hasNextPage } totalCount } } }',
    variables: { first: 5, after: null },
    operationName: 'Page',
  },
  {
    query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Analysis { summary } } }',
    variables: { ids: ['QW5hbHlzaXM6MQ', 'x'] },
  },
  { query: '{ collectiveFacts(first: 3, category: "general") { nodes { content sourceCount } } }' },
  { query: '{ searchCollection(collection: "c", query: "a \\"b\\" -d", first: 2) { snippet score } }' },
  {
    query:
      'mutation Record($points: [DataPointInput!]!) { recordDataPoints(points: $points) { __typename ... on InvalidInputError { issues { path message } } ... on RecordDataPointsPayload { stored } } }',
    variables: {
      points: [
        { externalId: 'a', metric: 'steps', recordedAt: '2026-11-01T00:00:00.000Z', source: 's', value: 1.5 },
      ],
    },
  },
  {
    query:
      'mutation ($input: RequestAnalysisInput!) { requestAnalysis(input: $input) { __typename ... on Error { code message } } }',
    variables: { input: { archetype: 'PEAK_PERFORMER', waitMs: 10, idempotencyKey: 'k' } },
  },
  {
    query:
      'mutation ($input: UpdatePreferencesInput!) { updatePreferences(input: $input) { __typename ... on InvalidInputError { issues { path } } } }',
    variables: { input: { calorieGoal: 2000, mealTimes: ['08:00'], dietaryRestrictions: ['nuts'] } },
  },
  {
    query: 'mutation ($input: UpsertStatsInput!) { upsertStats(input: $input) { __typename } }',
    variables: { input: { provider: 'STRAVA', statsType: 'year', data: { a: [1, { b: null }] } } },
  },
  {
    query: 'mutation ($input: SaveConversationInput!) { saveConversation(input: $input) { __typename } }',
    variables: {
      input: {
        sessionId: 's',
        messages: [{ role: 'USER', content: 'hello', clientId: 'c' }],
        metadata: { a: 1 },
      },
    },
  },
  {
    query: 'mutation ($input: ContributeFactInput!) { contributeFact(input: $input) { __typename } }',
    variables: { input: { content: 'water helps' } },
  },
  { query: 'mutation { logout(refreshToken: "x") }' },
  {
    query: 'query A { ...F } query B { ...F } fragment F on Query { viewer { id @include(if: true) } }',
    operationName: 'B',
  },
]
const PIECES = [
  '{',
  '}',
  '(',
  ')',
  '[',
  ']',
  '!',
  '$',
  '@',
  ':',
  '...',
  '"',
  '"""',
  '\\',
  '#',
  '\n',
  '\0',
  '\ud800',
  'é',
  '🚲',
  '-1',
  '1e999',
  '0x1',
  'null',
  'true',
  'fragment F on Query',
  '__typename',
  '__schema { types { name } }',
  '@skip(if: $a)',
  'subscription',
  ' on ',
  '99999999999999999999',
]
const VALUES: unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 31,
  Number.MAX_SAFE_INTEGER,
  '',
  'x',
  '\0',
  '\ud800',
  'é'.repeat(2000),
  '2026-13-45',
  [],
  {},
  [[[]]],
  { __proto__: 1, constructor: {} },
  ['a', null, 5],
  'PEAK_PERFORMER',
  'VXNlcjox',
  { a: { a: { a: {} } } },
]

function mutateText(random: Random, text: string): string {
  let mutated = text
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(mutated.length + 1)
    const until = Math.min(mutated.length, at + random.below(12))
    const kind = random.below(4)
    if (kind === 0) mutated = mutated.slice(0, at) + mutated.slice(until)
    else if (kind === 1) mutated = mutated.slice(0, at) + random.pick(PIECES) + mutated.slice(at)
    else if (kind === 2)
      mutated =
        mutated.slice(0, until) + mutated.slice(at, until).repeat(random.below(5)) + mutated.slice(until)
    else
      mutated =
        mutated.slice(0, at) +
        String.fromCharCode(random.below(random.chance(0.9) ? 128 : 65_536)) +
        mutated.slice(at + 1)
  }
  return mutated
}

/** Another value somewhere in it, or a member more, or one less. */
function mutateValue(random: Random, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.2)) return random.pick(VALUES)
  const copy = structuredClone(value) as Record<string, unknown>
  const keys = Object.keys(copy)
  const key =
    keys.length === 0 || random.chance(0.1)
      ? random.pick(['x', '__proto__', '0', 'query', 'first'])
      : random.pick(keys)
  if (random.chance(0.15)) delete copy[key]
  else copy[key] = mutateValue(random, copy[key])
  return copy
}

interface Case {
  method: string
  path: string
  headers: Record<string, string>
  body: string | Buffer
}

function makeCase(random: Random): Case {
  const headers: Record<string, string> = {
    'content-type': random.chance(0.95)
      ? 'application/json'
      : random.pick([
          'text/plain',
          'application/json; charset=latin1',
          'multipart/form-data; boundary=x',
          'application/graphql',
          '',
        ]),
    accept: random.pick([
      'application/json',
      'application/graphql-response+json',
      '*/*',
      'text/event-stream',
      'multipart/mixed',
      'text/html;q=0.1, */*;q=0',
      ';;,q=',
      'application/json;q=2',
    ]),
  }
  if (random.chance(0.8))
    headers.authorization = random.chance(0.9)
      ? `Bearer ${token}`
      : random.pick(['Bearer', 'Basic x', `Bearer ${token}x`, 'Bearer a.b.c'])
  if (random.chance(0.05)) headers['last-event-id'] = random.pick(['1', '-1', 'x', '99999999999'])
  if (random.chance(0.05)) headers['accept-encoding'] = random.pick(['gzip', 'br', 'deflate', 'x', '*;q=0'])
  const valid = structuredClone(random.pick(VALID)) as Record<string, unknown>
  const kind = random.below(10)
  if (kind < 4) valid.query = mutateText(random, String(valid.query))
  else if (kind < 7) valid.variables = mutateValue(random, valid.variables ?? {})
  else if (kind === 7)
    Object.assign(
      valid,
      mutateValue(random, {
        ...valid,
        extensions: { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } },
        documentId: null,
      }),
    )
  const text = JSON.stringify(valid)
  if (random.chance(0.1)) {
    const parameters = new URLSearchParams()
    for (const [name, value] of Object.entries(valid))
      parameters.set(name, typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
    const query = random.chance(0.5)
      ? parameters.toString()
      : encodeURI(mutateText(random, parameters.toString()).toWellFormed()).replace(/[^\x21-\x7e]/g, '')
    return { method: 'GET', path: `/graphql?${query}`.slice(0, 8000), headers, body: '' }
  }
  const method = random.chance(0.97) ? 'POST' : random.pick(['PUT', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD'])
  if (kind === 8) return { method, path: '/graphql', headers, body: mutateText(random, text) }
  if (kind === 9)
    return {
      method,
      path: '/graphql',
      headers,
      body: Buffer.from(Array.from({ length: random.below(300) }, () => random.below(256))),
    }
  return { method, path: '/graphql', headers, body: text }
}

/** @param again on a connection of its own: one that is kept may be closed by the gateway just as the next request goes out. */
function send(
  { method, path, headers, body }: Case,
  again = false,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const connection = again ? false : agent
    const sent = request(`${gateway.url}${path}`, { method, headers, agent: connection }, response => {
      let text = ''
      const answered = () => resolve({ status: response.statusCode ?? 0, text })
      response.setEncoding('utf8')
      response.on('error', answered)
      response.on('close', answered)
      response.on('data', chunk => {
        text += chunk
        // A subscription that came about would not end.
        if (text.includes('event: next')) response.destroy()
      })
      if (String(response.headers['content-type']).startsWith('text/event-stream'))
        setTimeout(() => response.destroy(), 2000).unref()
    })
    sent.on('error', error => (again ? reject(error) : resolve(send({ method, path, headers, body }, true))))
    sent.end(body)
  })
}

const collectGarbage = (() => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
})()
const heapBytes = () => {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

test(`${CASES} random and mutated requests: none is answered with what is not masked, nothing crashes or leaks`, {
  timeout: 400_000,
}, async () => {
  const random = randomFrom(SEED)
  const codes = new Map<string, number>()
  let begun = 0
  const work = async (until: number) => {
    while (begun < until) {
      begun++
      const sent = makeCase(random)
      const answer = await send(sent).catch(error => {
        throw new Error(`seed ${SEED}: ${JSON.stringify(sent)} was not answered; logged: ${logged}`, {
          cause: error,
        })
      })
      const shown = `seed ${SEED}: ${JSON.stringify({ ...sent, headers: { ...sent.headers, authorization: undefined }, body: sent.body.toString() })} → ${answer.status} ${answer.text.slice(0, 500)}`
      if (answer.status >= 500) expect(answer.text, shown).toMatch(/"code":"(UNAVAILABLE|TIMEOUT)"/)
      expect(internalsIn(answer.text), shown).toEqual([])
      for (const [, code = ''] of answer.text.matchAll(/"extensions":\{"code":"([A-Z_]+)"/g)) {
        expect(CONTRACT_CODES, shown).toContain(code)
        expect(code, shown).not.toBe('INTERNAL')
        codes.set(code, (codes.get(code) ?? 0) + 1)
      }
    }
  }
  const all = (until: number) => Promise.all(Array.from({ length: AT_ONCE }, () => work(until)))
  await all(CASES / 2)
  const before = heapBytes()
  await all(CASES)
  const growth = heapBytes() - before
  expect(begun).toBe(CASES)
  // They went deep enough to mean something.
  for (const code of [
    'BAD_USER_INPUT',
    'GRAPHQL_PARSE_FAILED',
    'GRAPHQL_VALIDATION_FAILED',
    'UNAUTHENTICATED',
  ])
    expect(codes.get(code), `${code} of ${JSON.stringify([...codes])}`).toBeGreaterThan(20)
  expect(logged).toBe('')
  expect(growth).toBeLessThan(MAX_GROWTH_BYTES)
  agent.destroy()
  const active = async () => (await gateway.metrics.subscriptionsActive.get()).values[0]?.value ?? 0
  await until(async () => (await active()) === 0, { what: 'the subscriptions to end' })
  const pool = async () => {
    const text = await gateway.metrics.registry.getSingleMetricAsString('database_pool_connections')
    return /state="active"\} (\d+)/.exec(text)?.[1]
  }
  await until(async () => (await pool()) === '0', { what: 'every connection to be back in the pool' })
  const answer = await send({
    method: 'POST',
    path: '/graphql',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: '{"query":"{ viewer { email } }"}',
  })
  expect(answer.text).toContain('fuzzer@example.com')
})
