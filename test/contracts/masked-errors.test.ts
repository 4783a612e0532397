import { buildSchema, execute, GraphQLError, parse, type SelectionNode } from 'graphql'
import { expect, test } from 'vitest'
import { LockTimeoutError } from '../../src/coordination/lock-errors.ts'
import { DatabaseAwayError } from '../../src/database/postgres-errors.ts'
import { maskError, withoutHttp } from '../../src/http/mask-error.ts'
import { CompiledQueries } from '../../src/http/operation/compiled-query.ts'
import { KnownDocument } from '../../src/http/operation/documents.ts'
import { createLogger } from '../../src/shared/logger.ts'

const { definitions } = parse('{ secret: viewer { id } }')
const node = (definitions[0] as unknown as { selectionSet: { selections: SelectionNode[] } }).selectionSet
  .selections[0] as SelectionNode

/** An error as graphql-js hands it on, thrown by a resolver. */
const thrown = (originalError: Error) =>
  new GraphQLError(originalError.message, { originalError, nodes: [node], path: ['secret'] })

function scene() {
  const lines: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const logger = createLogger({ level: 'debug', format: 'json', destination })
  const mask = (error: unknown, requestId = 'r1', signal?: AbortSignal) =>
    maskError(error, requestId, logger, signal).toJSON()
  return { lines, mask }
}

test('what went wrong on our side is INTERNAL, with the id of the request and nothing of the cause', () => {
  const { lines, mask } = scene()
  expect(mask(thrown(new Error('hunter2 is not a column')))).toEqual({
    message: 'Something went wrong on our side. Quote the request id r1.',
    locations: [{ line: 1, column: 3 }],
    path: ['secret'],
    extensions: { code: 'INTERNAL', requestId: 'r1' },
  })
  expect(lines).toMatchObject([
    {
      level: 50,
      requestId: 'r1',
      field: 'viewer',
      err: { message: 'hunter2 is not a column', stack: expect.stringContaining('at ') },
    },
  ])
})

test.each([
  ['{ number }', { number: 'hunter2' }],
  ['{ list }', { list: 'hunter2' }],
  ['{ kind }', { kind: 'hunter2' }],
])(
  'what a resolver gave to %s and fits no answer is INTERNAL, executed or compiled',
  async (query, given) => {
    const schema = buildSchema('type Query { number: Int list: [Int] kind: Kind } enum Kind { A }')
    for (const field of Object.values(schema.getQueryType()?.getFields() ?? {}))
      field.resolve = () => Object.values(given)[0]
    const document = parse(query)
    const operation = new KnownDocument(schema, document).choose(undefined)
    const queries = new CompiledQueries(schema)
    for (let time = 0; time < 4; time++) {
      const { lines, mask } = scene()
      const { errors } = await queries.execute(operation, { schema, document })
      expect(mask(errors?.[0])).toMatchObject({
        message: expect.not.stringContaining('hunter2'),
        extensions: { code: 'INTERNAL', requestId: 'r1' },
      })
      expect(lines).toHaveLength(1)
    }
    expect(queries.has(operation)).toBe(true)
  },
)

test.each([true, false])(
  "an argument that its variable leaves null is the client's, compiled: %s",
  async compiled => {
    const schema = buildSchema('type Query { number(of: Int! = 1): Int }')
    const document = parse('query ($of: Int = 1) { number(of: $of) }')
    const operation = new KnownDocument(schema, document).choose(undefined)
    const queries = new CompiledQueries(schema)
    const args = { schema, document, variableValues: { of: null } }
    for (let time = 0; time < 4; time++) {
      const { errors } = compiled ? await queries.execute(operation, args) : await execute(args)
      expect(scene().mask(errors?.[0]).extensions).toEqual({ code: 'BAD_USER_INPUT' })
    }
  },
)

