import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type EmbeddedPostgres,
  EmbeddedPostgresError,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../src/database/embedded-postgres.ts'
import { filesOf } from '../../src/database/embedded-postgres-cluster.ts'
import { connect, serves } from '../../src/database/embedded-postgres-connection.ts'
import { acquireFileLock } from '../../src/database/embedded-postgres-lock.ts'
import { identifyProcess } from '../../src/database/embedded-postgres-postmaster.ts'
import { findRunningServer } from '../../src/database/embedded-postgres-server.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const isRoot = process.geteuid?.() === 0
const run = promisify(execFile)

let home: string
let dataDir: string
let systemDir: string
let logged: string[]
let started: EmbeddedPostgres[]
let gateways: Gateway[]

/** Data that were created once, in order to copy them: initdb takes a second. */
let template: string

beforeAll(async () => {
  template = await makeHome()
  const postgres = await startEmbeddedPostgres({
    dataDir: join(template, 'data'),
    systemDir: join(template, 'system'),
    log: () => {},
  })
  await postgres.stop()
  return () => rm(template, { recursive: true, force: true })
})

const copyTemplate = () => run('cp', ['-a', join(template, 'data'), dataDir])

async function makeHome(): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'tributary-embedded-')))
  // As root the server runs as somebody else, who could not enter what mkdtemp makes.
  await chmod(path, 0o755)
  return path
}

beforeEach(async () => {
  home = await makeHome()
  dataDir = join(home, 'data')
  systemDir = join(home, 'system')
  logged = []
  started = []
  gateways = []
})

afterEach(async () => {
  for (const gateway of gateways) gateway.kill()
  await Promise.all(started.map(postgres => postgres.stop()))
  for (const pid of await serversBelow(home)) process.kill(pid, 'SIGKILL')
  await until('every server is gone', async () => (await serversBelow(home)).length === 0)
  await rm(home, { recursive: true, force: true, maxRetries: 5 })
})

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const log = (line: string) => logged.push(line)
  const postgres = await startEmbeddedPostgres({ dataDir, systemDir, log, ...options })
  started.push(postgres)
  return postgres
}

/** A second process: what is killed, or starts at the same moment. */
interface Gateway {
  readonly ready: Promise<{ url: string; origin: string }>
  /** Everything in its process group, as the terminal's Ctrl-C would reach it */
  kill(): void
  readonly gone: Promise<unknown>
  stop(): Promise<void>
}

function spawnGateway(): Gateway {
  const script = fileURLToPath(new URL('../support/hold-embedded-postgres.ts', import.meta.url))
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    process.execPath,
    [script, JSON.stringify({ dataDir, systemDir })],
    { detached: true, stdio: ['pipe', 'pipe', 'ignore'] },
  )
  const gone = once(child, 'exit')
  const ready = (async () => {
    for await (const line of createInterface(child.stdout)) return JSON.parse(line)
    throw new Error('the gateway ended before it was ready')
  })()
  // Some are killed before.
  ready.catch(() => {})
  const gateway = {
    ready,
    gone,
    kill() {
      if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL')
    },
    async stop() {
      child.stdin.end()
      await gone
    },
  }
  gateways.push(gateway)
  return gateway
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(sql)).rows
  } finally {
    await client.end()
  }
}

/** A word that only these data know. */
async function remember(postgres: { url: string }): Promise<string> {
  const word = randomUUID()
  await query(postgres.url, `CREATE TABLE memory AS SELECT '${word}' AS word`)
  return word
}

async function recall(postgres: { url: string }): Promise<string | undefined> {
  return (await query<{ word: string }>(postgres.url, 'SELECT word FROM memory'))[0]?.word
}

async function postmasterPid(): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8')).split('\n')[0])
}

/** Every postgres and initdb that was started for something below a folder. */
async function serversBelow(folder: string): Promise<number[]> {
  const pids: number[] = []
  for (const { pid, command } of await processes()) {
    if (command.includes(folder) && /(postgres|initdb)(\.exe)? /.test(command)) pids.push(pid)
  }
  return pids
}

