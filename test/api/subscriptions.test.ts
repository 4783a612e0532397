import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import {
  ended,
  type Following,
  firstRun,
  followByEvents,
  followBySocket,
  startRun,
} from '../support/api-follow.ts'
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
/** What a test has opened and closed, to be left and opened at its end whatever came of it. */
let opened: Following[] = []
let gates: Gate[] = []
const newGate = () => {
  const gate = new Gate()
  gates.push(gate)
  return gate
}

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
  for (const gate of gates) gate.open()
  opened = []
  gates = []
})
afterAll(async () => {
  await Promise.all([gateway?.close(), other?.close()])
  await database?.drop()
})

const PHASES = ['WAITING', 'COLLECTING', 'GENERATING', 'STORING', 'DONE']
const UNKNOWN = Buffer.from('Generation:00000000-0000-4000-8000-000000000000').toString('base64url')

const active = async (of: TestGateway) => (await of.metrics.subscriptionsActive.get()).values[0]?.value ?? 0
const reached = (following: Following, progress: number) =>
  until(() => following.runs.some(run => run.progress === progress), { what: `progress ${progress}` })

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
    const [start, middle, end] = [newGate(), newGate(), newGate()]
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
    await firstRun(late)
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
    const gate = newGate()
    const id = await startRun({ url: gateway.url, generator, token, gate })
    const following = await follow(other.url, id, token)
    await firstRun(following)
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
    const gate = newGate()
    const failure = new GenerationError('The provider is overloaded.', { retryable: true })
    const following = await follow(
      gateway.url,
      await startRun({ url: gateway.url, generator, token, gate }, failure),
      token,
    )
    await firstRun(following)
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
      expect(following.errors[0]?.extensions).not.toHaveProperty('http')
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
})

test('every event of a stream has an id, one more than the one before, and the last says complete', async () => {
  const token = await tokenOf('counter')
  const gate = newGate()
  const id = await startRun({ url: gateway.url, generator, token, gate })
  const following = await followByEvents(gateway.url, { id, token, method: 'GET' })
  opened.push(following)
  await firstRun(following)
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
