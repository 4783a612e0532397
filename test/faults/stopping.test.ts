import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, inject, onTestFinished, test } from 'vitest'
import { type MainProcess, startMain } from '../support/main-process.ts'
import { TEST_SECRET } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const DRAIN_MS = 120_000

async function startReady(settings: Record<string, string> = {}): Promise<MainProcess> {
  const DATABASE_URL = inject('postgresUrl')
  const gateway = await startMain({ DATABASE_URL, JWT_SECRET: TEST_SECRET, ...settings })
  await gateway.ready()
  return gateway
}

test('one Ctrl-C, which a terminal sends and npm hands on, is one: it drains', async () => {
  const gateway = await startReady()
  // Two of one kind could become one on their way.
  gateway.kill('SIGINT')
  gateway.kill('SIGTERM')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
  expect(gateway.output).toContain('drained')
})

test('who asks again does not wait for the drain', async () => {
  const gateway = await startReady({ SHUTDOWN_TIMEOUT_MS: String(DRAIN_MS) })
  // A request that never ends keeps a drain waiting.
  const { port } = new URL(gateway.url)
  const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
  onTestFinished(() => void socket.destroy())
  socket.write(
    'POST /graphql HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{',
  )
  // It has the request: one that is still on its way holds nothing up.
  await once(socket, 'data')
  const askedAtMs = performance.now()
  gateway.kill('SIGINT')
  await until(() => gateway.output.includes('draining'), { what: 'it to drain' })
  await until(
    () => {
      gateway.kill('SIGINT')
      return gateway.end !== undefined
    },
    { what: 'the gateway to end' },
  )
  expect(gateway.end).toEqual({ code: 1, signal: null })
  expect(performance.now() - askedAtMs).toBeLessThan(DRAIN_MS / 2)
})

test('an error that nobody caught is told of once, drains, and ends with exit code 1', async () => {
  const throwing = `process.on('SIGUSR2', () => {
    setTimeout(() => { throw new Error('somebody forgot me') })
    Promise.reject(new Error('and me'))
    setTimeout(() => Promise.reject(new Error('and me too')), 1)
  })`
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(throwing)}`
  const gateway = await startReady({ NODE_OPTIONS })
  gateway.kill('SIGUSR2')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 1, signal: null })
  const lines = gateway.output
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))
  const fatal = lines.filter(({ level }) => level === 60)
  expect(fatal).toHaveLength(1)
  expect(fatal[0].err).toMatchObject({
    type: 'Error',
    message: 'and me',
    stack: expect.stringContaining('at '),
  })
  expect(lines.at(-1).msg).toBe('drained')
})

test('readiness goes first: an instance that stops answers 503, serves on, and says that its connections end', async () => {
  const gateway = await startReady({ SHUTDOWN_TIMEOUT_MS: '20000' })
  // Somebody who spreads requests by it goes on asking.
  const ready = () => fetch(`${gateway.url}/health/ready`)
  expect((await ready()).status).toBe(200)
  gateway.kill('SIGTERM')
  await until(() => gateway.output.includes('draining'), { what: 'it to drain' })
  const served = await fetch(`${gateway.url}/graphql?query={viewer{id}}`)
  expect(await served.json()).toEqual({ data: { viewer: null } })
  expect(served.headers.get('connection')).toBe('close')
  const response = await ready()
  expect(response.status).toBe(503)
  expect(await response.json()).toEqual({ status: 'down', phase: 'draining' })
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
})
