import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import { FOLLOW, type Following, followByEvents, followBySocket, openSocket } from '../support/api-follow.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
/** Where the runs run, and another instance over the same database that never runs one. */
let gateway: TestGateway
let other: TestGateway
const generator = new FakeGenerator()
const idle = new FakeGenerator()
/** What a test has opened, to be left at its end whatever came of it. */
let opened: Following[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
  other = await startTestGateway({ databaseUrl: database.url, generator: idle })
})
beforeEach(() => {
  generator.behave = async () => {}
})
afterEach(() => {
  for (const following of opened) following.leave()
  opened = []
})
afterAll(async () => {
  await Promise.all([gateway?.close(), other?.close()])
  await database?.drop()
})

const PHASES = ['WAITING', 'COLLECTING', 'GENERATING', 'STORING', 'DONE']
const UNKNOWN = Buffer.from('Generation:00000000-0000-4000-8000-000000000000').toString('base64url')

const active = async (of: TestGateway) => (await of.metrics.subscriptionsActive.get()).values[0]?.value ?? 0
const ended = (following: Following) => until(() => following.ended, { what: 'a subscription to end' })
const reached = (following: Following, progress: number) =>
  until(() => following.runs.some(run => run.progress === progress), { what: `progress ${progress}` })

/** Starts a run that waits at the gate, and fails behind it where the test says so. @returns its id. */
async function startRun(token: string, gate: Gate, failure?: Error): Promise<string> {
  generator.behave = async (_input, { signal }) => {
    await gate.pass(signal)
    if (failure) throw failure
  }
  const { __typename, pending } = await requestAnalysis(gateway.url, token, { forceRefresh: true, waitMs: 0 })
  expect(__typename).toBe('GenerationPending')
  await gate.arrived(1)
  return pending.id
}

/** In order: never back in phase or progress, never the same twice, and the run's end at its end. */
function expectInOrder({ runs }: Following): void {
  for (const [index, run] of runs.entries()) {
    const before = runs[index - 1]
    if (!before) continue
    expect(run.epoch).toBe(before.epoch)
    expect(run.progress).toBeGreaterThanOrEqual(before.progress)
    expect(PHASES.indexOf(run.phase)).toBeGreaterThanOrEqual(PHASES.indexOf(before.phase))
    expect(`${run.phase} ${run.progress}`).not.toBe(`${before.phase} ${before.progress}`)
    expect(before.state).toBe('RUNNING')
  }
}