async function processes(): Promise<{ pid: number; command: string }[]> {
  if (process.platform !== 'linux') {
    const { stdout } = await run('ps', ['-A', '-ww', '-o', 'pid=,command='])
    return stdout.split('\n').map(line => ({ pid: Number.parseInt(line, 10), command: line }))
  }
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  return Promise.all(
    pids.map(async pid => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      return { pid: Number(pid), command: command.replaceAll('\0', ' ') }
    }),
  )
}

function attempt(action: () => void): void {
  try {
    action()
  } catch {}
}

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await delay(10)
  }
}

describe('between starts', () => {
  test('the data are kept, and a stop leaves no process', async () => {
    const first = await start()
    expect(first.origin).toBe('initialised')
    expect(logged).toEqual([expect.stringMatching(/first start: creating its data in .*data\/postgres/)])
    const word = await remember(first)
    expect(await serversBelow(home)).not.toEqual([])
    await Promise.all([first.stop(), first.stop()])
    expect(await serversBelow(home)).toEqual([])

    const second = await start()
    expect(second.origin).toBe('started')
    expect(second.url).toBe(first.url)
    expect(await recall(second)).toBe(word)
    expect(logged.join('\n')).not.toMatch(/copying|may not enter/)
  })

  test('what the server is: loopback only, with a password, UTF-8 sorted by code point, durable', async () => {
    await copyTemplate()
    const { url } = await start()
    const [settings] = await query(
      url,
      `SELECT current_database() AS database, current_setting('listen_addresses') AS addresses,
        current_setting('unix_socket_directories') AS sockets, current_setting('fsync') AS fsync,
        pg_encoding_to_char(encoding) AS encoding, datlocprovider AS provider, datlocale AS locale,
        lower('ÄŠ') AS lower
      FROM pg_database WHERE datname = current_database()`,
    )
    expect(settings).toEqual({
      database: 'tributary',
      addresses: '127.0.0.1',
      sockets: '',
      fsync: 'on',
      encoding: 'UTF8',
      provider: 'b',
      locale: 'C.UTF-8',
      lower: 'äš',
    })
    const wrong = new URL(url)
    wrong.password = 'wrong'
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
    for (const name of ['postgres-password', 'postgres.log', 'postgres.lock']) {
      expect([name, (await stat(join(dataDir, name))).mode & 0o777]).toEqual([name, 0o600])
    }
  })

  test('a port that was taken meanwhile is given up for another', async () => {
    await copyTemplate()
    const first = await start()
    const word = await remember(first)
    await first.stop()
    const port = Number(new URL(first.url).port)
    const other = createServer().listen(port, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')

    const second = await start()
    expect(new URL(second.url).port).not.toBe(String(port))
    expect(await recall(second)).toBe(word)
    await second.stop()
    const third = await start()
    expect(third.url).toBe(second.url)
  })

  test('a log that has grown is put aside', async () => {
    await copyTemplate()
    await writeFile(join(dataDir, 'postgres.log'), 'x'.repeat(6 * 1024 * 1024))
    await start()
    expect((await stat(join(dataDir, 'postgres.log'))).size).toBeLessThan(10_000)
    expect((await stat(join(dataDir, 'postgres.log.1'))).size).toBe(6 * 1024 * 1024)
  })
})

describe('a server that is killed while its gateways live', () => {
  const holders = "FROM pg_stat_activity WHERE application_name = 'tributary-embedded-hold'"
  const answers = (url: string) => query(url, 'SELECT 1').then(Boolean, () => false)
  const killServer = async () => {
    const pid = await postmasterPid()
    process.kill(pid, 'SIGKILL')
    return pid
  }

  test('is started again at the same address, once for both, and still stopped by the last one', async () => {
    await copyTemplate()
    const [first, second] = [await start(), await start()]
    const word = await remember(first)
    for (const _ of [1, 2]) {
      const pid = await killServer()
      await until('it answers again', () => answers(first.url))
      expect(await recall(first)).toBe(word)
      expect(await postmasterPid()).not.toBe(pid)
      await until(
        'both hold it again',
        async () =>
          (await query<{ held: number }>(first.url, `SELECT count(*)::int AS held ${holders}`))[0]?.held ===
          2,
      )
    }
    expect(logged.filter(line => line.includes('has ended; starting it again'))).toHaveLength(2)
    expect(logged.filter(line => line.includes('runs again'))).toHaveLength(2)
    await first.stop()
    expect(await recall(second)).toBe(word)
    await second.stop()
    expect(await serversBelow(home)).toEqual([])
  })

  test('waits for its port where another program has taken that, and says so', async () => {
    await copyTemplate()
    const postgres = await start({ restarts: { attempts: 100, baseMs: 100, maxMs: 100 } })
    const port = Number(new URL(postgres.url).port)
    await killServer()
    const other = createServer()
    onTestFinished(() => void other.close())
    await until('the port is taken', async () => {
      other.listen(port, '127.0.0.1')
      return once(other, 'listening').then(Boolean, () => false)
    })
    await until('it is said', () =>
      logged.some(line => line.includes(`port ${port}, at which it was, is taken`)),
    )
    other.close()
    await until('it answers again', () => answers(postgres.url))
    await postgres.stop()
    expect(await serversBelow(home)).toEqual([])
  })

  test('and cannot be started is given up after so many attempts, with a line that says what to do', async () => {
    await copyTemplate()
    const postgres = await start({ restarts: { attempts: 3, baseMs: 20, maxMs: 20 } })
    await writeFile(join(dataDir, 'postgres/postgresql.conf'), 'nonsense = 1\n')
    await killServer()
    await until('it is given up', () => logged.some(line => line.includes('restart the gateway')))
    const attempts = logged.filter(line => /is away \(attempt \d\)/.test(line))
    expect(attempts).toHaveLength(3)
    expect(attempts[0]).toContain('unrecognized configuration parameter "nonsense"')
    await postgres.stop()
    expect(await serversBelow(home)).toEqual([])
  })

  test('is not started again for a gateway that stops meanwhile', async () => {
    await copyTemplate()
    const postgres = await start({ restarts: { attempts: 100, baseMs: 10, maxMs: 10 } })
    // Whoever has the lock of the folder keeps everybody from starting it.
    const lock = await acquireFileLock(filesOf(dataDir).lock, 0)
    await killServer()
    await until('it has ended', async () => (await serversBelow(home)).length === 0)
    const stopping = postgres.stop()
    lock?.[Symbol.dispose]()
    await stopping
    expect(await serversBelow(home)).toEqual([])
    expect(logged.join()).not.toContain('starting it again')
  })
})

describe('a start that is called off', () => {
  const reason = new Error('called off')
  const callOffWhen = async (condition: () => Promise<boolean>) => {
    const controller = new AbortController()
    const starting = start({ signal: controller.signal }).catch((error: unknown) => error)
    await until('it is time to call it off', condition)
    controller.abort(reason)
    expect(await starting).toBe(reason)
    await until('nothing of it runs', async () => (await serversBelow(home)).length === 0)
    expect(existsSync(join(dataDir, 'postgres/postmaster.pid'))).toBe(false)
  }

  test('while the data are created leaves no data and no process, and the next start begins anew', async () => {
    await callOffWhen(async () => (await serversBelow(home)).length > 0)
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false)
    expect((await start()).origin).toBe('initialised')
  })

  test('while the server starts stops it', async () => {
    await copyTemplate()
    await callOffWhen(async () => (await serversBelow(home)).length > 0)
    expect((await start()).origin).toBe('started')
  })

  test('while the server that was started is not ready stops that too', async () => {
    await copyTemplate()
    const packageDir = join(home, 'package')
    const bin = join(packageDir, 'native/bin')
    await mkdir(bin, { recursive: true })
    // Goes on for as long as nobody stops it, as a server that recovers a large log does.
    const slow =
      '#!/bin/sh\n[ "$1" = --version ] && echo "postgres (PostgreSQL) 18.0" && exit\nwhile :; do sleep 0.05; done\n'
    await writeFile(join(bin, 'postgres'), slow, { mode: 0o755 })
    const controller = new AbortController()
    const starting = start({ packageDir, signal: controller.signal }).catch((error: unknown) => error)
    await until('it runs', async () => (await serversBelow(home)).length > 0)
    controller.abort(reason)
    expect(await starting).toBe(reason)
    expect(await serversBelow(home)).toEqual([])
  })
})

