import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { startFakeOpenAi } from '../support/fake-openai-server.ts'
import { dataPoints, post, RECORD_DATA_POINTS, REQUEST_ANALYSIS } from '../support/graphql-client.ts'
import { createInterview, deliverPrompt, newInterview, readInterview } from '../support/interview-client.ts'
import { makeTemporaryFolder, startMain } from '../support/main-process.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { send } from '../support/reply-client.ts'
import { mailedToken, signIn, signInAnswer } from '../support/sign-in-client.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { TEST_KEY, TEST_SECRET, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const EMAIL = 'anna.secret@mail.example.com'
const PASSWORD = 'correct horse battery staple 42'
const NEW_PASSWORD = 'another horse, other staple 43'
const API_KEY = 'sk-live-4b1d8e77c0ffee'
/** An error that nobody caught, as of a library that quotes whatever it was given. */
const TALKATIVE = `process.on('SIGUSR2', () => {
  const { REDIS_URL, OPENAI_API_KEY, TALKS_OF } = process.env
  const request = { parameters: ['My therapist says that I should not tell'], headers: { authorization: OPENAI_API_KEY } }
  const message = 'no answer of ' + REDIS_URL + ' for ' + TALKS_OF + ' with ' + OPENAI_API_KEY
  void Promise.reject(Object.assign(new Error(message), { request, detail: 'Key (email)=(' + TALKS_OF + ')' }))
})`

