import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { startBalancer } from '../support/balancer.ts'
import { startFakeOpenAi } from '../support/fake-openai-server.ts'
import {
  type Answer,
  dataPoints,
  post,
  RECORD_DATA_POINTS,
  REQUEST_ANALYSIS,
} from '../support/graphql-client.ts'
import { createInterview, moveInterview, newInterview, readInterview } from '../support/interview-client.ts'
import {
  type Follower,
  followByEventSource,
  followByEventsLibrary,
  followBySocketLibrary,
} from '../support/interview-followers.ts'
import { freePort, type MainProcess, makeTemporaryFolder, startMain } from '../support/main-process.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { TEST_KEY, TEST_SECRET, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const INSTANCES = 3
const ROUNDS = 3
/** A run is under way whenever an instance stops. */
const GENERATION_MS = 150
const VIEWER = `{ viewer { id email interviews(first: 5) { totalCount edges { node { id status } } } } }`

test('three rolling restarts of three instances under load: no request fails, and no subscriber misses an event or gets one twice', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const redisServer = await startRedisServer(inject('redisServer'))
  onTestFinished(() => redisServer.stop())
  const redis = new Redis(redisServer.url)
  onTestFinished(() => redis.disconnect())
  const provider = await startFakeOpenAi()
  provider.onCall = async call => {
    await sleep(GENERATION_MS)
    call.answer()
  }
  const folder = await makeTemporaryFolder()
  const ports = await Promise.all(Array.from({ length: INSTANCES }, freePort))
  const start = (port: number) =>
    startMain({
      PORT: String(port),
      DATABASE_URL: database.url,
      DATABASE_POOL_SIZE: '6',
      REDIS_URL: redisServer.url,
      DATA_DIR: folder,
      JWT_SECRET: TEST_SECRET,
      ENCRYPTION_KEY: TEST_KEY,
      ACCOUNT_SYNC_MINUTES: '0',
      GENERATOR: 'openai',
      OPENAI_BASE_URL: provider.url,
      OPENAI_MODEL: 'test-model',
      // All of them come from one address, and ask for more than people do.
      RATE_LIMIT_PRINCIPAL: '0',
      RATE_LIMIT_ADDRESS: '0',
      RATE_LIMIT_GENERATIONS: '0',
      LOG_LEVEL: 'warn',
    })
  const instances: MainProcess[] = await Promise.all(ports.map(start))
  const balancer = await startBalancer(ports.map(port => `http://127.0.0.1:${port}`))
  const allReady = () =>
    until(() => balancer.ready.length === INSTANCES, { what: 'all to be ready', deadlineMs: 180_000 })
  await allReady()
  const { url } = balancer

  const load = new Load()
  // Queries.
  const reader = await tokenOf('reader')
  for (let i = 0; i < 2; i++)
    load.repeat('query', 40, async () => expectData(await post(url, { query: VIEWER, token: reader })))
  // Runs, each of which an instance owns while it is made, and others follow.
  for (const name of ['runner-1', 'runner-2', 'runner-3']) {
    const token = await tokenOf(name)
    const points = dataPoints(3)
    expectData(await post(url, { query: RECORD_DATA_POINTS, variables: { points }, token }))
    const input = { archetype: 'FOUNDATION_BUILDER', forceRefresh: true }
    for (let i = 0; i < 2; i++)
      load.repeat('requestAnalysis', 100, async () => {
        const data = expectData(await post(url, { query: REQUEST_ANALYSIS, variables: { input }, token }))
        expect(data.requestAnalysis).toMatchObject({ __typename: 'RequestAnalysisPayload' })
      })
  }
  // Interviews, enhanced by a job of some instance.
  const asker = await tokenOf('asker')
  const asked: string[] = []
  load.repeat('createInterview', 250, async () => {
    const { interview } = await createInterview(url, asker, { enhancer: 'GATEWAY' })
    asked.push(interview.id)
  })
  // Interviews that fail, by a message on the stream, and are tried again, without end.
  const talker = await tokenOf('talker')
  const failing = await Promise.all([1, 2, 3].map(() => newInterview(url, talker)))
  const followers: { interviewId: string | undefined; follower: Follower }[] = [
    { interviewId: undefined, follower: followByEventSource(url, talker) },
    ...failing.flatMap(({ id }) => [
      { interviewId: id, follower: followBySocketLibrary(url, talker, id) },
      { interviewId: id, follower: followBySocketLibrary(url, talker, id) },
      { interviewId: id, follower: followByEventsLibrary(url, talker, id) },
      { interviewId: id, follower: followByEventSource(url, talker, id) },
    ]),
  ]
  await until(() => followers.every(({ follower }) => follower.changes.length > 0), { what: 'all to follow' })
  for (const { id } of failing) {
    let turn = 0
    load.repeat('retryInterview', 50, async () => {
      const messageId = `${id}-${turn++}`
      const payload = { messageId, interviewId: id, source: 'rag', status: 'error', error: 'x' }
      await redis.xadd('interview:prompts', '*', 'payload', JSON.stringify(payload))
      await until(async () => (await readInterview(url, talker, id)).status === 'FAILED', {
        what: 'an interview to fail',
        deadlineMs: 30_000,
      })
      await moveInterview(url, talker, 'retryInterview', id)
    })
  }
  const connectedBefore = followers.map(({ follower }) => follower.connected)

  const drains: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, port] of ports.entries()) {
      const stopping = instances[index] as MainProcess
      const toldAtMs = performance.now()
      stopping.kill('SIGTERM')
      await stopping.gone
      drains.push(Math.round(performance.now() - toldAtMs))
      expect(stopping.end).toEqual({ code: 0, signal: null })
      instances[index] = await start(port)
      await allReady()
    }
  }
  await load.end()

  // What the balancer says is why.
  expect(balancer.failures).toEqual([])
  expect(load.failures).toEqual([])
  // Each follower has what is stored, in that order.
  const stored = await database.query<{ id: string; version: number; status: string }>(
    `SELECT interview_id AS id, version, status FROM interview_status_changes
     JOIN users ON users.id = user_id WHERE subject = 'talker' ORDER BY position`,
  )
  const expected = (interviewId: string | undefined) =>
    stored
      .filter(({ id }) => interviewId === undefined || rawId(interviewId) === id)
      .map(({ id, version, status }) => `${id} ${version} ${status}`)
  const seen = (follower: Follower) =>
    follower.changes.map(({ interview, version, status }) => `${rawId(interview.id)} ${version} ${status}`)
  await until(
    () =>
      followers.every(({ interviewId, follower }) => seen(follower).at(-1) === expected(interviewId).at(-1)),
    { what: 'every change to arrive', deadlineMs: 30_000 },
  ).catch(() => {})
  for (const [index, { interviewId, follower }] of followers.entries()) {
    expect(seen(follower), follower.by).toEqual(expected(interviewId))
    expect(follower.errors, follower.by).toEqual([])
    // Each instance was stopped three times: they were sent away, and came again.
    expect(follower.connected, follower.by).toBeGreaterThan(connectedBefore[index] ?? 0)
  }
  await until(
    async () => {
      const left = await database.query(
        `SELECT 1 FROM interviews JOIN users ON users.id = user_id WHERE subject = 'asker' AND status <> 'READY'`,
      )
      return left.length === 0
    },
    { what: 'every interview to be ready', deadlineMs: 60_000 },
  )
  expect(asked.length).toBeGreaterThan(10)
  const running = await database.query(`SELECT key FROM leases WHERE state = 'RUNNING'`)
  expect(running).toEqual([])
  process.stdout.write(
    `      requests ${JSON.stringify(load.counts)}, changes ${stored.length}, drains ${drains.join(' ')} ms, connected ${followers.map(({ follower }) => follower.connected).join(' ')}\n`,
  )
}, 900_000)

/** Those who ask again and again until the end, and what went wrong for them. */
class Load {
  readonly failures: string[] = []
  readonly counts: Record<string, number> = {}
  readonly #loops: Promise<void>[] = []
  #over = false

  repeat(what: string, pauseMs: number, ask: () => Promise<unknown>): void {
    this.#loops.push(
      (async () => {
        while (!this.#over) {
          await ask().catch(error => this.failures.push(`${what}: ${error}`))
          this.counts[what] = (this.counts[what] ?? 0) + 1
          await sleep(pauseMs)
        }
      })(),
    )
  }

  async end(): Promise<void> {
    this.#over = true
    await Promise.all(this.#loops)
  }
}

function expectData(answer: Answer<Record<string, unknown>>): Record<string, unknown> {
  if (answer.errors || !answer.data) throw new Error(`${answer.status} ${JSON.stringify(answer.errors)}`)
  return answer.data
}

const rawId = (globalId: string) => Buffer.from(globalId, 'base64').toString().replace(/^\w+:/, '')
