import { describe, expect, test } from 'vitest'
import { receiveBody } from '../../src/providers/openai/receive-body.ts'
import { analysisInput, openAiScene, runContext } from '../support/fake-openai-scene.ts'
import type { FakeOpenAiBehaviour } from '../support/fake-openai-server.ts'
import { Gate } from '../support/gate.ts'
import { until } from '../support/until.ts'

describe('a generation that is aborted', () => {
  const waiting: [what: string, behaviour: (gate: Gate) => FakeOpenAiBehaviour][] = [
    ['before anything has come', gate => () => gate.pass()],
    ['in the middle of a stream', gate => call => call.drip(gate)],
    [
      'in the middle of a whole answer',
      gate => async call => {
        call.begin('{"choices": ', { contentType: 'application/json' })
        await gate.pass()
      },
    ],
    [
      'in the middle of an error',
      gate => async call => {
        call.begin('{"error"', { status: 500, contentType: 'application/json' })
        await gate.pass()
      },
    ],
  ]
  test.each(waiting)('%s leaves no open socket', async (_, behaviour) => {
    const { server, generator } = await openAiScene()
    const gate = new Gate()
    server.onCall = behaviour(gate)
    const context = runContext()
    const generation = generator.generateAnalysis(analysisInput(), context)
    await gate.arrived(1)
    const reason = new Error('the lease is lost')
    context.controller.abort(reason)
    await expect(generation).rejects.toBe(reason)
    await until(() => server.openConnections === 0, { what: 'the end of the connection' })
    expect(server.calls[0]?.hungUp).toBe(true)
    expect(server.calls).toHaveLength(1)
  })

  test('while it waits to try again makes no more calls', async () => {
    const { server, generator, clock } = await openAiScene()
    server.onCall = call => call.status(503)
    const context = runContext()
    const generation = generator.generateAnalysis(analysisInput(), context)
    generation.catch(() => {})
    await until(() => clock.pendingTimers > 0, { what: 'the pause before the second call' })
    const reason = new Error('shutting down')
    context.controller.abort(reason)
    await expect(generation).rejects.toBe(reason)
    expect(clock.pendingTimers).toBe(0)
    expect(server.calls).toHaveLength(1)
  })

  test('hangs up on a body that does not see the abort itself', async () => {
    const controller = new AbortController()
    let cancelled = false
    const body = new ReadableStream<Uint8Array>({
      cancel: () => {
        cancelled = true
      },
    })
    const chunk = receiveBody(body, controller.signal).next()
    controller.abort(new Error('the lease is lost'))
    await expect(chunk).rejects.toThrow('the lease is lost')
    expect(cancelled).toBe(true)
  })

  test('before it began makes no call', async () => {
    const { server, generator } = await openAiScene()
    const context = runContext()
    context.controller.abort(new Error('gone'))
    await expect(generator.generateAnalysis(analysisInput(), context)).rejects.toThrow('gone')
    expect(server.calls).toHaveLength(0)
  })
})