describe('after a kill', () => {
  test('a server whose gateway was killed is adopted, and stopped by who adopted it', async () => {
    await copyTemplate()
    const gateway = spawnGateway()
    const killed = await gateway.ready
    const word = await remember(killed)
    const pid = await postmasterPid()
    gateway.kill()
    await gateway.gone

    const postgres = await start()
    expect(postgres).toMatchObject({ origin: 'adopted', url: killed.url })
    expect(await postmasterPid()).toBe(pid)
    expect(await recall(postgres)).toBe(word)
    await postgres.stop()
    expect(await serversBelow(home)).toEqual([])
  })

  test('a server that was killed is started again at once, with its data, and its first user survives', async () => {
    await copyTemplate()
    const first = await start()
    const word = await remember(first)
    const pid = await postmasterPid()
    const [helper] = await query<{ pid: number }>(
      first.url,
      "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'",
    )
    // One of its processes lingers, and with it the shared memory that the new server must not take for its own.
    const lingering = helper?.pid ?? 0
    process.kill(lingering, 'SIGSTOP')
    onTestFinished(() => void attempt(() => process.kill(lingering, 'SIGCONT')))
    process.kill(pid, 'SIGKILL')
    const starting = start()
    await until('PostgreSQL has refused to start', async () =>
      (await readFile(join(dataDir, 'postgres.log'), 'utf8')).includes('pre-existing shared memory block'),
    )
    process.kill(lingering, 'SIGCONT')

    const second = await starting
    expect(second).toMatchObject({ origin: 'started', url: first.url })
    expect(await postmasterPid()).not.toBe(pid)
    expect(await recall(second)).toBe(word)
    await first.stop()
    expect(await recall(second)).toBe(word)
    await second.stop()
    expect(await serversBelow(home)).toEqual([])
  })

  test('a gateway killed while it creates the data leaves nothing that matters', async () => {
    const gateway = spawnGateway()
    const attempts = async () =>
      existsSync(dataDir) ? (await readdir(dataDir)).filter(name => name.startsWith('postgres.init-')) : []
    await until('initdb is under way', async () => {
      for (const name of await attempts()) if (existsSync(join(dataDir, name, 'global'))) return true
      return false
    })
    gateway.kill()
    await gateway.gone
    expect(await attempts()).not.toEqual([])
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false)

    expect(await start()).toMatchObject({ origin: 'initialised' })
    await until('the orphaned initdb has ended', async () =>
      (await processes()).every(({ command }) => !command.includes('postgres.init-')),
    )
    await start()
    expect(await attempts()).toEqual([])
  })

  test.for(['this process', "a process of the server's own user", 'no process'])(
    'a pid file that names %s is no obstacle',
    async whose => {
      await copyTemplate()
      const first = await start()
      const word = await remember(first)
      const pidFile = join(dataDir, 'postgres/postmaster.pid')
      const { uid, gid } = await stat(pidFile)
      const lines = (await readFile(pidFile, 'utf8')).split('\n')
      const serverPid = lines[0]
      await first.stop()
      // Somebody who listens where the dead server did, and never answers.
      const silent = createServer().listen(Number(lines[3]), '127.0.0.1')
      await once(silent, 'listening')
      const bystander = spawn('sleep', ['60'], isRoot ? { uid, gid } : {})
      onTestFinished(() => {
        silent.close()
        bystander.kill()
      })
      await once(bystander, 'spawn')
      const pids = { 'this process': process.pid, 'no process': serverPid } as Record<string, unknown>
      lines[0] = String(pids[whose] ?? bystander.pid)
      await writeFile(pidFile, lines.join('\n'), { mode: 0o600 })
      if (isRoot) await run('chown', [`${uid}:${gid}`, pidFile])

      const second = await start()
      expect(second.origin).toBe('started')
      expect(await recall(second)).toBe(word)
      await second.stop()
      expect(bystander.exitCode ?? bystander.signalCode).toBe(null)
    },
  )

  test('data copied from under a running server get a server of their own', async () => {
    await copyTemplate()
    const original = await start()
    const word = await remember(original)
    await query(original.url, 'CHECKPOINT')
    const copiedTo = join(home, 'copy')
    await run('cp', ['-a', dataDir, copiedTo])

    const copy = await start({ dataDir: copiedTo })
    expect(copy.origin).toBe('started')
    expect(copy.url).not.toBe(original.url)
    expect(await recall(copy)).toBe(word)
    await copy.stop()
    expect(await recall(original)).toBe(word)
  })

  test('a server that is still stopping is waited for, within bounds', async () => {
    await copyTemplate()
    const gateway = spawnGateway()
    const word = await remember(await gateway.ready)
    // A smart stop waits for the sessions to end, and the gateway's hold is one.
    process.kill(await postmasterPid(), 'SIGTERM')
    const dir = join(dataDir, 'postgres')
    await until('the server is stopping', async () =>
      (await readFile(join(dir, 'postmaster.pid'), 'utf8')).includes('stopping'),
    )
    const options = { files: filesOf(dataDir), dir, password: '', log: () => {} }
    await expect(findRunningServer(options, performance.now() + 50)).rejects.toThrow(
      /is stopping for over[\s\S]*postgres\.log says more[\s\S]*received smart shutdown request/,
    )

    const starting = start()
    await until('it says that it waits', () => logged.some(line => /waiting for .* stopping/.test(line)))
    gateway.kill()
    const postgres = await starting
    expect(postgres.origin).toBe('started')
    expect(await recall(postgres)).toBe(word)
  })
})

