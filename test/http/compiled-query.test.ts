import { type ExecutionResult, execute, GraphQLError, parse } from 'graphql'
import { expect, test } from 'vitest'
import { CompiledQueries } from '../../src/http/operation/compiled-query.ts'
import { KnownDocument } from '../../src/http/operation/documents.ts'
import { encodeGlobalId } from '../../src/schema/global-id.ts'
import { schema } from '../../src/schema/schema.ts'

const createdAt = new Date('2026-01-31T10:00:03.000Z')
const uuid = (number: number) => `00000000-0000-0000-0000-0000000000${number}`
const analysis = (number: number) => ({
  id: uuid(number),
  userId: 'u',
  archetype: 'PEAK_PERFORMER',
  mode: 'INITIAL',
  trigger: 'scheduled',
  date: '2026-01-31',
  summary: `${number}`,
  result: { deep: [1, null, { a: 'b' }] },
  dataPointCount: number,
  createdAt,
})
const loader = <Key, Value>(load: (key: Key) => Value) => ({ load: async (key: Key) => load(key) })

/** What the resolvers of these queries look at. */
function context() {
  return {
    viewer: { user: { id: 'u', email: 'u@example.com', createdAt, emailVerified: true }, roles: [] },
    services: {},
    loaders: {
      analysis: loader((id: string) => (id === uuid(99) ? broken() : id === uuid(98) ? null : analysis(10))),
      wholeAnalysis: loader(() => analysis(10)),
      analysisPage: loader(() => [10, 11, 12].map(analysis)),
      wholeAnalysisPage: loader(() => [10, 11, 12].map(analysis)),
      analysisCount: loader(() => 3),
      // Of the second one null is no insight, and of the third they cannot be read.
      insightsByAnalysis: loader((id: string) =>
        id === uuid(12)
          ? broken()
          : [
              {
                id: uuid(20),
                analysisId: id,
                kind: 'RISK',
                title: 't',
                body: id === uuid(11) ? null : 'b',
                confidence: 0.5,
              },
            ],
      ),
      plansByAnalysis: loader(() => []),
      latestAnalysis: loader(() => null),
      trackingByUser: loader(() => {
        throw new GraphQLError('expected', { extensions: { code: 'UNAVAILABLE', http: { status: 503 } } })
      }),
      conversationBySession: loader(({ sessionId }: { sessionId: string }) => ({ id: uuid(30), sessionId })),
    },
  }
}
function broken(): never {
  throw new Error('broken')
}

/** Of a template, which what compiles may take text for. */
const OPEN = ['$', '{'].join('')

