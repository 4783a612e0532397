import { execFile, spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { until } from './until.ts'

const run = promisify(execFile)
const PROGRAMS = ['redis-server', 'valkey-server']

async function find(): Promise<string | undefined> {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/bin',
    '/usr/local/bin',
    '/opt/homebrew/bin',
  ]
  for (const file of folders.flatMap(folder => PROGRAMS.map(program => join(folder, program)))) {
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return file
  }
  return undefined
}

/** The Redis that tests run against: installed before, or Debian's package where this process may install it. */
export async function findRedisServer(): Promise<string> {
  const found = await find()
  if (found) return found
  if (process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const install = () =>
      run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'], {
        env,
        timeout: 300_000,
      })
    await install()
      .catch(async () => {
        await run('apt-get', ['update', '-qq'], { env, timeout: 300_000 })
        await install()
      })
      .catch(() => {})
    const installed = await find()
    if (installed) return installed
  }
  throw new Error(
    'The tests need a Redis: install redis-server 7 or later (Debian: apt-get install redis-server; macOS: brew install redis), then run npm test again.',
  )
}

export interface RedisServer {
  readonly url: string
  readonly port: number
  kill(signal: NodeJS.Signals): void
  /** Starts it again on the same port, with nothing of before but what it kept. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** A Redis of the caller's own, in memory only, or with every write on disk in a folder. */
export async function startRedisServer(program: string, keptIn?: string): Promise<RedisServer> {
  const port = await freePort()
  const keeping = keptIn
    ? ['--dir', keptIn, '--appendonly', 'yes', '--appendfsync', 'always']
    : ['--appendonly', 'no']
  const launch = async () => {
    const child = spawn(
      program,
      ['--port', String(port), '--bind', '127.0.0.1', '--save', '', ...keeping, '--protected-mode', 'no'],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    )
    let output = ''
    child.stdout.on('data', chunk => {
      output += chunk
    })
    await until(() => output.includes('Ready to accept connections'), { what: 'Redis to start' })
    return child
  }
  let child = await launch()
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill: signal => void child.kill(signal),
    async restart() {
      await stop()
      child = await launch()
    },
    stop,
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
