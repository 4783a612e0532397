import { getIntrospectionQuery } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, expectError } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { connectSocket } from '../support/web-socket-client.ts'

let database: TestDatabase
let gateway: TestGateway
let roomy: TestGateway
let token: string
const generator = new FakeGenerator()
beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({
    databaseUrl: database.url,
    generator,
    settings: {
      OPERATION_MAX_TOKENS: '400',
      OPERATION_MAX_DEPTH: '5',
      OPERATION_MAX_ALIASES: '4',
      OPERATION_MAX_ROOT_FIELDS: '6',
      OPERATION_MAX_DIRECTIVES: '3',
      OPERATION_MAX_COST: '100',
    },
  })
  roomy = await startTestGateway({ databaseUrl: database.url, generator })
  token = await tokenOf('limited')
})
afterAll(async () => {
  await gateway?.close()
  await roomy?.close()
  await database?.drop()
})

const repeat = (count: number, of: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => of(i)).join(' ')
const nested = (levels: number): string =>
  levels === 1
    ? 'id'
    : `user { ${levels === 2 ? 'id' : `latestAnalysis(archetype: PEAK_PERFORMER) { ${nested(levels - 2)} }`} }`

/** Each limit, where it lies, and an operation that is so large. */
const LIMITS: [what: string, bound: number, ofSize: (size: number) => string][] = [
  ['tokens', 400, size => `{ viewer { ${repeat(size - 5, () => 'id')} } }`],
  [
    'levels of fields',
    5,
    size => `{ viewer { latestAnalysis(archetype: PEAK_PERFORMER) { ${nested(size - 2)} } } }`,
  ],
  [
    'levels of fields, those in fragments too',
    5,
    size => `{ viewer { ...F } } fragment F on User { latestAnalysis(archetype: PEAK_PERFORMER) { ...G } }
             fragment G on Analysis { ${nested(size - 2)} }`,
  ],
  ['aliases', 4, size => `{ viewer { ${repeat(size, i => `a${i}: id`)} } }`],
  ['aliases of __typename', 4, size => `{ ${repeat(size, i => `a${i}: __typename`)} }`],
  [
    'aliases, those of a fragment as often as it is spread',
    4,
    size =>
      `{ viewer { a: id latestAnalysis(archetype: PEAK_PERFORMER) { user { ...F ${repeat(size - 2, () => '...F')} } } } }
       fragment F on User { b: id }`,
  ],
  ['fields at the root', 6, size => `{ ${repeat(size, () => '__typename')} }`],
  [
    'fields at the root, those of a fragment too',
    6,
    size => `{ ...F } fragment F on Query { ${repeat(size, () => '__typename')} }`,
  ],
  ['directives', 3, size => `{ viewer { ${repeat(size, () => 'id @include(if: true)')} } }`],
  // The viewer, the connection, and the rest for its nodes.
  ['cost', 100, size => `{ viewer { analyses(first: ${size - 2}) { nodes { id } } } }`],
  [
    'cost of a list of ids',
    100,
    size =>
      `{ viewer { analyses(first: 48) { nodes { id } } } nodes(ids: [${repeat(size - 50, i => `"${i}"`)}]) { __typename } }`,
  ],
]

describe.each(LIMITS)('%s', (what, bound, ofSize) => {
  // Ids that nobody gave are refused once they are looked at: the limit has let them through.
  const passes = (codes: (string | undefined)[]) =>
    expect(
      codes.filter(code => code !== 'BAD_USER_INPUT'),
      what,
    ).toEqual([])

  test('are allowed below and at their limit', async () => {
    for (const size of [bound - 1, bound]) {
      const { errors = [] } = await ask(gateway.url, { query: ofSize(size) }, { token })
      passes(errors.map(({ extensions }) => extensions.code))
    }
  })

  test('are refused above it, before anything is executed, over HTTP and over a socket that stays open', async () => {
    const query = ofSize(bound + 1)
    const answer = await ask(gateway.url, { query }, { token })
    const error = expectError(answer, 'OPERATION_TOO_COMPLEX', /./)
    expect(error.extensions.limit).toBe(bound)
    expect(answer).not.toHaveProperty('data')
    const headers = { accept: 'application/graphql-response+json' }
    expect((await ask(gateway.url, { query }, { token, headers })).status).toBe(400)
    const socket = connectSocket(gateway.url, token)
    const over = await socket.ask({ query })
    expect(over.results).toEqual([])
    expect(over.errors).toEqual([error])
    expect((await socket.ask({ query: '{ __typename }' })).results).toEqual([
      { data: { __typename: 'Query' } },
    ])
    expect(socket.closed).toBe(0)
  })
})

test('the error of a cost tells the cost and the limit', async () => {
  const query = '{ viewer { analyses(first: 100) { nodes { insights { id } } } } }'
  const error = expectError(await ask(gateway.url, { query }, { token }), 'OPERATION_TOO_COMPLEX', /602.*100/)
  expect(error.extensions).toMatchObject({ cost: 602, limit: 100 })
})

