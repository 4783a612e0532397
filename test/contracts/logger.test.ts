import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/shared/clock.ts'
import { createLogger, DEVELOPMENT_TOKEN, type Logger } from '../../src/shared/logger.ts'
import { currentRequestId, runInRequest } from '../../src/shared/request-scope.ts'

/** What is written for what is logged, and the line as whoever reads it gets it. */
function logged(log: (logger: Logger) => void, format: 'json' | 'pretty' = 'json') {
  let text = ''
  const destination = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      done()
    },
  })
  log(createLogger({ level: 'debug', format, destination }))
  return { text, line: format === 'json' ? JSON.parse(text) : undefined }
}

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJlLW9mLWFubmE'

test('an error is logged with its type, codes, message, stack and causes', () => {
  const cause = Object.assign(new TypeError('the socket hung up'), { code: 'ECONNRESET', syscall: 'read' })
  const { line } = logged(log => log.error({ err: new Error('it broke', { cause }) }, 'a request failed'))
  expect(line.err).toMatchObject({
    type: 'Error',
    message: 'it broke: the socket hung up',
    code: 'ECONNRESET',
    syscall: 'read',
  })
  expect(line.err.stack).toMatch(
    /^Error: it broke\n\s+at .*logger\.test\.ts.*\ncaused by: TypeError: the socket hung up\n/s,
  )
})

test('a message of several lines, as of Prisma, is one sentence', () => {
  const error = new Error('\nInvalid `prisma.x()` invocation:\n\n\nRaw query failed.\n')
  expect(logged(log => log.error({ err: error }, 'x')).line.err.message).toBe(
    'Invalid `prisma.x()` invocation: Raw query failed.',
  )
})

test('of errors that came together each is told', () => {
  const { line } = logged(log =>
    log.error({ err: new AggregateError([new Error('one'), new Error('two')], 'both') }),
  )
  expect(line.err.message).toBe('both: one: two')
})

test('of an error beside another each is told', () => {
  const { line } = logged(log =>
    log.error({ err: new SuppressedError(new Error('one'), new Error('two'), 'both') }),
  )
  expect(line.err.message).toBe('both: one: two')
})

test('an error that is its own cause ends', () => {
  const error = new Error('round')
  error.cause = error
  expect(logged(log => log.error({ err: error })).line.err.message).toBe('round')
})

test.each([
  ['the connection that its driver hangs on it', { client: { query: 'SELECT hunter2', parent: {} } }],
  [
    'the values in a detail',
    { code: '23505', detail: 'Key (email)=(hunter2) already exists.', where: 'hunter2' },
  ],
  [
    'what PostgreSQL was told and says of it',
    {
      detail: 'hunter2',
      hint: 'hunter2',
      query: 'hunter2',
      internalQuery: 'hunter2',
      parameters: ['hunter2'],
    },
  ],
  ['the request of a client library', { config: { headers: { Authorization: 'hunter2' }, data: 'hunter2' } }],
  [
    'the answer of a client library',
    { response: { body: 'hunter2' }, headers: { cookie: 'hunter2' }, error: 'hunter2' },
  ],
  ['the arguments of a command of Redis', { command: { name: 'set', args: ['key', 'hunter2'] } }],
  ['the recipients of a mail', { rejected: ['hunter2'], response: '550 hunter2' }],
  ['a code that is none', { code: 'hunter2 is not\nfound', status: 'the password is "hunter2"' }],
])('an error is logged without %s', (_what, properties) => {
  const error = Object.assign(new Error('it was lost'), properties)
  const ways: ((log: Logger) => void)[] = [
    log => log.warn({ err: error }),
    log => log.warn({ err: error }, 'it failed'),
    log => log.warn(error),
    log => log.warn(error, 'it failed'),
    log => log.warn({ err: new Error('above it', { cause: error }) }),
    log => log.warn({ err: new AggregateError([error], 'above it') }),
    log => log.child({ err: error }).warn('it failed'),
  ]
  for (const way of ways) {
    const { text, line } = logged(way)
    expect(line.err.message).toMatch(/it was lost$/)
    expect(text).not.toContain('hunter2')
  }
})

