import { execFile, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { onTestFailed, onTestFinished } from 'vitest'
import { until } from './until.ts'

const run = promisify(execFile)
/** Two cores may be starting nine processes, and creating data. */
const START_DEADLINE_MS = 45_000
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
/** The Node of the project, whichever one runs the tests. */
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))

export interface MainProcess {
  readonly pid: number
  readonly url: string
  /** All that it has written to its terminal. */
  readonly output: string
  readonly end: { code: number | null; signal: NodeJS.Signals | null } | undefined
  readonly gone: Promise<void>
  kill(signal: NodeJS.Signals): void
  /** As a terminal does at Ctrl-C: to every process of its group. Of one that was started as a `group`. */
  killGroup(signal: NodeJS.Signals): void
  /** Where WORKERS asks for several: their processes. */
  workers(): Promise<number[]>
  /** Waits until it may take traffic; one that has ended never will. */
  ready(): Promise<void>
}

/** `npm start` as an operator has it: the real `src/main.ts` with these settings and no others, on a port of its own. */
export async function startMain(
  settings: Record<string, string>,
  options: { group?: boolean } = {},
): Promise<MainProcess> {
  const port = settings.PORT ?? String(await freePort())
  const child = spawn(NODE, [MAIN], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.group ?? false,
    env: { PATH: process.env.PATH, LOG_FORMAT: 'json', ...settings, PORT: port },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  let end: MainProcess['end']
  child.once('exit', (code, signal) => {
    end = { code, signal }
  })
  const gone = new Promise<void>(resolve => child.once('close', () => resolve()))
  onTestFailed(() => void process.stderr.write(`--- what pid ${child.pid} wrote:\n${output}\n---\n`))
  onTestFinished(async () => {
    // In order, so that a database of its own is stopped with it.
    child.kill('SIGTERM')
    await gone
  })
  const url = `http://127.0.0.1:${port}`
  return {
    pid: child.pid ?? 0,
    url,
    get output() {
      return output
    },
    get end() {
      return end
    },
    gone,
    kill: signal => void child.kill(signal),
    killGroup: signal => void process.kill(-(child.pid ?? 0), signal),
    async workers() {
      const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,args='])
      const rows = stdout.split('\n').map(line => line.trim().split(/\s+/))
      return rows
        .filter(([, parent, ...args]) => Number(parent) === child.pid && args.includes(MAIN))
        .map(([pid]) => Number(pid))
    },
    async ready() {
      const isReady = async () => (await fetch(`${url}/health/ready`).catch(() => null))?.status === 200
      await until(async () => end !== undefined || (await isReady()), {
        what: 'the gateway to be ready',
        deadlineMs: START_DEADLINE_MS,
      })
      if (end !== undefined) throw new Error(`the gateway has ended with ${end.code ?? end.signal}`)
    },
  }
}

/** A folder that the account of an embedded PostgreSQL may enter, gone after the test. */
export async function makeTemporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tributary-main-'))
  await chmod(path, 0o755)
  onTestFinished(() => rm(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
