import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import { retryAfterMs } from '../../src/providers/openai/retry-after.ts'
import {
  analysisInput,
  failureOf,
  NOW,
  openAiScene,
  planInput,
  runContext,
  withoutPauses,
} from '../support/fake-openai-scene.ts'
import type { FakeOpenAiBehaviour } from '../support/fake-openai-server.ts'
import { until } from '../support/until.ts'

/** The scene's random draws 1: the whole of each pause, of 500 ms and then twice as long. */
const FIRST_PAUSE_MS = 500
const SECOND_PAUSE_MS = 1000

describe('a call that failed for a moment', () => {
  const moments: [what: string, behaviour: FakeOpenAiBehaviour, reason: string][] = [
    ['429', call => call.status(429), 'busy'],
    ['500', call => call.status(500), 'down'],
    ['503', call => call.status(503), 'down'],
    ['a connection that ends without an answer', call => call.disconnect(), 'unreachable'],
    ['a connection that breaks in the middle of an answer', call => call.drop(), 'dropped'],
    [
      '200 with the error of a busy provider',
      call => call.raw('{"error": {"code": 429}}', 'application/json'),
      'busy',
    ],
  ]

  test.each(moments)('with %s is made again after a pause', async (_, behaviour) => {
    const scene = await openAiScene()
    scene.server.script(behaviour, behaviour)
    const generation = scene.generator.generateAnalysis(analysisInput(), runContext())
    const { status, pausedMs } = await withoutPauses(scene, generation)
    expect(status).toBe('fulfilled')
    expect(scene.server.calls).toHaveLength(3)
    expect(pausedMs).toBe(FIRST_PAUSE_MS + SECOND_PAUSE_MS)
  })

  test.each(moments)(
    'with %s is made three times, and then the generation fails',
    async (_, behaviour, reason) => {
      const scene = await openAiScene()
      scene.server.onCall = behaviour
      const generation = scene.generator.generateAnalysis(analysisInput(), runContext())
      const result = await withoutPauses(scene, generation)
      expect(result).toMatchObject({ status: 'rejected', reason: { reason, retryable: true } })
      expect(scene.server.calls).toHaveLength(3)
      expect(scene.clock.pendingTimers).toBe(0)
    },
  )

  test('is not made again before its pause is over', async () => {
    const { server, generator, time, clock } = await openAiScene()
    server.script(call => call.status(500))
    const generation = generator.generateAnalysis(analysisInput(), runContext())
    await until(() => clock.pendingTimers > 0, { what: 'the pause' })
    await time.pass(FIRST_PAUSE_MS - 1)
    expect(server.calls).toHaveLength(1)
    await time.pass(1)
    await generation
    expect(server.calls).toHaveLength(2)
  })

  test('of somebody who draws otherwise is made again at another time', async () => {
    const scene = await openAiScene({ random: () => 0 })
    scene.server.script(call => call.status(500))
    const generation = scene.generator.generateAnalysis(analysisInput(), runContext())
    expect((await withoutPauses(scene, generation)).pausedMs).toBe(FIRST_PAUSE_MS / 2)
  })

  test('with nobody at the address says so', async () => {
    const scene = await openAiScene()
    await scene.server.close()
    const generation = scene.generator.generateAnalysis(analysisInput(), runContext())
    const result = await withoutPauses(scene, generation)
    expect(result).toMatchObject({ status: 'rejected', reason: { reason: 'unreachable', retryable: true } })
    expect(scene.logged()).toContain('ECONNREFUSED')
  })

  test.each([
    [400, 'rejected', false],
    [401, 'unauthorized', false],
    [403, 'unauthorized', false],
    [404, 'unknown', false],
    [408, 'late', true],
    [409, 'rejected', false],
    [413, 'rejected', false],
    [422, 'rejected', false],
  ])('but for good, with %i, is not made again', async (status, reason, retryable) => {
    const { server, generator } = await openAiScene()
    server.onCall = call => call.status(status, { headers: { 'retry-after': '1' } })
    const failure = await failureOf(generator.generateAnalysis(analysisInput(), runContext()))
    expect(failure).toMatchObject({ reason, retryable, details: { status } })
    expect(server.calls).toHaveLength(1)
  })
})