test('sizes that come in variables count as those in the document, and no more than a page may hold', async () => {
  const query = 'query ($n: Int = 3) { viewer { analyses(first: $n) { nodes { id } } } }'
  const cost = async (variables: object) =>
    (await ask(gateway.url, { query, variables }, { token })).errors?.[0]?.extensions
  expect(await cost({})).toBeUndefined()
  expect(await cost({ n: 98 })).toBeUndefined()
  expect(await cost({ n: 99 })).toMatchObject({ code: 'OPERATION_TOO_COMPLEX', cost: 101 })
  expect(await cost({ n: 1_000_000 })).toMatchObject({ code: 'OPERATION_TOO_COMPLEX', cost: 102 })
})

test('ids that are the default of their variable count as those that are sent', async () => {
  const ids = JSON.stringify(Array.from({ length: 9 }, (_, i) => `id ${i}`))
  const query = (rest: string) =>
    `query ($ids: [ID!]! ${rest}) { nodes(ids: $ids) { ... on User { analyses(first: 10) { nodes { id } } } } }`
  const answer = await ask(gateway.url, { query: query(`= ${ids}`) }, { token })
  expect(expectError(answer, 'OPERATION_TOO_COMPLEX', /108/).extensions).toMatchObject({ cost: 108 })
  const fewer = await ask(gateway.url, { query: query(`= ${ids}`), variables: { ids: [] } }, { token })
  expect(fewer.data).toEqual({ nodes: [] })
})

test('each mutation costs ten, wherever it stands', async () => {
  const one = (i: number) => `a${i}: logout(refreshToken: "x")`
  const query = (count: number) => `mutation { ...M } fragment M on Mutation { ${repeat(count, one)} }`
  const { errors } = await ask(roomy.url, { query: query(21) }, { token })
  expect(errors?.[0]?.extensions).toMatchObject({ code: 'OPERATION_TOO_COMPLEX', limit: 20 })
  expect((await ask(roomy.url, { query: query(3) }, { token })).errors).toBeUndefined()
})

test('fragments that multiply each other are counted at once, and refused', async () => {
  const levels = 60
  const query = `{ viewer { ...F0 } } ${repeat(
    levels,
    i => `fragment F${i} on User { ${i + 1 < levels ? `...F${i + 1} ...F${i + 1}` : 'a: id'} }`,
  )}`
  const startedAtMs = performance.now()
  const { errors } = await ask(roomy.url, { query }, { token })
  expect(errors?.[0]?.extensions.code).toBe('OPERATION_TOO_COMPLEX')
  expect(performance.now() - startedAtMs).toBeLessThan(5000)
})

test('nor do pages do so whose length comes in a variable', async () => {
  const page = (next: string) => repeat(42, () => `interviews(first: $n) { ...${next} }`)
  const level = (name: string, next: string) =>
    `fragment ${name} on InterviewConnection { edges { node { user { ${page(next)} } } } }`
  const query = `query ($n: Int) { viewer { ${page('A')} } } ${level('A', 'B')} ${level('B', 'C')} ${level('C', 'D')}
                 fragment D on InterviewConnection { pageInfo { hasNextPage } }`
  const startedAtMs = performance.now()
  const { errors } = await ask(roomy.url, { query, variables: { n: 1 } }, { token })
  expect(errors?.[0]?.extensions).toMatchObject({ code: 'OPERATION_TOO_COMPLEX', limit: 5000 })
  expect(performance.now() - startedAtMs).toBeLessThan(5000)
})

test.each([
  ['braces', `{${'viewer{'.repeat(20_000)}`],
  ['lists', `{ viewer(a: ${'['.repeat(20_000)}) }`],
  ['objects', `{ viewer(a: ${'{a:'.repeat(20_000)}) }`],
  ['types', `query ($a: ${'['.repeat(20_000)}Int) { viewer { id } }`],
])('a document of %s nested 20,000 deep is refused and costs nothing', async (_what, query) => {
  for (const sent of [query, `${query}${'}'.repeat(20_000)}`]) {
    expectError(
      await ask(roomy.url, { query: sent }),
      'OPERATION_TOO_COMPLEX',
      /100 brackets|2000 tokens|128000 characters/,
    )
  }
})

test('a document has so many characters and its names so many, each of which a hundred errors could tell', async () => {
  const named = (name: string) => `query ${name} { ${repeat(50, i => `__typename @skip(if: $v${i})`)} }`
  const told = await ask(roomy.url, { query: named('a'.repeat(200)) })
  expectError(told, 'GRAPHQL_VALIDATION_FAILED', /is not defined by operation/)
  expectError(
    await ask(roomy.url, { query: named('a'.repeat(201)) }),
    'OPERATION_TOO_COMPLEX',
    /200 characters/,
  )
  const commented = (size: number) => `{ __typename }${'#\n'.repeat((size - 14) / 2)}`
  expect((await ask(roomy.url, { query: commented(128_000) })).data).toEqual({ __typename: 'Query' })
  const error = expectError(
    await ask(roomy.url, { query: commented(128_002) }),
    'OPERATION_TOO_COMPLEX',
    /128000/,
  )
  expect(error.extensions.limit).toBe(128_000)
})