const QUERIES: [string, Record<string, unknown>?][] = [
  ['{ __typename viewer { __typename id email createdAt } }'],
  [
    '{ viewer { analyses { totalCount nodes { id date createdAt result dataPointCount } pageInfo { hasNextPage endCursor } edges { cursor node { mode } } } } }',
  ],
  ['query ($s: Boolean!) { viewer { id @skip(if: $s) email @include(if: $s) } }', { s: true }],
  ['query ($s: Boolean!) { viewer { id @skip(if: $s) email @include(if: $s) } }', { s: false }],
  ['query ($s: Boolean!) { viewer { id @skip(if: $s) } viewer { id } }', { s: true }],
  [
    'query ($s: Boolean!, $t: Boolean!) { viewer { id @skip(if: $s) @include(if: $t) email } }',
    { s: false, t: false },
  ],
  [
    'query ($s: Boolean!) { viewer { ...F @skip(if: $s) ...G } } fragment F on User { id email } fragment G on User { id }',
    { s: true },
  ],
  [
    'query ($s: Boolean!) { viewer @skip(if: $s) { id } ... @include(if: $s) { viewer { email } } }',
    { s: true },
  ],
  [
    'query ($s: Boolean!) { viewer { analyses { nodes { id @include(if: $s) } } analyses { nodes { mode } } } }',
    { s: false },
  ],
  ...[true, false].flatMap((s): [string, Record<string, unknown>][] => [
    ['query ($s: Boolean!) { viewer { ...F @include(if: $s) ...F } } fragment F on User { id email }', { s }],
    [
      'query ($s: Boolean!) { viewer { ...F @skip(if: $s) ... @include(if: $s) { ...F } } } fragment F on User { id }',
      { s },
    ],
    [
      'query ($s: Boolean!) { a: viewer { ...F } b: viewer @include(if: $s) { ...F } } fragment F on User { id }',
      { s },
    ],
    ['query ($s: Boolean!) { viewer @include(if: $s) { ... { id } } viewer { email } }', { s }],
  ]),
  ['query ($s: Boolean = true) { viewer { id @skip(if: $s) email } }', {}],
  ['query ($s: Boolean!) { viewer { id @skip(if: $s) } }', {}],
  ['query ($s: Boolean!) { viewer { id @skip(if: $s) } }', { s: null }],
  ...[undefined, null, 0, 1, 2.5, 2 ** 31, -1, '1', true, [1], {}, Number.POSITIVE_INFINITY].map(
    (first): [string, Record<string, unknown>] => [
      'query ($first: Int) { viewer { analyses(first: $first) { totalCount } } }',
      { first },
    ],
  ),
  ...[undefined, null, 'PEAK_PERFORMER', 'peak_performer', 1, ['PEAK_PERFORMER'], {}].map(
    (a): [string, Record<string, unknown>] => [
      'query ($a: Archetype!) { viewer { latestAnalysis(archetype: $a) { id } } }',
      { a },
    ],
  ),
  ...[undefined, null, '', 7, 7.5, true, ['a'], {}, 'Zg'].map((id): [string, Record<string, unknown>] => [
    'query ($id: ID!) { node(id: $id) { id __typename } }',
    { id },
  ]),
  ...['a', ['a'], [null], null, [['a']], []].map((ids): [string, Record<string, unknown>] => [
    'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
    { ids },
  ]),
  [
    'query ($first: Int = 5, $after: String = null) { viewer { analyses(first: $first, after: $after) { totalCount } } }',
    {},
  ],
  ['query ($first: Int = 5) { viewer { analyses(first: $first) { totalCount } } }', { first: null }],
  ['query ($x: Int) { viewer { id } }', { x: 1, y: 2 }],
  [
    `{ node(id: "${encodeGlobalId('Analysis', uuid(10))}") { id ... on Analysis { mode user { email } } ... on Plan { title } } }`,
  ],
  [`{ node(id: "${encodeGlobalId('Analysis', uuid(98))}") { id } }`],
  [`{ node(id: "${encodeGlobalId('Analysis', uuid(99))}") { id } a: viewer { id } }`],
  [
    `{ nodes(ids: ["${encodeGlobalId('Analysis', uuid(10))}", "${encodeGlobalId('Analysis', uuid(98))}"]) { id __typename } }`,
  ],
  ['{ viewer { analyses { nodes { id insights { title } } } } }'],
  ['{ viewer { analyses { nodes { insights { body } } } } }'],
  ['{ viewer { email tracking { archetype } } other: viewer { tracking { archetype } id } }'],
  ['{ viewer { first: analyses(first: 1) { totalCount } second: analyses(first: 2) { nodes { id } } } }'],
  ['{ viewer { analyses(first: 1000) { totalCount } } }'],
  ['{ operations { consistency { healthy } } }'],
  [
    '{ __schema { queryType { name fields { name args { name defaultValue } } } } __type(name: "User") { kind fields(includeDeprecated: true) { name } } }',
  ],
  ['{ __schema { types { name } } viewer { id } }'],
  [`{ viewer { conversation(sessionId: "a\\"b'\`${OPEN}1+1}\\\\ \\u2028 \\n */ // ") { sessionId } } }`],
  [`{ viewer { conversation(sessionId: """a " b ' \`${OPEN}process.exit(1)}\` \\ """) { sessionId } } }`],
  [
    'query ($s: String = "x\\"+process.exit(3)+\\"") { viewer { conversation(sessionId: $s) { sessionId } } }',
    {},
  ],
  [
    'query ($s: String!) { viewer { conversation(sessionId: $s) { sessionId } } }',
    { s: '"+process.exit(3)+"' },
  ],
  ['query eval { viewer { __context: id __parent: id __field: id then: id } }'],
  ['{ __proto__: viewer { id } }'],
  ['{ viewer { __proto__: id email } }'],
  ['{ constructor: viewer { toString: id valueOf: email then: email } }'],
  ['query ($__proto__: String = "p") { viewer { conversation(sessionId: $__proto__) { sessionId } } }', {}],
  ['query ($toString: String = "d") { viewer { conversation(sessionId: $toString) { sessionId } } }', {}],
  ['query ($constructor: String!) { viewer { conversation(sessionId: $constructor) { sessionId } } }', {}],
]

