import { chown, lstat, readdir, readFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { filesOf } from '../../src/database/embedded-postgres-cluster.ts'
import { acquireFileLock } from '../../src/database/embedded-postgres-lock.ts'
import { startGateway } from '../../src/gateway.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { SealingKeys } from '../../src/shared/sealing-keys.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { freePort, type MainProcess, makeTemporaryFolder, startMain } from '../support/main-process.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { TEST_SECRET } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

// Each starts a process or several, and some create a database's data.
vi.setConfig({ testTimeout: 150_000 })

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
    deadlineMs: 45_000,
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
  await gateway.ready()
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
    { what: 'initdb to be under way', deadlineMs: 45_000 },
  )
  gateway.kill('SIGTERM')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
  expect(gateway.output).toContain('stopped before it had started')
  expect(await readdir(dataDir)).not.toContain('postgres')
})

test.skipIf(process.geteuid?.() !== 0)(
  'as root in a folder of another user it leaves nothing that is not that user’s (needs root)',
  async () => {
    const folder = await makeTemporaryFolder()
    const passwd = await readFile('/etc/passwd', 'utf8')
    const [, , uid, gid] = (/^daemon:.*$/m.exec(passwd)?.[0] ?? '').split(':').map(Number)
    await chown(folder, uid ?? 0, gid ?? 0)
    const gateway = await startMain({ DATA_DIR: join(folder, 'clone/.data') })
    await gateway.ready()
    const made = await readdir(folder, { recursive: true })
    expect(made).toEqual(
      expect.arrayContaining(['clone/.data/jwt-secret', 'clone/.data/postgres/PG_VERSION']),
    )
    const owners = await Promise.all(
      made.map(async name => (await lstat(join(folder, name)).catch(() => null))?.uid),
    )
    // A running server has files that come and go.
    expect(made.filter((_, i) => owners[i] !== undefined && owners[i] !== uid)).toEqual([])
    gateway.kill('SIGTERM')
    await gateway.gone
  },
)

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
    JWT_SECRET: TEST_SECRET,
  })
  await until(() => silent.connections() > 0, { what: 'the gateway to connect', deadlineMs: 45_000 })
  expect(await answers(gateway, '/health/live')).toMatchObject({ status: 200 })
  expect(await answers(gateway, '/health/ready')).toEqual(STARTING)
  const askedAtMs = performance.now()
  gateway.kill('SIGTERM')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
  // The connect itself would give up after 10 s.
  expect(performance.now() - askedAtMs).toBeLessThan(5000)
})

test('a start that is called off after its migrations closes all it has opened, the database last', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const sessions = async () =>
    (
      await database.query<{ name: string }>(
        `SELECT application_name AS name FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'tributary%'`,
      )
    ).map(({ name }) => name)
  const controller = new AbortController()
  const reason = new Error('called off')
  // Asked for between the migrations and the first request.
  const generator = Object.assign(new FakeGenerator(), {
    longestGenerationMs(timeoutMs: number) {
      controller.abort(reason)
      return timeoutMs
    },
  })
  let stoppedLast = false
  const settings = { PORT: '0', JWT_SECRET: TEST_SECRET, DATABASE_URL: database.url }
  const starting = startGateway({
    config: readConfig(settings, false),
    openDatabase: async () => ({
      url: database.url,
      stop: async () => {
        await until(async () => (await sessions()).length === 0, { what: 'its sessions to be gone' })
        stoppedLast = true
      },
    }),
    jwtSecret: TEST_SECRET,
    sealingKeys: await SealingKeys.load(async () => [Buffer.alloc(32, 1).toString('base64')]),
    generator,
    logger: createLogger({ level: 'silent', format: 'json' }),
    metrics: createMetrics(),
    signal: controller.signal,
  })
  await expect(starting).rejects.toBe(reason)
  expect(stoppedLast).toBe(true)
})

/** One that ends by itself, with nothing on the terminal but a sentence that says what to do. */
async function failsToStart(settings: Record<string, string>): Promise<string> {
  const gateway = await startMain({ JWT_SECRET: TEST_SECRET, ...settings })
  await gateway.gone
  expect(gateway.end).toEqual({ code: 1, signal: null })
  expect(gateway.output).not.toMatch(/\n\s+at |"level":"fatal"|Error:/)
  const sentence = gateway.output.split('\n').filter(line => line !== '' && !line.startsWith('{'))
  expect(sentence).toHaveLength(1)
  return sentence[0] ?? ''
}

/** An address in DATABASE_URL that the test's own server has, changed. */
function databaseUrl(change: (url: URL) => void): string {
  const url = new URL(inject('postgresUrl'))
  change(url)
  return url.href
}

