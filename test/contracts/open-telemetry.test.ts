import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startOpenTelemetry } from '../../src/shared/open-telemetry.ts'
import { startCollector } from '../support/fake-collector.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'

const start = (endpoint: string, sampleRatio = 1) =>
  startOpenTelemetry({ endpoint, headers: { 'x-team': 'coaching' }, serviceName: 'coach', sampleRatio })

test('spans are parts of what was going on when they began, across awaits, and of nothing else', async () => {
  const collector = await startCollector()
  const tracing = start(`${collector.url}/`)
  const headers = { traceparent: `00-${TRACE}-${CALLER}-01` }
  let carried: ReturnType<typeof tracing.carry> | undefined
  await tracing.span(
    'request',
    { kind: 'server', headers, attributes: { a: 1, b: undefined } },
    async span => {
      await tracing.span('outer', {}, async () => {
        await Promise.resolve()
        carried = tracing.carry()
        expect(tracing.span('inner', { kind: 'client' }, () => 7)).toBe(7)
      })
      tracing.span('beside', {}, () => {})
      span.set({ c: 'later' })
    },
  )
  tracing.span('elsewhere', {}, () => {})
  carried?.(() => tracing.span('carried', {}, () => {}))
  await tracing.close()
  const by = new Map(collector.spans.map(span => [span.name, span]))
  const parentOf = (name: string) => by.get(name)?.parentSpanId
  expect(by.get('request')).toMatchObject({ traceId: TRACE, parentSpanId: CALLER, kind: 2 })
  expect(by.get('request')?.attributes).toEqual({ a: expect.anything(), c: 'later' })
  expect(parentOf('outer')).toBe(by.get('request')?.spanId)
  expect(parentOf('beside')).toBe(by.get('request')?.spanId)
  expect(parentOf('inner')).toBe(by.get('outer')?.spanId)
  expect(parentOf('carried')).toBe(by.get('outer')?.spanId)
  expect(by.get('inner')?.kind).toBe(3)
  expect(parentOf('elsewhere')).toBeFalsy()
  expect(by.get('elsewhere')?.traceId).not.toBe(TRACE)
  expect(collector.spans.every(({ failed }) => !failed)).toBe(true)
  expect(collector.headers[0]?.['x-team']).toBe('coaching')
})

test('what throws, at once or later, is a failed span with the type and code of the error and nothing of its words', async () => {
  const collector = await startCollector()
  const tracing = start(collector.url)
  const error = Object.assign(new TypeError('hunter2'), { code: 'ECONNRESET' })
  const late = tracing.span('late', {}, async () => {
    throw error
  })
  await expect(late).rejects.toBe(error)
  const atOnce = (thrown: unknown, name: string) =>
    expect(() =>
      tracing.span(name, {}, () => {
        throw thrown
      }),
    ).toThrow()
  atOnce(new RangeError('hunter2'), 'at once')
  atOnce(Object.assign(new Error('x'), { code: 'hunter2 is no code' }), 'no code')
  await tracing.close()
  const types = collector.spans.map(({ name, failed, attributes }) => [
    name,
    failed,
    attributes['error.type'],
  ])
  expect(types).toEqual(
    expect.arrayContaining([
      ['late', true, 'TypeError ECONNRESET'],
      ['at once', true, 'RangeError'],
      ['no code', true, 'Error'],
    ]),
  )
  expect(collector.bodies.join()).not.toContain('hunter2')
})

test('a span that was ended before its work, as of a stream, is sent then, and once', async () => {
  const collector = await startCollector()
  const tracing = start(collector.url)
  let finish = () => {}
  const work = tracing.span('stream', {}, async span => {
    span.end()
    await new Promise<void>(resolve => {
      finish = resolve
    })
  })
  await expect.poll(() => collector.spans.length, { timeout: 10_000 }).toBe(1)
  finish()
  await work
  await tracing.close()
  expect(collector.spans).toHaveLength(1)
})

test('of what begins here the ratio counts, of what has begun elsewhere what was decided there', async () => {
  const collector = await startCollector()
  const [none, all] = [start(collector.url, 0), start(collector.url, 1)]
  const sent = (name: string, tracing: typeof all, flags: string | undefined) =>
    tracing.span(name, { headers: flags ? { traceparent: `00-${TRACE}-${CALLER}-${flags}` } : {} }, () => {})
  for (const [what, tracing] of Object.entries({ none, all }))
    for (const flags of [undefined, '00', '01']) sent(`${what} ${flags}`, tracing, flags)
  await Promise.all([none.close(), all.close()])
  expect(collector.spans.map(({ name }) => name).sort()).toEqual(['all 01', 'all undefined', 'none 01'])
})

test('a collector that does not answer holds an end up for two seconds at most', async () => {
  const server = createServer(() => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const tracing = start(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  tracing.span('x', {}, () => {})
  const startedAtMs = performance.now()
  await tracing.close()
  expect(performance.now() - startedAtMs).toBeLessThan(4500)
})
