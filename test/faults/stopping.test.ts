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
    'POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{',
  )
  socket.write(' ')
  await until(() => socket.bytesWritten > 0, { what: 'the request to be under way' })
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