describe('Retry-After', () => {
  test.each([
    ['in seconds', '7', 7000],
    ['as a date', new Date(NOW.getTime() + 12_000).toUTCString(), 12_000],
    ['as a date that has passed', new Date(NOW.getTime() - 60_000).toUTCString(), 0],
    ['that nobody can read', 'soon', 0],
  ])('%s is waited for, and the pause with jitter on top', async (_, header, askedMs) => {
    const scene = await openAiScene()
    scene.server.script(call => call.status(429, { headers: { 'retry-after': header } }))
    const generation = scene.generator.generateAnalysis(analysisInput(), runContext())
    const { status, pausedMs } = await withoutPauses(scene, generation)
    expect(status).toBe('fulfilled')
    expect(pausedMs).toBe(askedMs + FIRST_PAUSE_MS)
  })

  test.each(['31', '86400', new Date(NOW.getTime() + 3_600_000).toUTCString()])(
    'of longer than half a minute, %s, ends the run at once',
    async header => {
      const { server, generator } = await openAiScene()
      server.onCall = call => call.status(503, { headers: { 'retry-after': header } })
      const failure = await failureOf(generator.generateAnalysis(analysisInput(), runContext()))
      expect(failure).toMatchObject({ reason: 'down', retryable: true })
      expect(server.calls).toHaveLength(1)
    },
  )

  test.each([
    ['120', 120_000],
    ['0', 0],
    ['1.5', 1500],
    [' 3 ', 3000],
    ['Thu, 02 Apr 2026 13:20:30 GMT', 30_000],
    ['-5', null],
    ['', null],
    ['Thursday or so', null],
    [null, null],
  ])('%j is read as %j ms', (header, expected) => {
    expect(retryAfterMs(header, NOW)).toBe(expected)
  })
})

describe('a provider that says nothing', () => {
  test('is given up after the time of a call, once, and its connection closed', async () => {
    const { server, generator, time } = await openAiScene({ callTimeoutMs: 120_000 })
    server.onCall = () => {}
    const failed = failureOf(generator.generateAnalysis(analysisInput(), runContext()))
    const call = await server.called(1)
    await time.pass(119_999)
    expect(call.hungUp).toBe(false)
    await time.pass(1)
    expect(await failed).toMatchObject({ reason: 'timeout', retryable: true })
    await until(() => server.openConnections === 0, { what: 'the end of the connection' })
    expect(server.calls).toHaveLength(1)
  })

  test('has the whole time in each call: pauses and calls before it do not count', async () => {
    const { server, generator, time, clock, logged } = await openAiScene({ callTimeoutMs: 2000 })
    server.script(call => call.status(429, { headers: { 'retry-after': '10' } }))
    const generation = generator.generateAnalysis(analysisInput(), runContext())
    await server.called(1)
    await until(() => logged().includes('is made again'), { what: 'the pause after the first call' })
    expect(clock.pendingTimers).toBe(1)
    await time.pass(10_000 + FIRST_PAUSE_MS)
    await generation
    expect(clock.pendingTimers).toBe(0)
  })

  test.each(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])(
    'for longer than fetch waits is not asked three times: %s',
    async code => {
      const { generator } = await openAiScene()
      const fetching = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => {
        throw new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })
      })
      onTestFinished(() => fetching.mockRestore())
      const failure = await failureOf(generator.generateAnalysis(analysisInput(), runContext()))
      expect(failure).toMatchObject({ reason: 'timeout', details: { code } })
      expect(fetching).toHaveBeenCalledTimes(1)
    },
  )

  test('fails with the reason of whoever gave the run a deadline', async () => {
    const { server, generator, breakers } = await openAiScene({ breaker: { openAfter: 1 } })
    server.onCall = () => {}
    const context = runContext()
    const generation = generator.generatePlan(planInput({ kind: 'MENU' }), context)
    await server.called(1)
    const deadline = new GenerationError('The generation took longer than 120000 ms.', { retryable: true })
    context.controller.abort(deadline)
    await expect(generation).rejects.toBe(deadline)
    // It tells of the provider, as a lost lease does not.
    expect(breakers).toEqual(['MENU_PLAN open'])
  })
})