test('the log of a whole run holds no token, password, prompt, message or address, and says of each failure what and whose it was', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const redisServer = await startRedisServer(inject('redisServer'))
  onTestFinished(() => redisServer.stop())
  const redis = new Redis(redisServer.url)
  onTestFinished(() => redis.disconnect())
  const provider = await startFakeOpenAi()
  const dataDir = await makeTemporaryFolder()
  const databaseUrl = new URL(database.url)
  const gateway = await startMain({
    NODE_ENV: 'production',
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(TALKATIVE)}`,
    TALKS_OF: EMAIL,
    LOG_LEVEL: 'trace',
    DATABASE_URL: databaseUrl.href,
    REDIS_URL: redisServer.url.replace('redis://', 'redis://default:redis-hunter2@'),
    DATA_DIR: dataDir,
    JWT_SECRET: TEST_SECRET,
    ENCRYPTION_KEY: TEST_KEY,
    ACCOUNT_SYNC_MINUTES: '0',
    GENERATOR: 'openai',
    OPENAI_BASE_URL: provider.url,
    OPENAI_API_KEY: API_KEY,
    OPENAI_MODEL: 'test-model',
  })
  await gateway.ready()
  const { url } = gateway
  const secrets = new Map<string, string>([
    ['the secret of tokens', TEST_SECRET],
    ['the key of sealed tokens', TEST_KEY],
    ['the key of the provider', API_KEY],
    ['the password of Redis', 'redis-hunter2'],
    ['the password of the database', databaseUrl.password],
    ['an address', EMAIL],
    ['the local part of an address', 'anna.secret'],
    ['a password', PASSWORD],
    ['a new password', NEW_PASSWORD],
  ])
  const keep = (what: string, text: string | undefined) => {
    expect(text, what).toBeTruthy()
    secrets.set(what, text ?? '')
  }

  // Signing in, with what is wrong about it too.
  await signIn(url, 'register', { input: { email: EMAIL, password: PASSWORD } })
  const mailed = await mailedToken(dataDir, EMAIL)
  keep('a mailed token', mailed)
  await signIn(url, 'verifyEmail', { token: mailed })
  await signIn(url, 'login', { input: { email: EMAIL, password: `${PASSWORD}!` } })
  const { session } = await signIn(url, 'login', { input: { email: EMAIL, password: PASSWORD } })
  keep('an access token', session.accessToken)
  keep('a refresh token', session.refreshToken)
  const refreshed = await signIn(url, 'refreshSession', { refreshToken: session.refreshToken })
  keep('a refreshed token', refreshed.session.accessToken)
  await signInAnswer(url, 'requestPasswordReset', { email: EMAIL })
  const reset = await mailedToken(dataDir, EMAIL, 2)
  keep('a token of a reset', reset)
  await signIn(url, 'resetPassword', {
    input: { token: reset, password: NEW_PASSWORD, newPassword: NEW_PASSWORD },
  }).catch(() => {})
  const user = await tokenOf('anna', { email: EMAIL })
  const service = await tokenOf('enhancer', { roles: ['SERVICE'], email: 'robot@mail.example.com' })
  keep('a token of somebody else', user)
  keep('a token of a service', service)
  secrets.set('the address of a service', 'robot@mail.example.com')

  // What people and models say.
  keep('a topic', 'How I stopped drinking in secret')
  keep('a prompt', 'You are a very confidential interviewer')
  keep('a prompt by Redis', 'A prompt that came by the stream')
  keep('a message', 'My therapist says that I should not tell')
  keep('a metric', 'therapy_sessions')
  keep('a value of a variable', 'not-an-archetype-but-a-secret')
  const points = dataPoints(3, 'therapy_sessions')
  await post(url, { query: RECORD_DATA_POINTS, variables: { points }, token: user })
  const ask = (
    input: Record<string, unknown>,
    more: { token?: string; headers?: Record<string, string> } = {},
  ) =>
    post(url, {
      query: REQUEST_ANALYSIS,
      variables: { input: { archetype: 'FOUNDATION_BUILDER', ...input } },
      token: user,
      ...more,
    })
  expect((await ask({}, { headers: { 'x-request-id': 'analysis-1' } })).errors).toBeUndefined()
  const delivered = await newInterview(url, user, { topic: 'How I stopped drinking in secret' })
  await deliverPrompt(url, service, {
    interviewId: delivered.id,
    messageId: 'by-mutation',
    prompt: 'You are a very confidential interviewer',
  })
  const streamed = await newInterview(url, user, { topic: 'How I stopped drinking in secret' })
  const message = (more: object) =>
    JSON.stringify({
      interviewId: streamed.id,
      source: 'rag',
      prompt: 'A prompt that came by the stream',
      ...more,
    })
  await redis.xadd('interview:prompts', '*', 'payload', message({ messageId: 'dead' }))
  await redis.xadd(
    'interview:prompts',
    '*',
    'payload',
    message({ messageId: 'by-stream', status: 'success' }),
  )
  await redis.xadd('interview:prompts', '*', 'payload', `{"prompt": "A prompt that came by the stream`)
  await until(async () => (await readInterview(url, user, streamed.id)).status === 'READY', {
    what: 'a prompt',
  })
  await send(url, user, {
    sessionId: 's1',
    content: 'My therapist says that I should not tell',
    clientId: 'c1',
  }).catch(() => {})
  await createInterview(url, user, { enhancer: 'GATEWAY', topic: 'How I stopped drinking in secret' })

  // A provider that fails, and says back what it was told.
  provider.onCall = call =>
    call.status(401, {
      body: { error: { message: `bad key ${API_KEY} for ${call.prompt}`, code: `${API_KEY}` } },
    })
  await ask({ forceRefresh: true })
  await send(url, user, {
    sessionId: 's1',
    content: 'My therapist says that I should not tell',
    clientId: 'c2',
  }).catch(() => {})

  // What is malformed, in every place.
  const refused = [
    await ask({ archetype: 'not-an-archetype-but-a-secret' }),
    await ask({}, { token: `${user}x` }),
    await post(url, {
      query: `{ viewer { id not_a_field(secret: "not-an-archetype-but-a-secret") } }`,
      token: user,
    }),
    await post(url, { query: `{ viewer "not-an-archetype-but-a-secret"`, token: user }),
    await signInAnswer(url, 'verifyEmail', { token: 'not-an-archetype-but-a-secret' }),
  ]
  expect(refused.filter(({ errors }) => errors).length).toBeGreaterThanOrEqual(3)
  await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${user}` },
    body: '{"query": "not-an-archetype-but-a-secret',
  })

  // A database that fails in the midst of it: INTERNAL, told once; then one that is away.
  await database.query('ALTER TABLE data_points RENAME TO data_points_gone')
  const headers = { 'x-request-id': 'broken-1' }
  const broken = await post(url, {
    query: RECORD_DATA_POINTS,
    variables: { points: dataPoints(2, 'therapy_sessions') },
    token: user,
    headers,
  })
  expect(broken.errors?.[0]?.extensions).toEqual({ code: 'INTERNAL', requestId: 'broken-1' })
  expect(broken.headers.get('x-request-id')).toBe('broken-1')
  await database.query('ALTER TABLE data_points_gone RENAME TO data_points')
  await database.query(
    `ALTER TABLE data_points ADD CONSTRAINT nobody CHECK (metric <> 'therapy_sessions') NOT VALID`,
  )
  const against = await post(url, {
    query: RECORD_DATA_POINTS,
    variables: { points: dataPoints(2, 'therapy_sessions') },
    token: user,
  })
  expect(against.errors?.[0]?.extensions.code).toBe('INTERNAL')
  await database.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tributary'`,
  )
  await Promise.all(Array.from({ length: 5 }, () => ask({ forceRefresh: true }).catch(() => {})))
  gateway.kill('SIGUSR2')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 1, signal: null })

  const { output } = gateway
  const found = [...secrets].filter(([, text]) => text && output.includes(text)).map(([what]) => what)
  expect(found).toEqual([])
  expect(output).not.toMatch(/eyJ[\w-]+\.eyJ/)
  expect(output).not.toMatch(/[\w.]+@[\w-]+\.example\.com/)
  // What an operator does need is there.
  const lines = output
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Record<string, unknown> & { err?: { message: string; code?: string } })
  const of = (requestId: string) => lines.filter(line => line.requestId === requestId)
  expect(of('broken-1').filter(({ level }) => level === 50)).toMatchObject([
    {
      msg: 'a request failed unexpectedly',
      operation: 'mutation recordDataPoints',
      field: 'recordDataPoints',
      err: { message: expect.stringContaining('data_points') },
    },
  ])
  // The transactions of a request, and the run that it set going, are its.
  expect(of('analysis-1').map(({ msg }) => msg)).toEqual(expect.arrayContaining(['begin', 'commit']))
  expect(
    lines.some(
      ({ msg, reason }) => msg === 'a call of the model provider failed' && reason === 'unauthorized',
    ),
  ).toBe(true)
  expect(lines.some(({ msg }) => msg === 'a prompt message does not fit')).toBe(true)
  expect(lines.filter(({ level }) => level === 60)).toMatchObject([
    {
      err: {
        message: expect.stringMatching(
          /^no answer of redis:\/\/\[redacted\]@.* for \[redacted\] with \[redacted\]$/,
        ),
      },
    },
  ])
  expect(lines.at(-1)).toMatchObject({ level: 30, msg: 'drained' })
}, 150_000)