describe('a start that cannot succeed says what to do', () => {
  test('where HOST is no address, and not that the database were away', async () => {
    const DATABASE_URL = inject('postgresUrl')
    for (const HOST of ['no-such-host.invalid', '203.0.113.1'])
      expect(await failsToStart({ HOST, DATABASE_URL })).toMatch(
        new RegExp(`^${HOST} is no address of this machine: set HOST to one of its own`),
      )
  })

  test('where the port is taken', async () => {
    const { port } = await silentServer()
    expect(await failsToStart({ PORT: String(port), DATABASE_URL: inject('postgresUrl') })).toBe(
      `Port ${port} is taken. Set PORT to another one; PORT=0 takes a free one.`,
    )
  })

  test('where nothing listens at DATABASE_URL, or its host has no address', async () => {
    const port = await freePort()
    expect(await failsToStart({ DATABASE_URL: `postgresql://user:word@127.0.0.1:${port}/none` })).toMatch(
      new RegExp(`^No database answers at 127.0.0.1:${port}: start it`),
    )
    expect(await failsToStart({ DATABASE_URL: 'postgresql://user:word@no-such-host.invalid/none' })).toMatch(
      /^The host of no-such-host.invalid in DATABASE_URL has no address/,
    )
  })

  test('where what listens there is silent, or hangs up', async () => {
    const { port } = await silentServer()
    expect(await failsToStart({ DATABASE_URL: `postgresql://user:word@127.0.0.1:${port}/none` })).toMatch(
      new RegExp(`^Something listens at 127.0.0.1:${port} and does not answer as a PostgreSQL does: see`),
    )
    const web = createHttpServer((_, response) => response.end())
    await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void web.close())
    const { port: webPort } = web.address() as { port: number }
    expect(await failsToStart({ DATABASE_URL: `postgresql://user:word@127.0.0.1:${webPort}/none` })).toMatch(
      new RegExp(`^What listens at 127.0.0.1:${webPort} hangs up: see whether it is a PostgreSQL`),
    )
  })

  test('where the password is missing or wrong, or the database is not there', async () => {
    const without = databaseUrl(url => {
      url.password = ''
    })
    expect(await failsToStart({ DATABASE_URL: without })).toMatch(
      /asks for a password, and DATABASE_URL has none: write it as postgresql:/,
    )
    const wrong = databaseUrl(url => {
      url.password = 'wrong'
    })
    expect(await failsToStart({ DATABASE_URL: wrong })).toMatch(
      /refuses the user or the password in DATABASE_URL/,
    )
    const unknown = databaseUrl(url => {
      url.pathname = '/no_such_database'
    })
    expect(await failsToStart({ DATABASE_URL: unknown })).toMatch(
      /^The database no_such_database does not exist at 127\.0\.0\.1:\d+: create it/,
    )
  })

  test('where the user may not make tables, or has no rights in those of another, or may not make a schema', async () => {
    const admin = new pg.Client(inject('postgresUrl'))
    await admin.connect()
    const role = `guest_${process.pid}`
    const [own, migrated] = [await createTestDatabase(), await createTestDatabase()]
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'guest'`)
    onTestFinished(async () => {
      await Promise.all([own.drop(), migrated.drop()])
      await admin.query(`DROP ROLE ${role}`)
      await admin.end()
    })
    const asGuest = (address: string) => {
      const url = new URL(address)
      url.username = role
      url.password = 'guest'
      return url.href
    }
    await own.query('DROP SCHEMA public CASCADE')
    await own.query('CREATE SCHEMA public')
    const lacks = (said: string) =>
      new RegExp(
        `^The user ${role} in DATABASE_URL lacks rights in the database test_.* \\(${said}.*\\): make it the owner`,
      )
    expect(await failsToStart({ DATABASE_URL: asGuest(own.url) })).toMatch(
      lacks('no schema has been selected'),
    )
    await own.query(`GRANT USAGE ON SCHEMA public TO ${role}`)
    expect(await failsToStart({ DATABASE_URL: asGuest(own.url) })).toMatch(
      lacks('permission denied for schema public'),
    )
    expect(await failsToStart({ DATABASE_URL: asGuest(migrated.url) })).toMatch(lacks('permission denied'))
    // It may migrate, and fails at what comes after that.
    await own.query(`ALTER SCHEMA public OWNER TO ${role}`)
    expect(await failsToStart({ DATABASE_URL: asGuest(own.url) })).toMatch(
      lacks('permission denied for database'),
    )
  })
})