test.each([
  [
    'PostgreSQL, of data',
    Object.assign(new Error('invalid input syntax for type uuid: "hunter2"'), { code: '22P02' }),
  ],
  [
    'PostgreSQL, of a number',
    Object.assign(new Error('value "hunter2" is out of range for type integer'), { code: '22003' }),
  ],
  ['PostgreSQL, of an enum, without a code', new Error('invalid input value for enum "Kind": "hunter2"')],
  [
    'PostgreSQL through Prisma',
    new Error('Raw query failed. Code: `23505`. Message: `Key (email)=(hunter2) already exists.`'),
  ],
  ['PostgreSQL, of a row', new Error('new row violates it: Failing row contains (1, hunter2, null).')],
  [
    'Prisma',
    new Error(
      '\nInvalid `prisma.user.create()` invocation:\n\n{\n  data: {\n    name: "hunter2"\n  }\n}\n\nUnknown field.',
    ),
  ],
  ['the JSON parser', new SyntaxError(`Unexpected token 'h', "hunter2 and "more"" is not valid JSON`)],
])('a message of %s is logged without the values in it', (_who, error) => {
  const { text } = logged(log => log.error({ err: error }))
  expect(text).not.toContain('hunter2')
})

test.each([
  ['a token', `it was ${JWT}`],
  ['a header', 'Authorization: Bearer aHVudGVyMg.x-y_z'],
  ['the password of a server', 'no answer of redis://:hunter2@10.0.0.1:6379/0'],
  ['a password of a server next door', 'no answer of redis://:hunter2@redis:6379/0'],
  ['a password of a server with an @', 'no answer of redis://:p@hunter2@10.0.0.1:6379/0'],
  ['a user and password of a server', 'no answer of postgresql://gateway:hunter2@db.example.com/x'],
  ['a secret in an address', 'GET https://api.example.com/oauth?client_secret=hunter2&code=hunter2 failed'],
  ['a key of a model provider', 'Incorrect API key provided: sk-hunter2-abcdefgh'],
  ['the address of a person', 'no mailbox\nanna.hunter2+x@mail.example.com here'],
  ['an address after an escape', '\u001bhunter2@example.com "hunter2@example.com"'],
])('no text holds %s, wherever it is logged', (_what, secret) => {
  const inPlaces = logged(log =>
    log.error({ err: new Error(secret), reason: secret, deep: { list: [secret] } }, secret),
  )
  expect(inPlaces.text).not.toMatch(/hunter2|aHVudGVyMg|c2lnbmF0dXJl/)
  expect(inPlaces.text).toContain('[redacted]')
  expect(logged(log => log.error({ err: new Error(secret) }, secret), 'pretty').text).not.toMatch(
    /hunter2|aHVudGVyMg|c2lnbmF0dXJl/,
  )
})

test('what is no secret stays', () => {
  const text =
    'http://127.0.0.1:4000/graphql node_modules/@graphql-tools/executor/cjs postgresql://db.example.com/x 3 @ 4 a@b'
  expect(logged(log => log.info(text)).line.msg).toBe(text)
})

test.each(['password', 'token', 'refreshToken', 'email', 'prompt', 'content', 'variables', 'headers'])(
  'what is logged as %s is left out',
  key => {
    const { text } = logged(log => log.info({ [key]: 'hunter2', input: { [key]: { x: 'hunter2' } } }))
    expect(text).not.toContain('hunter2')
  },
)

test('the development token is shown where it is told of, and nowhere else', () => {
  expect(logged(log => log.info(`${DEVELOPMENT_TOKEN}${JWT}`)).text).toContain(JWT)
  expect(logged(log => log.info({ reason: `"msg":"${DEVELOPMENT_TOKEN}${JWT}` }, 'x')).text).not.toContain(
    JWT,
  )
})

test('a line says which request it belongs to, however deep it was written, and a timer for many belongs to none', async () => {
  const seen: unknown[] = []
  await runInRequest('request-1', async () => {
    await Promise.resolve()
    seen.push(logged(log => log.child({ kind: 'x' }).debug('a statement')).line.requestId)
    await new Promise<void>(resolve =>
      systemClock.setTimer(() => {
        seen.push(currentRequestId())
        resolve()
      }, 1),
    )
    seen.push(currentRequestId())
  })
  expect(seen).toEqual(['request-1', undefined, 'request-1'])
  expect(logged(log => log.info('x')).line).not.toHaveProperty('requestId')
})