describe('whether a server is the one of a folder', () => {
  test('is told by where it has its data, whatever the folder is called', async () => {
    await copyTemplate()
    const { url } = await start()
    const { port, password } = new URL(url)
    const connection = await connect({ port: Number(port), password, applicationName: 'test' })
    onTestFinished(() => connection.close())
    await symlink(dataDir, join(home, 'alias'))
    expect(await serves(connection, join(dataDir, 'postgres'))).toBe(true)
    expect(await serves(connection, join(home, 'alias/postgres'))).toBe(true)
    expect(await serves(connection, join(template, 'data/postgres'))).toBe(false)
    expect(await serves(connection, join(home, 'nowhere'))).toBe(false)
  })

  test('is told by the command line of its process', async () => {
    await copyTemplate()
    await start()
    const pid = await postmasterPid()
    expect(await identifyProcess(pid, join(dataDir, 'postgres'))).toBe('ours')
    expect(await identifyProcess(pid, join(template, 'data/postgres'))).toBe('none')
    expect(await identifyProcess(process.pid, join(dataDir, 'postgres'))).toBe('none')
    const helpers = (await processes()).filter(({ command }) =>
      /^postgres: (checkpointer|walwriter)/.test(command),
    )
    expect(helpers.length).toBeGreaterThan(0)
    for (const helper of helpers) {
      expect(await identifyProcess(helper.pid, join(dataDir, 'postgres'))).toBe('none')
    }
  })
})