describe.each([
  ['Server-Sent Events', followByEvents],
  ['a WebSocket', followBySocket],
])('over %s', (transport, open) => {
  const follow = async (url: string, id: string, token?: string) => {
    const following = await open(url, { id, ...(token && { token }) })
    opened.push(following)
    return following
  }

  test('a follower gets the run as it stands, then each progress in order, then its result and the end', async () => {
    const token = await tokenOf(`follower over ${transport}`)
    const [start, middle, end] = [new Gate(), new Gate(), new Gate()]
    generator.behave = async (_input, { reportProgress, signal }) => {
      reportProgress(0.25)
      await start.pass(signal)
      reportProgress(0.5)
      reportProgress(0.1)
      await middle.pass(signal)
      reportProgress(0.75)
      await end.pass(signal)
    }
    const { __typename, pending } = await requestAnalysis(gateway.url, token, { waitMs: 0 })
    expect(__typename).toBe('GenerationPending')
    // A first follower sees the run reach a quarter; a second one that comes then begins there.
    const early = await follow(gateway.url, pending.id, token)
    await reached(early, 0.25)
    const late = await follow(gateway.url, pending.id, token)
    await until(() => late.runs.length > 0, { what: 'the run as it stands' })
    expect(late.runs[0]).toMatchObject({
      state: 'RUNNING',
      phase: 'GENERATING',
      progress: 0.25,
      result: null,
    })
    start.open()
    await Promise.all([reached(early, 0.5), reached(late, 0.5)])
    middle.open()
    await Promise.all([reached(early, 0.75), reached(late, 0.75)])
    end.open()
    await Promise.all([ended(early), ended(late)])

    const { analysis } = await requestAnalysis(gateway.url, token)
    for (const following of [early, late]) {
      expectInOrder(following)
      expect(following.runs.map(run => run.id)).toEqual(following.runs.map(() => pending.id))
      expect(following.runs.at(-1)).toMatchObject({
        state: 'SUCCEEDED',
        phase: 'DONE',
        progress: 1,
        error: null,
        finishedAt: analysis.createdAt,
        result: { __typename: 'Analysis', id: analysis.id },
      })
      expect(following.completed).toBe(true)
    }
    expect(late.runs.map(run => run.progress).filter(progress => progress < 1)).toEqual([0.25, 0.5, 0.75])
  })

  test('a run on another instance is followed as one here is', async () => {
    const token = await tokenOf(`neighbour over ${transport}`)
    const gate = new Gate()
    const id = await startRun(token, gate)
    const following = await follow(other.url, id, token)
    await until(() => following.runs.length > 0, { what: 'the run as it stands' })
    expect(following.runs[0]).toMatchObject({ state: 'RUNNING', phase: 'GENERATING' })
    gate.open()
    await ended(following)
    expectInOrder(following)
    expect(following.runs.at(-1)).toMatchObject({ state: 'SUCCEEDED', result: { __typename: 'Analysis' } })
    expect(following.completed).toBe(true)
    expect(idle.calls).toHaveLength(0)
  })

  test('a run long ended answers how it ended, and completes', async () => {
    const token = await tokenOf(`historian over ${transport}`)
    const { analysis, generation } = await requestAnalysis(gateway.url, token)
    for (const { url } of [gateway, other]) {
      const following = await follow(url, generation?.id ?? '', token)
      await ended(following)
      expect(following.runs).toMatchObject([
        { state: 'SUCCEEDED', phase: 'DONE', progress: 1, result: { id: analysis.id } },
      ])
      expect(following.completed).toBe(true)
    }
  })

  test("a run that fails is followed to its end, in the provider's words", async () => {
    const token = await tokenOf(`unlucky over ${transport}`)
    const gate = new Gate()
    const failure = new GenerationError('The provider is overloaded.', { retryable: true })
    const following = await follow(gateway.url, await startRun(token, gate, failure), token)
    await until(() => following.runs.length > 0, { what: 'the run as it stands' })
    gate.open()
    await ended(following)
    expect(following.runs.at(-1)).toMatchObject({
      state: 'FAILED',
      phase: 'DONE',
      error: 'The provider is overloaded.',
      result: null,
    })
    expect(following.completed).toBe(true)
  })

  test('what is not a run of the viewer is refused, without a difference between foreign and unknown', async () => {
    const token = await tokenOf(`owner over ${transport}`)
    const { analysis, generation } = await requestAnalysis(gateway.url, token)
    const stranger = await tokenOf(`stranger over ${transport}`)
    const refused = async (id: string, by?: string) => {
      const following = await follow(gateway.url, id, by)
      await ended(following)
      expect(following.results.filter(({ data }) => data?.generationChanged)).toEqual([])
      expect(following.errors).toHaveLength(1)
      return following.errors[0]
    }
    const foreign = await refused(generation?.id ?? '', stranger)
    expect(foreign?.extensions?.code).toBe('NOT_FOUND')
    expect((await refused(UNKNOWN, stranger))?.message).toBe(foreign?.message)
    for (const id of ['', 'x', analysis.id])
      expect(await refused(id, token)).toMatchObject({
        extensions: { code: 'BAD_USER_INPUT' },
        message: expect.stringMatching(/^id: expected /),
      })
    expect((await refused(generation?.id ?? ''))?.extensions?.code).toBe('UNAUTHENTICATED')
    expect((await refused(generation?.id ?? '', 'nonsense'))?.extensions?.code).toBe('UNAUTHENTICATED')
    expect(await active(gateway)).toBe(0)
  })

  test('a follower that leaves is cleaned up at once, while the run goes on', async () => {
    const token = await tokenOf(`restless over ${transport}`)
    const gate = new Gate()
    const id = await startRun(token, gate)
    const followers = await Promise.all([follow(other.url, id, token), follow(other.url, id, token)])
    await until(() => followers.every(({ runs }) => runs.length > 0), { what: 'the run as it stands' })
    expect(await active(other)).toBe(2)
    for (const following of followers) following.leave()
    await until(async () => (await active(other)) === 0, { what: 'no active subscription' })
    await notWatched()

    gate.open()
    const last = await follow(other.url, id, token)
    await ended(last)
    expect(last.runs.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  })
})

/** Nothing asks the database how runs stand any more: a subscription that is left behind would, several times a second. */
async function notWatched(): Promise<void> {
  let lastAskedAt = 0
  await until(
    async () => {
      const [row] = await database.query<{ now: number; asked: number | null }>(
        `SELECT extract(epoch FROM clock_timestamp())::float8 AS now, extract(epoch FROM max(query_start))::float8 AS asked
         FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'tributary' AND query LIKE '%FROM generations g%'`,
      )
      lastAskedAt = Math.max(lastAskedAt, row?.asked ?? 0)
      return (row?.now ?? 0) - lastAskedAt > 1
    },
    { what: 'a second in which nobody asks how a run stands', deadlineMs: 8000 },
  )
}

test('every event of a stream has an id, one more than the one before, and the last says complete', async () => {
  const token = await tokenOf('counter')
  const gate = new Gate()
  const following = await followByEvents(gateway.url, { id: await startRun(token, gate), token })
  opened.push(following)
  await until(() => following.runs.length > 0, { what: 'the run as it stands' })
  gate.open()
  await ended(following)
  expect(following.eventIds.length).toBeGreaterThanOrEqual(3)
  expect(following.eventIds).toEqual(
    following.eventIds.map((_, index) => ({
      id: String(index + 1),
      event: index === following.eventIds.length - 1 ? 'complete' : 'next',
    })),
  )
})

test('an operation that cannot be read, or is refused, ends itself and neither the socket nor what else runs on it', async () => {
  const token = await tokenOf('clumsy')
  const gate = new Gate()
  const id = await startRun(token, gate)
  const socket = openSocket(gateway.url, token)
  const good = socket.follow(id)
  opened.push(good)
  await until(() => good.runs.length > 0, { what: 'the run as it stands' })
  for (const [query, code] of [
    ['subscription {', 'GRAPHQL_PARSE_FAILED'],
    ['subscription { nobody }', 'GRAPHQL_VALIDATION_FAILED'],
    ['{ node(id: "x") { id } }', 'BAD_USER_INPUT'],
    ['', 'GRAPHQL_PARSE_FAILED'],
    [FOLLOW.replace('$id)', '"x")'), 'GRAPHQL_VALIDATION_FAILED'],
  ] as const) {
    const bad = socket.follow(id, query)
    await ended(bad)
    expect(
      bad.errors.map(error => error.extensions?.code),
      query,
    ).toEqual([code])
  }
  expect({ opened: socket.opened, closed: socket.closed, ended: good.ended }).toEqual({
    opened: 1,
    closed: 0,
    ended: false,
  })
  const viewer = socket.follow(id, '{ viewer { email } }')
  await ended(viewer)
  expect(viewer.results).toEqual([{ data: { viewer: { email: 'clumsy@example.com' } } }])
  gate.open()
  await ended(good)
  expect(good.runs.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  await socket.close()
})

test('a socket that breaks off without a word is cleaned up', async () => {
  const token = await tokenOf('cut-off')
  const gate = new Gate()
  const id = await startRun(token, gate)
  const socket = openSocket(other.url, token)
  const following = socket.follow(id)
  await until(() => following.runs.length > 0, { what: 'the run as it stands' })
  expect(await active(other)).toBe(1)
  socket.client.terminate()
  await until(async () => (await active(other)) === 0, { what: 'no active subscription' })
  await notWatched()
  gate.open()
})
