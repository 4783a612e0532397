import { describe, expect, test } from 'vitest'
import { CircuitBreaker } from '../../src/shared/circuit-breaker.ts'
import {
  analysisInput,
  failureOf,
  type OpenAiScene,
  openAiScene,
  planInput,
  runContext,
} from '../support/fake-openai-scene.ts'
import { Gate } from '../support/gate.ts'
import { SimulatedClock, SimulatedTime } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'

const OPEN_FOR_MS = 30_000
/** One call a generation, so that a failure is one failure. */
const oneTry = { policy: { tries: 1 }, breaker: { openAfter: 3, openForMs: OPEN_FOR_MS } }

const analyse = ({ generator }: OpenAiScene, context = runContext()) =>
  generator.generateAnalysis(analysisInput(), context)

async function failTimes(scene: OpenAiScene, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await failureOf(analyse(scene))
}

describe('the circuit breaker of a provider', () => {
  test('opens after so many failures in a row, and keeps calls away', async () => {
    const scene = await openAiScene(oneTry)
    scene.server.onCall = call => call.status(500)
    await failTimes(scene, 3)
    expect(scene.breakers).toEqual(['BEHAVIOR_ANALYSIS open'])
    expect(await failureOf(analyse(scene))).toMatchObject({ reason: 'resting', retryable: true })
    expect(scene.server.calls).toHaveLength(3)
  })

  test('begins to count anew after a success', async () => {
    const scene = await openAiScene(oneTry)
    const fail = (call: { status(status: number): void }) => call.status(500)
    scene.server.script(fail, fail, call => call.answer(), fail, fail)
    await failTimes(scene, 2)
    await analyse(scene)
    await failTimes(scene, 2)
    expect(scene.breakers).toEqual([])
  })

  test('counts every call of a generation, and ends its tries when it opens', async () => {
    const scene = await openAiScene({ breaker: { openAfter: 2 } })
    scene.server.onCall = call => call.status(500)
    const failed = failureOf(analyse(scene))
    await scene.server.called(1)
    await until(() => scene.clock.pendingTimers > 0, { what: 'the pause' })
    scene.time.fireNext()
    expect(await failed).toMatchObject({ reason: 'down' })
    expect(scene.server.calls).toHaveLength(2)
    expect(scene.breakers).toEqual(['BEHAVIOR_ANALYSIS open'])
  })

  test('lets one call through after its time, and closes when that succeeds', async () => {
    const scene = await openAiScene(oneTry)
    const { server, time, breakers } = scene
    server.onCall = call => call.status(500)
    await failTimes(scene, 3)
    await time.pass(OPEN_FOR_MS - 1)
    expect(await failureOf(analyse(scene))).toMatchObject({ reason: 'resting' })
    await time.pass(1)
    const gate = new Gate()
    server.onCall = async call => {
      await gate.pass()
      call.answer()
    }
    const first = analyse(scene)
    await gate.arrived(1)
    expect(await failureOf(analyse(scene))).toMatchObject({ reason: 'resting' })
    gate.open()
    await first
    await analyse(scene)
    expect(server.calls).toHaveLength(5)
    expect(breakers).toEqual([
      'BEHAVIOR_ANALYSIS open',
      'BEHAVIOR_ANALYSIS half-open',
      'BEHAVIOR_ANALYSIS closed',
    ])
  })

  test('opens again when that call fails', async () => {
    const scene = await openAiScene(oneTry)
    scene.server.onCall = call => call.raw('garbage', 'text/plain')
    await failTimes(scene, 3)
    await scene.time.pass(OPEN_FOR_MS)
    expect(await failureOf(analyse(scene))).toMatchObject({ reason: 'unusable' })
    expect(await failureOf(analyse(scene))).toMatchObject({ reason: 'resting' })
    expect(scene.server.calls).toHaveLength(4)
  })

  test('gives the next caller the try of one who was called off', async () => {
    const scene = await openAiScene(oneTry)
    scene.server.onCall = call => call.status(500)
    await failTimes(scene, 3)
    await scene.time.pass(OPEN_FOR_MS)
    scene.server.script(() => {})
    const context = runContext()
    const calledOff = analyse(scene, context)
    await scene.server.called(4)
    context.controller.abort(new Error('the lease is lost'))
    await expect(calledOff).rejects.toThrow('the lease is lost')
    scene.server.onCall = call => call.answer()
    await analyse(scene)
    expect(scene.breakers.at(-1)).toBe('BEHAVIOR_ANALYSIS closed')
  })

  test('leaves the other kinds alone', async () => {
    const scene = await openAiScene(oneTry)
    scene.server.onCall = call => call.status(500)
    await failTimes(scene, 3)
    scene.server.onCall = call => call.answer()
    expect(await failureOf(analyse(scene))).toMatchObject({ reason: 'resting' })
    await scene.generator.generatePlan(planInput({ kind: 'MENU' }), runContext())
  })

  test.each([
    ['a refusal', { content: '', refusal: 'I cannot.' }],
    ['an endless answer', { content: '{"a', finishReason: 'length' }],
    ['nonsense', { content: 'nonsense' }],
  ])('is not moved by what a user can make the model do: %s', async (_, answer) => {
    const scene = await openAiScene(oneTry)
    scene.server.onCall = call => call.answer(answer)
    await failTimes(scene, 5)
    expect(scene.breakers).toEqual([])
  })

  test('is not moved by requests that the provider rejects, nor by runs that are called off', async () => {
    const scene = await openAiScene({ ...oneTry, breaker: { openAfter: 1 } })
    scene.server.script(
      call => call.status(400),
      () => {},
    )
    await failTimes(scene, 1)
    const context = runContext()
    const calledOff = analyse(scene, context)
    await scene.server.called(2)
    context.controller.abort(new Error('shutting down'))
    await expect(calledOff).rejects.toThrow('shutting down')
    await analyse(scene)
    expect(scene.breakers).toEqual([])
  })
})

describe('a circuit breaker', () => {
  function breakerOf(openAfter: number) {
    const time = new SimulatedTime()
    const moves: string[] = []
    const breaker = new CircuitBreaker({
      clock: new SimulatedClock(time),
      openAfter,
      openForMs: 1000,
      onChange: state => moves.push(state),
    })
    return { breaker, time, moves }
  }

  test('is not closed by the late success of a call from before it opened', () => {
    const { breaker, moves } = breakerOf(1)
    const late = breaker.enter()
    breaker.enter()?.fail()
    late?.succeed()
    expect(breaker.state).toBe('open')
    expect(moves).toEqual(['open'])
  })

  test('is not opened again by the late failure of a call from before it opened', async () => {
    const { breaker, time, moves } = breakerOf(1)
    const late = breaker.enter()
    breaker.enter()?.fail()
    await time.pass(1000)
    const probe = breaker.enter()
    late?.fail()
    expect(breaker.state).toBe('half-open')
    probe?.succeed()
    late?.fail()
    expect(moves).toEqual(['open', 'half-open', 'closed'])
  })

  test('counts a call once, however often it ends', () => {
    const { breaker } = breakerOf(2)
    const pass = breaker.enter()
    pass?.fail()
    pass?.fail()
    expect(breaker.state).toBe('closed')
  })
})