/** What the compiler is not trusted with. */
const isLeft = (query: string) =>
  /__proto__|constructor|toString/.test(query) || (query.includes('@') && query.includes('...'))

const shown = (result: ExecutionResult) => ({
  parts: Object.keys(result),
  data: JSON.stringify(result.data),
  // In what order fields that are read side by side fail is nobody's promise.
  errors: result.errors
    ?.map(error => ({
      message: error.message,
      path: error.path,
      locations: error.locations,
      extensions: error.extensions,
      original: error.originalError?.message,
      ours: error instanceof GraphQLError,
    }))
    .sort((one, other) => (JSON.stringify(one.path) < JSON.stringify(other.path) ? -1 : 1)),
})

test.each(QUERIES.map(([query, variables], index) => [`${index} ${query}`, query, variables] as const))(
  '%s is answered as graphql-js answers it, the first time and each time after',
  async (_name, query, variableValues = {}) => {
    const document = parse(query)
    const operation = new KnownDocument(schema, document).choose(undefined)
    const queries = new CompiledQueries(schema)
    const args = () => ({ schema, document, variableValues, contextValue: context() })
    const expected = shown(await execute(args()))
    for (let time = 0; time < 4; time++)
      expect(shown(await queries.execute(operation, args()))).toEqual(expected)
    expect(queries.has(operation)).toBe(!isLeft(query))
  },
)

test('an error of a field is masked as one of graphql-js: with its cause, and with extensions', async () => {
  const document = parse('{ viewer { tracking { archetype } } }')
  const operation = new KnownDocument(schema, document).choose(undefined)
  const queries = new CompiledQueries(schema)
  for (let time = 0; time < 4; time++) {
    const { errors } = await queries.execute(operation, { schema, document, contextValue: context() })
    expect(errors?.[0]?.extensions.code).toBe('UNAVAILABLE')
    expect(errors?.[0]?.nodes?.length).toBe(1)
  }
})

test('what comes once or twice is not compiled, nor is a mutation', async () => {
  const queries = new CompiledQueries(schema)
  for (const [query, times] of [
    ['{ __typename }', 2],
    ['mutation { __typename }', 9],
  ] as const) {
    const document = parse(query)
    const operation = new KnownDocument(schema, document).choose(undefined)
    for (let time = 0; time < times; time++)
      await queries.execute(operation, { schema, document, contextValue: context() })
    expect(queries.has(operation)).toBe(false)
  }
})

test('no more than 500 are kept', async () => {
  const queries = new CompiledQueries(schema)
  const operations = Array.from({ length: 510 }, (_, index) => {
    const document = parse(`{ a${index}: __typename }`)
    return { document, operation: new KnownDocument(schema, document).choose(undefined) }
  })
  for (const { document, operation } of operations)
    for (let time = 0; time < 3; time++)
      await queries.execute(operation, { schema, document, contextValue: context() })
  expect(operations.filter(({ operation }) => queries.has(operation)).length).toBe(500)
})