test('one error is told whole once, and once more for each other request that it failed', () => {
  const { lines, mask } = scene()
  const error = new Error('a shared run')
  for (const requestId of ['r1', 'r1', 'r2', 'r2', 'r3']) mask(thrown(error), requestId)
  expect(lines.map(({ requestId, err, sameAs }) => [requestId, err !== undefined, sameAs])).toEqual([
    ['r1', true, undefined],
    ['r2', false, 'r1'],
    ['r3', false, 'r1'],
  ])
})

test.each([
  ['no GraphQLError', new Error('x')],
  ['no error at all', 'x'],
])('what was thrown and is %s is INTERNAL too', (_what, error) => {
  const { lines, mask } = scene()
  expect(mask(error).extensions).toEqual({ code: 'INTERNAL', requestId: 'r1' })
  expect(lines).toHaveLength(1)
})

test('an error behind several wrappings is found', () => {
  const { lines, mask } = scene()
  const inner = thrown(new DatabaseAwayError('x'))
  expect(mask(thrown(inner)).extensions?.code).toBe('UNAVAILABLE')
  expect(lines[0]?.err).toMatchObject({ type: 'DatabaseAwayError' })
})

test.each([
  ['a database that is away', new DatabaseAwayError('hunter2')],
  ['a driver that cannot connect', Object.assign(new Error('hunter2'), { code: 'ECONNREFUSED' })],
  ['a lock that many wait for', new LockTimeoutError('memory', 'hunter2', 5)],
])('%s is UNAVAILABLE, by when to come again, and a warning', (_what, error) => {
  const { lines, mask } = scene()
  const masked = mask(thrown(error))
  expect(masked.extensions).toEqual({ code: 'UNAVAILABLE', retryAfterMs: 1000, http: { status: 503 } })
  expect(masked.message).not.toContain('hunter2')
  expect(lines.map(({ level }) => level)).toEqual([40])
})

test('a client that has left is told of to nobody; what failed beside it is', () => {
  const { lines, mask } = scene()
  const leaving = new AbortController()
  leaving.abort()
  mask(thrown(leaving.signal.reason), 'r1', leaving.signal)
  expect(lines.map(({ level }) => level)).toEqual([20])
  mask(thrown(new Error('x')), 'r1', leaving.signal)
  expect(lines.map(({ level }) => level)).toEqual([20, 50])
})

test('an error of the contract is passed on as it is, and not logged', () => {
  const { lines, mask } = scene()
  const error = new GraphQLError('No such thing.', { extensions: { code: 'FORBIDDEN', hint: 1 } })
  expect(mask(thrown(error))).toMatchObject({
    message: 'No such thing.',
    path: ['secret'],
    extensions: { code: 'FORBIDDEN', hint: 1 },
  })
  expect(lines).toEqual([])
})

test('what graphql-js minds about a variable says which one', () => {
  const { mask } = scene()
  const inner = new GraphQLError('it is too long')
  expect(mask(new GraphQLError('Variable "$a" got it', { originalError: inner }))).toMatchObject({
    message: 'Variable "$a" got it',
    extensions: { code: 'BAD_USER_INPUT' },
  })
})

test.each([
  ['BAD_REQUEST', 'BAD_USER_INPUT'],
  ['OPERATION_RESOLUTION_FAILURE', 'BAD_USER_INPUT'],
  ['REQUEST_ENTITY_TOO_LARGE', 'PAYLOAD_TOO_LARGE'],
])('the name %s of Yoga becomes %s of the contract, without the body in it', (code, ours) => {
  const { mask } = scene()
  const originalError = new SyntaxError('hunter2 is not valid JSON')
  const masked = mask(new GraphQLError('x', { extensions: { code, originalError } }))
  expect(masked.extensions).toEqual({ code: ours, http: { status: 400 } })
})

test('over a transport without a status nothing of HTTP is in an error', () => {
  const error = new GraphQLError('x', { extensions: { code: 'UNAVAILABLE', http: { status: 503 } } })
  expect(withoutHttp([error])).toEqual([{ message: 'x', extensions: { code: 'UNAVAILABLE' } }])
})
