import { readdir } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { filesOf } from '../../src/database/embedded-postgres-cluster.ts'
import { acquireFileLock } from '../../src/database/embedded-postgres-lock.ts'
import { type MainProcess, makeTemporaryFolder, startMain } from '../support/main-process.ts'
import { until } from '../support/until.ts'

async function answers(
  gateway: MainProcess,
  path: string,
): Promise<{ status: number; body: unknown } | null> {
  const response = await fetch(`${gateway.url}${path}`).catch(() => null)
  return response && { status: response.status, body: await response.json() }
}

/** Waits for its first answer; one that has ended will not give any. */
async function listens(gateway: MainProcess): Promise<void> {
  await until(async () => gateway.end !== undefined || (await answers(gateway, '/health/live')) !== null, {
    what: 'the gateway to listen',
  })
}

const STARTING = { status: 503, body: { status: 'down', phase: 'starting' } }

/** Starts one whose embedded database waits for another gateway, which is this test. */
async function startBehindALock() {
  const dataDir = await makeTemporaryFolder()
  const lock = await acquireFileLock(filesOf(dataDir).lock, 0)
  if (!lock) throw new Error('a new folder has a lock that nobody holds')
  const gateway = await startMain({ DATA_DIR: dataDir })
  await listens(gateway)
  return { dataDir, gateway, letGo: () => lock[Symbol.dispose]() }
}

test('it is alive and not ready from the first moment, while its database is still to be started', async () => {
  const { gateway, letGo } = await startBehindALock()
  expect(await answers(gateway, '/health/live')).toEqual({ status: 200, body: { status: 'ok' } })
  expect(await answers(gateway, '/health/ready')).toEqual(STARTING)
  expect((await fetch(`${gateway.url}/metrics`)).status).toBe(200)
  expect(await answers(gateway, '/graphql?query={__typename}')).toMatchObject({
    status: 503,
    body: { errors: [{ extensions: { code: 'UNAVAILABLE', retryAfterMs: 1000 } }] },
  })
  letGo()
  await until(async () => (await answers(gateway, '/health/ready'))?.status === 200, {
    what: 'the gateway to be ready',
  })
  expect((await answers(gateway, '/graphql?query={__typename}'))?.body).toEqual({
    data: { __typename: 'Query' },
  })
  gateway.kill('SIGTERM')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
  expect(gateway.output).toContain('stopping the embedded PostgreSQL')
})

test('a SIGTERM while it waits for its database ends it at once, and in order', async () => {
  const { dataDir, gateway, letGo } = await startBehindALock()
  gateway.kill('SIGTERM')
  await gateway.gone
  letGo()
  expect(gateway.end).toEqual({ code: 0, signal: null })
  expect(gateway.output).toContain('stopped before it had started')
  expect(await readdir(dataDir)).not.toContain('postgres')
})

test('a SIGTERM while the data are created leaves none of them half done', async () => {
  const dataDir = await makeTemporaryFolder()
  const gateway = await startMain({ DATA_DIR: dataDir })
  const attempts = async () => (await readdir(dataDir)).filter(name => name.startsWith('postgres.init-'))
  await until(
    async () => {
      for (const name of await attempts())
        if ((await readdir(join(dataDir, name)).catch((): string[] => [])).includes('global')) return true
      return false
    },
    { what: 'initdb to be under way' },
  )
  gateway.kill('SIGTERM')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
  expect(gateway.output).toContain('stopped before it had started')
  expect(await readdir(dataDir)).not.toContain('postgres')
})

/** A server that takes connections and never says a word. */
async function silentServer(): Promise<{ port: number; connections: () => number }> {
  const open = new Set<Socket>()
  const server = createServer(socket => {
    open.add(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { port: (server.address() as { port: number }).port, connections: () => open.size }
}

test('a SIGTERM while it connects to a database that does not answer ends it at once', async () => {
  const silent = await silentServer()
  const gateway = await startMain({
    DATABASE_URL: `postgresql://user:word@127.0.0.1:${silent.port}/none`,
    JWT_SECRET: 'a secret that is long enough for HS256',
  })
  await until(() => silent.connections() > 0, { what: 'the gateway to connect' })
  expect(await answers(gateway, '/health/live')).toMatchObject({ status: 200 })
  expect(await answers(gateway, '/health/ready')).toEqual(STARTING)
  const askedAtMs = performance.now()
  gateway.kill('SIGTERM')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
  // The connect itself would give up after 10 s.
  expect(performance.now() - askedAtMs).toBeLessThan(5000)
})