test('what does not fit is told once where it is long, and its message is brief', async () => {
  const query = 'mutation ($points: [DataPointInput!]!) { recordDataPoints(points: $points) { __typename } }'
  const unknown = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`a${i}`, i]))
  const wrong = (long: number) =>
    ask(roomy.url, { query, variables: { points: [{ long: 'x'.repeat(long), ...unknown }] } }, { token })
  const short = await wrong(10)
  expect(short.errors?.length).toBeGreaterThan(20)
  expectError(short, 'BAD_USER_INPUT', /Field "metric" of required type "String!" was not provided/)
  const long = await wrong(1_000_000)
  expectError(
    long,
    'BAD_USER_INPUT',
    /^Variable "\$points" got invalid value.* … .*Field "metric" of required type/,
  )
  expect(long.errors).toHaveLength(2)
  expect(long.text.length).toBeLessThan(2500)
  const literal = await ask(roomy.url, {
    query: `{ collectiveFacts(first: "${'😀'.repeat(2000)}") { __typename } }`,
  })
  expectError(literal, 'GRAPHQL_VALIDATION_FAILED', /^first: Int cannot represent .* … [^\p{Cs}]*"$/u)
  expect(literal.text.length).toBeLessThan(1500)
})

test('a query that code was made for tells no more of a long list than another', async () => {
  const query = 'query Often($ids: [ID!]!) { nodes(ids: $ids) { __typename } }'
  for (let sent = 0; sent < 4; sent++)
    expect((await ask(roomy.url, { query, variables: { ids: [] } }, { token })).data).toEqual({ nodes: [] })
  const { errors } = await ask(roomy.url, { query, variables: { ids: Array(2000).fill({}) } }, { token })
  expect(errors?.map(({ message }) => message)).toEqual([
    expect.stringContaining('at "ids[0]"; ID cannot represent value: {}'),
    expect.stringContaining('Too many errors'),
  ])
})

test('brackets may be nested as deep as their limit, and no deeper', async () => {
  const query = (depth: number) => `{ viewer(a: ${'['.repeat(depth - 2)}${']'.repeat(depth - 2)}) { id } }`
  for (const depth of [99, 100])
    expectError(
      await ask(roomy.url, { query: query(depth) }),
      'GRAPHQL_VALIDATION_FAILED',
      /Unknown argument/,
    )
  expectError(await ask(roomy.url, { query: query(101) }), 'OPERATION_TOO_COMPLEX', /100 brackets/)
})

test('the whole schema can be asked for once, and not nested or many times', async () => {
  expect((await ask(roomy.url, { query: getIntrospectionQuery() })).errors).toBeUndefined()
  const nested =
    '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }'
  expectError(await ask(roomy.url, { query: nested }), 'GRAPHQL_VALIDATION_FAILED', /introspection/i)
  const many = `{ ${repeat(20, i => `a${i}: __schema { types { fields { args { type { ofType { name } } } } } }`)} }`
  expectError(await ask(roomy.url, { query: many }), 'OPERATION_TOO_COMPLEX', /cost/)
})

describe('in production', () => {
  let production: TestGateway
  beforeAll(async () => {
    production = await startTestGateway({
      databaseUrl: database.url,
      generator,
      settings: { NODE_ENV: 'production' },
    })
    return () => production.close()
  })

  test('the schema cannot be asked for, while __typename can', async () => {
    for (const query of [
      getIntrospectionQuery(),
      '{ __type(name: "User") { name } }',
      '{ __schema { queryType { name } } }',
    ])
      expectError(await ask(production.url, { query }), 'GRAPHQL_VALIDATION_FAILED', /introspection/)
    expect((await ask(production.url, { query: '{ __typename }' })).data).toEqual({ __typename: 'Query' })
    expect(
      (await connectSocket(production.url).ask({ query: getIntrospectionQuery() })).errors[0]?.extensions
        .code,
    ).toBe('GRAPHQL_VALIDATION_FAILED')
  })

  test('nobody is told which name they may have meant; elsewhere they are', async () => {
    const variables = { a: 'PEAK_PERFORMERS' }
    const wrong = [
      { query: '{ viewers { id } }' },
      { query: '{ viewer { emails } }' },
      { query: '{ viewer { latestAnalysis(archetyp: PEAK_PERFORMER) { id } } }' },
      { query: '{ viewer { latestAnalysis(archetype: PEAK_PERFORMERS) { id } } }' },
      { query: '{ viewer { ... on Users { id } } }' },
      { query: 'query ($a: Archetype!) { viewer { latestAnalysis(archetype: $a) { id } } }', variables },
    ]
    for (const request of wrong) {
      expect((await ask(production.url, request)).text, request.query).not.toContain('Did you mean')
      expect((await ask(roomy.url, request)).text, request.query).toContain('Did you mean')
    }
  })
})
