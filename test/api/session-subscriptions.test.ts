import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createDatabaseClient } from '../../src/database/client.ts'
import { SessionWatch } from '../../src/domain/sign-in/session-watch.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { ended, type Following, followByEvents, followBySocket } from '../support/api-follow.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { newInterview } from '../support/interview-client.ts'
import { mailedToken, signIn, signInAnswer } from '../support/sign-in-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateways: TestGateway[]
let dataDir: string
const opened: Following[] = []
let [here, there] = ['', '']

beforeAll(async () => {
  database = await createTestDatabase()
  dataDir = await mkdtemp(join(tmpdir(), 'tributary-sessions-'))
  gateways = await Promise.all(
    [1, 2].map(() =>
      startTestGateway({
        databaseUrl: database.url,
        generator: new FakeGenerator(),
        settings: { DATA_DIR: dataDir },
      }),
    ),
  )
  here = gateways[0]?.url ?? ''
  there = gateways[1]?.url ?? ''
})
afterEach(() => {
  for (const following of opened.splice(0)) following.leave()
})
afterAll(async () => {
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

const PASSWORD = 'correct horse battery staple'
const login = async (email: string) =>
  (await signIn(here, 'login', { input: { email, password: PASSWORD } })).session

let users = 0
/** A user with an interview, and two sessions. */
async function newUser() {
  const email = `follower-${users++}@example.com`
  await signIn(here, 'register', { input: { email, password: PASSWORD } })
  const [session, other] = [await login(email), await login(email)]
  await newInterview(here, session.accessToken)
  return { email, session, other }
}

/** Follows over SSE here and over a WebSocket there, both of which have said something. */
async function follow(token: string): Promise<Following[]> {
  const query = 'subscription { interviewStatusChanged { version } }'
  const options = { id: '', token, query, variables: {} }
  const both = [await followByEvents(here, options), await followBySocket(there, options)]
  opened.push(...both)
  await until(() => both.every(({ results }) => results.length > 0), { what: 'the first events' })
  return both
}

async function expectEnded(followings: Following[]) {
  for (const following of followings) {
    await ended(following)
    expect(following.errors).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('session of this token has ended'),
        extensions: expect.objectContaining({ code: 'UNAUTHENTICATED' }),
      }),
    ])
  }
}

test('logging out ends the subscriptions of the session on every instance at once, and no other session’s', async () => {
  const { email, session, other } = await newUser()
  const mine = await follow(session.accessToken)
  const others = await follow(other.accessToken)
  await signInAnswer(there, 'logout', { refreshToken: session.refreshToken }, { token: session.accessToken })
  await expectEnded(mine)
  // What the other session's have from now on shows that they live.
  const before = others.map(({ results }) => results.length)
  await newInterview(here, (await login(email)).accessToken)
  await until(() => others.every(({ results }, n) => results.length > (before[n] ?? 0)), {
    what: 'news of the other session',
  })
  expect(others.flatMap(({ errors }) => errors)).toEqual([])
})

test('so does a refresh token that comes back, and a reset ends those of all sessions', async () => {
  const { email, session, other } = await newUser()
  const mine = await follow(session.accessToken)
  const others = await follow(other.accessToken)
  await signIn(there, 'refreshSession', { refreshToken: session.refreshToken })
  await signIn(there, 'refreshSession', { refreshToken: session.refreshToken })
  await expectEnded(mine)
  expect(others.some(({ ended }) => ended)).toBe(false)
  await signIn(here, 'requestPasswordReset', { email })
  const token = await mailedToken(dataDir, email, 2)
  await signIn(there, 'resetPassword', { input: { token, newPassword: 'another password' } })
  await expectEnded(others)
})

test('a session that ended while an instance heard nothing ends its subscriptions when it hears again', async () => {
  const { session } = await newUser()
  const mine = await follow(session.accessToken)
  // As if the word of it had been lost with the connection.
  await database.query(
    'UPDATE sessions SET ended_at = now() WHERE user_id = (SELECT id FROM users WHERE email = $1)',
    [session.user.email],
  )
  await database.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tributary-liveness'",
  )
  await expectEnded(mine)
})

test('whoever begins to watch a session that has just ended hears of it; nobody is told for one that lives', async () => {
  const { session, other } = await newUser()
  await signInAnswer(here, 'logout', { refreshToken: session.refreshToken }, { token: session.accessToken })
  const rows = await database.query<{ id: string; ended: boolean }>(
    'SELECT s.id, ended_at IS NOT NULL AS ended FROM sessions s JOIN users u ON u.id = user_id WHERE email = $1',
    [other.user.email],
  )
  const logger = createLogger({ level: 'silent', format: 'json' })
  const client = createDatabaseClient({
    url: database.url,
    poolSize: 1,
    lockTimeoutMs: 1000,
    logger,
    metrics: createMetrics(),
  })
  const watch = new SessionWatch({ db: client, clock: systemClock, logger })
  try {
    const told: string[] = []
    for (const { id } of rows) watch.watch(id, () => told.push(id))
    await until(() => told.length > 0, { what: 'the word of the session that ended' })
    watch.wakeAll()
    await client.query({ name: 'after', text: 'SELECT 1' })
    expect(told).toEqual(rows.filter(({ ended }) => ended).map(({ id }) => id))
  } finally {
    watch.close()
    await client.close()
  }
})