describe('with several gateways', () => {
  test('those that start at the same moment share one server, and the last one out stops it', async () => {
    const three = [spawnGateway(), spawnGateway(), spawnGateway()] as const
    const ready = await Promise.all(three.map(gateway => gateway.ready))
    expect(ready.map(({ origin }) => origin).sort()).toEqual(['adopted', 'adopted', 'initialised'])
    expect(new Set(ready.map(({ url }) => url)).size).toBe(1)
    expect(await serversBelow(home)).toEqual([await postmasterPid()])
    const word = await remember(ready[0] ?? { url: '' })

    await three[0].stop()
    three[1].kill()
    await three[1].gone
    expect(await recall(ready[2] ?? { url: '' })).toBe(word)
    await three[2].stop()
    expect(await serversBelow(home)).toEqual([])
  })

  test('the lock of the data folder excludes all others until it is let go', async () => {
    const path = join(home, 'lock')
    const held = await acquireFileLock(path, 0)
    expect(held).not.toBe(null)
    expect(await acquireFileLock(path, 50)).toBe(null)
    const waiting = acquireFileLock(path, 5_000)
    held?.[Symbol.dispose]()
    const next = await waiting
    expect(next).not.toBe(null)
    next?.[Symbol.dispose]()
  })

  test('one that starts while the last one stops ends with a running server', async () => {
    await copyTemplate()
    let last = await start()
    const word = await remember(last)
    for (let round = 0; round < 6; round++) {
      const leaving = last
      const [next] =
        round % 2 === 0
          ? await Promise.all([start(), leaving.stop()])
          : ((await Promise.all([leaving.stop(), start()])).toReversed() as [EmbeddedPostgres])
      expect(await recall(next)).toBe(word)
      last = next
    }
  })

  test('one whose session was ended by somebody else takes its hold up again', async () => {
    await copyTemplate()
    const first = await start()
    const second = await start()
    const holds = "FROM pg_stat_activity WHERE application_name = 'tributary-embedded-hold'"
    const before = await query<{ pid: number }>(first.url, `SELECT pid ${holds}`)
    expect(before).toHaveLength(2)
    await query(first.url, `SELECT pg_terminate_backend(pid) ${holds}`)
    await until('both hold it again', async () => {
      const held = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid IN (SELECT pid ${holds})`
      const after = await query<{ pid: number }>(first.url, held)
      return after.length === 2 && after.every(({ pid }) => !before.some(old => old.pid === pid))
    })
    await second.stop()
    expect(await query(first.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await first.stop()
    expect(await serversBelow(home)).toEqual([])
  })
})

describe('the programs', () => {
  const platformPackage = async () => {
    const embedded = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    const platform = process.platform === 'win32' ? 'windows' : process.platform
    return dirname(dirname(embedded.resolve(`@embedded-postgres/${platform}-${process.arch}`)))
  }

  test('that are not there: one sentence that says what to do', async () => {
    const error = await start({ packageDir: join(home, 'nowhere') }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(EmbeddedPostgresError)
    expect((error as Error).message).toBe(
      'The embedded PostgreSQL cannot run on this system (postgres --version: ENOENT): ' +
        'set DATABASE_URL to a PostgreSQL 15 or later.',
    )
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false)
  })

  test('that are made for another system: the same sentence', async () => {
    const bin = join(home, 'package/native/bin')
    await mkdir(bin, { recursive: true })
    for (const name of ['initdb', 'pg_ctl', 'postgres']) await writeFile(join(bin, name), '\x7fELF\0\0\0')
    await expect(start({ packageDir: join(home, 'package') })).rejects.toThrow(
      /^The embedded PostgreSQL cannot run on this system \(.*\): set DATABASE_URL to a PostgreSQL 15 or later\.$/,
    )
  })

  test('installed without their links and modes are mended', async () => {
    await copyTemplate()
    const packageDir = join(home, 'package')
    const native = join(packageDir, 'native')
    const original = join(await platformPackage(), 'native')
    await mkdir(join(native, 'lib'), { recursive: true })
    await cp(join(original, 'bin'), join(native, 'bin'), { recursive: true })
    await symlink(join(original, 'share'), join(native, 'share'))
    const links: string[] = []
    for (const name of await readdir(original)) {
      if (name.endsWith('.json')) await cp(join(original, name), join(native, name))
    }
    for (const entry of await readdir(join(original, 'lib'), { withFileTypes: true })) {
      if (entry.isSymbolicLink()) links.push(`native/lib/${entry.name}`)
      else await symlink(join(original, 'lib', entry.name), join(native, 'lib', entry.name))
    }
    if (process.platform === 'linux') expect(links).not.toEqual([])
    await chmod(join(packageDir, 'native/bin/postgres'), 0o644)
    await start({ packageDir })
    for (const link of links) expect((await lstat(join(packageDir, link))).isSymbolicLink()).toBe(true)
  })

  test.skipIf(!isRoot)(
    'in a clone that only root may enter are copied, whole and once (needs root)',
    async () => {
      await copyTemplate()
      const locked = join(home, 'locked')
      await mkdir(locked, { mode: 0o700 })
      await symlink(await platformPackage(), join(locked, 'package'))
      const { version } = JSON.parse(await readFile(join(locked, 'package/package.json'), 'utf8'))
      const copy = join(systemDir, `postgresql-${version}`)
      // What a start leaves that was killed: a copy in the making, and here a broken one in its place as well.
      await mkdir(join(systemDir, 'copying-dead/bin'), { recursive: true })
      await mkdir(join(copy, 'bin'), { recursive: true })

      const first = await start({ packageDir: join(locked, 'package') })
      expect(logged.filter(line => line.includes(copy))).toHaveLength(1)
      expect((await readdir(systemDir)).sort()).toEqual(['lock', basename(copy)])
      for (const path of ['.', 'bin', 'bin/postgres', 'lib', 'share']) {
        const { uid, mode } = await stat(join(copy, path))
        expect([path, uid, mode & 0o022]).toEqual([path, 0, 0])
      }
      const { mtimeMs } = await stat(copy)
      await first.stop()
      const second = await start({ packageDir: join(locked, 'package') })
      expect(second.origin).toBe('started')
      expect((await stat(copy)).mtimeMs).toBe(mtimeMs)
      expect(logged.filter(line => line.includes(copy))).toHaveLength(1)
      expect((await stat(locked)).mode & 0o777).toBe(0o700)
    },
  )

  test.skipIf(!isRoot)('are not taken from a folder that others can write to (needs root)', async () => {
    await copyTemplate()
    const locked = join(home, 'locked')
    await mkdir(locked, { mode: 0o700 })
    await symlink(await platformPackage(), join(locked, 'package'))
    const temporary = join(home, 'tmp')
    vi.stubEnv('TMPDIR', temporary)
    onTestFinished(() => void vi.unstubAllEnvs())
    for (const folder of [systemDir, temporary]) {
      await mkdir(folder)
      await chmod(folder, 0o1777)
    }
    await (await start({ packageDir: join(locked, 'package') })).stop()
    expect(await readdir(systemDir)).toEqual([])
    expect(await readdir(join(temporary, 'tributary'))).toContainEqual(expect.stringMatching(/^postgresql-/))

    // And where somebody was there before us with a folder of that name.
    await chmod(join(temporary, 'tributary'), 0o777)
    await expect(start({ packageDir: join(locked, 'package') })).rejects.toThrow(
      /belongs to somebody else.*: move the clone to a folder that every user may enter, or set DATABASE_URL/,
    )
  })
})

describe('the data folder', () => {
  test.skipIf(!isRoot)('that only root may enter holds a link to the data (needs root)', async () => {
    const locked = join(home, 'locked')
    await mkdir(locked, { mode: 0o700 })
    dataDir = join(locked, 'data')
    const first = await start()
    const word = await remember(first)
    const target = await readlink(join(dataDir, 'postgres'))
    expect(dirname(target)).toBe(systemDir)
    expect(logged.some(line => line.includes(target))).toBe(true)
    const { uid, mode } = await stat(target)
    expect([uid === 0, mode & 0o777]).toEqual([false, 0o700])
    expect((await stat(locked)).mode & 0o777).toBe(0o700)
    await first.stop()

    const second = await start()
    expect(second.origin).toBe('started')
    expect(await recall(second)).toBe(word)
    await second.stop()
    expect(await serversBelow(home)).toEqual([])

    await rm(join(dataDir, 'postgres'))
    const third = await start()
    expect(third.origin).toBe('initialised')
    await expect(recall(third)).rejects.toThrow('does not exist')
    await third.stop()

    await rm(await readlink(join(dataDir, 'postgres')), { recursive: true })
    await expect(start()).rejects.toThrow(/is a link to .*, which is gone: .* delete the link/)
  })

  test('is rid of what killed starts left, and of nothing else', async () => {
    await copyTemplate()
    const precious = join(home, 'data-abc')
    for (const folder of [precious, join(systemDir, 'data-abc'), join(dataDir, 'postgres.init-1/base')]) {
      await mkdir(folder, { recursive: true })
    }
    await writeFile(join(dataDir, 'postgres.init-1.password'), 'secret')
    await writeFile(join(systemDir, 'data-abc.password'), 'secret')
    await symlink(join(systemDir, 'data-abc'), join(dataDir, 'postgres.init-2'))
    await symlink(precious, join(dataDir, 'postgres.init-3'))
    await start()
    expect((await readdir(dataDir)).filter(name => name.includes('init'))).toEqual([])
    expect(await readdir(systemDir)).toEqual([])
    expect(existsSync(precious)).toBe(true)
  })

  test.skipIf(!isRoot)('of another user is served as that user (needs root)', async () => {
    const passwd = await readFile('/etc/passwd', 'utf8')
    const [, , uid, gid] = (passwd.split('\n').find(line => line.startsWith('daemon:')) ?? '').split(':')
    await mkdir(dataDir)
    await run('chown', [`${uid}:${gid}`, dataDir])
    const postgres = await start()
    for (const path of ['postgres', 'postgres-password', 'postgres-port', 'postgres.lock', 'postgres.log']) {
      expect([path, (await stat(join(dataDir, path))).uid]).toEqual([path, Number(uid)])
    }
    const word = await remember(postgres)
    await postgres.stop()

    // And data that were given to yet another one.
    const [, , nobody] = (passwd.split('\n').find(line => line.startsWith('nobody:')) ?? '').split(':')
    await run('chown', ['-R', `${nobody}`, join(dataDir, 'postgres')])
    const again = await start()
    expect(await recall(again)).toBe(word)
    expect((await stat(`/proc/${await postmasterPid()}`)).uid).toBe(Number(nobody))
    await again.stop()

    await run('chown', ['-R', 'root', join(dataDir, 'postgres')])
    await expect(start()).rejects.toThrow(/belong to root, and PostgreSQL does not run as root: .*chown -R/)
  })

  test('of another major version, without its password, with something else in it, or no folder: sentences', async () => {
    await copyTemplate()
    const version = join(dataDir, 'postgres/PG_VERSION')
    await writeFile(version, '9\n')
    await expect(start()).rejects.toThrow(/were written by PostgreSQL 9, and the embedded one is \d+: /)
    await rm(version)
    await expect(start()).rejects.toThrow(/something else than PostgreSQL's data: move it away/)
    await writeFile(version, '18\n')
    await rm(join(dataDir, 'postgres-password'))
    await expect(start()).rejects.toThrow(/postgres-password is gone.*put it back/)
    await writeFile(join(home, 'file'), '')
    await expect(start({ dataDir: join(home, 'file') })).rejects.toThrow(/is in the way \(EEXIST\)/)
    await expect(start({ dataDir: join(home, 'file/data') })).rejects.toThrow(/is in the way \(ENOTDIR\)/)
    expect(started).toEqual([])
  })

  test('whose server cannot start: the end of its log', async () => {
    await copyTemplate()
    await writeFile(join(dataDir, 'postgres/postgresql.conf'), 'nonsense = 1\n')
    const error = await start().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(EmbeddedPostgresError)
    expect((error as Error).message).toMatch(
      /did not start \(exit code 1\);.*postgres\.log says more[\s\S]*unrecognized configuration parameter "nonsense"/,
    )
    expect(await serversBelow(home)).toEqual([])
  })
})
