import { execFile, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { onTestFailed, onTestFinished } from 'vitest'
import type { ProcessGatewayArgument, ProcessGatewayReady } from './process-gateway-main.ts'
import { TEST_SECRET } from './test-gateway.ts'
import { until } from './until.ts'

const run = promisify(execFile)
const MAIN = fileURLToPath(new URL('process-gateway-main.ts', import.meta.url))
/** The Node of the project, whichever one runs the tests. */
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
/** Halves what a start costs: the children compile the same files again and again. */
const COMPILE_CACHE = join(tmpdir(), 'tributary-test-compile-cache')
/** Two cores may be starting nine processes. */
const START_DEADLINE_MS = 45_000
const LOG_TAIL_LINES = 40

export interface CoordinationHealth {
  instance: number
  livenessConnected: boolean
  flights: number
  waiters: number
  ownedRuns: number
}

export interface ProcessGateway {
  readonly name: string
  readonly url: string
  readonly pid: number
  /** By how much its clock was ahead of ours when it was ready. */
  readonly clockAheadMs: number
  /** Its log. */
  readonly stderr: string
  /** Undefined while it lives. */
  readonly end: { code: number | null; signal: NodeJS.Signals | null } | undefined
  /** Kills it without a chance to say goodbye, and waits until it is gone. */
  kill(): Promise<void>
  /** Asks it to drain; `stopped` waits for its end. */
  terminate(): void
  stopped(): Promise<void>
  /** SIGSTOP: it lives, and does nothing. */
  pause(): Promise<void>
  resume(): void
  health(): Promise<CoordinationHealth>
  /** The sum of the samples of a metric that carry these labels. */
  metric(name: string, labels?: Record<string, string>): Promise<number>
}

export interface ProcessGatewayOptions {
  name: string
  databaseUrl: string
  providerUrl: string
  settings?: Record<string, string>
  /** Of the process itself, beside what it inherits. */
  env?: Record<string, string>
}

/** Starts an instance in a process of its own. Whatever becomes of the test, the process does not outlive it. */
export async function startProcessGateway(options: ProcessGatewayOptions): Promise<ProcessGateway> {
  const { name, databaseUrl, providerUrl, settings, env } = options
  const argument: ProcessGatewayArgument = {
    instance: name,
    providerUrl,
    settings: {
      PORT: '0',
      // Thousands of callers come from one address here.
      RATE_LIMIT_PRINCIPAL: '0',
      RATE_LIMIT_ADDRESS: '0',
      RATE_LIMIT_GENERATIONS: '0',
      LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'info',
      JWT_SECRET: TEST_SECRET,
      // Several test files run at once against one server.
      DATABASE_POOL_SIZE: '6',
      DATABASE_URL: databaseUrl,
      ...settings,
    },
  }
  const child = spawn(NODE, [MAIN, JSON.stringify(argument)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  // A pipe to a child that was killed breaks; nothing is ever written to it.
  child.stdin.on('error', () => {})
  let end: ProcessGateway['end']
  const gone = new Promise<void>(resolve => {
    child.once('error', error => {
      stderr += `${error}\n`
      end ??= { code: null, signal: null }
      resolve()
    })
    child.once('exit', (code, signal) => {
      end = { code, signal }
    })
    // With its last words read.
    child.once('close', () => resolve())
  })
  const kill = async () => {
    child.kill('SIGKILL')
    await gone
  }
  onTestFailed(() => {
    const tail = stderr.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n')
    process.stderr.write(`--- the log of instance ${name}, pid ${child.pid}:\n${tail}\n---\n`)
  })
  onTestFinished(kill)

  let ready: (ProcessGatewayReady & { atMs: number }) | undefined
  createInterface(child.stdout).on('line', line => {
    if (!ready && line.startsWith('{')) ready = { ...JSON.parse(line), atMs: Date.now() }
  })
  await until(() => ready !== undefined || end !== undefined, {
    what: `instance ${name} to start`,
    deadlineMs: START_DEADLINE_MS,
  })
  if (!ready || child.pid === undefined) throw new Error(`instance ${name} did not start:\n${stderr}`)
  const { url, now, atMs } = ready
  const pid = child.pid
  return {
    name,
    url,
    pid,
    clockAheadMs: now - atMs,
    get stderr() {
      return stderr
    },
    get end() {
      return end
    },
    kill,
    terminate: () => void child.kill('SIGTERM'),
    stopped: () => gone,
    async pause() {
      child.kill('SIGSTOP')
      const isPaused = async () =>
        (await run('ps', ['-o', 'state=', '-p', String(pid)])).stdout.trim().startsWith('T')
      await until(isPaused, { what: `instance ${name} to be paused` })
    },
    resume: () => void child.kill('SIGCONT'),
    health: async () => (await (await fetch(`${url}/api/health/coordination`)).json()) as CoordinationHealth,
    async metric(metric, labels = {}) {
      return readMetric(await (await fetch(`${url}/metrics`)).text(), metric, labels)
    },
  }
}

function readMetric(text: string, metric: string, labels: Record<string, string>): number {
  let sum = 0
  for (const line of text.split('\n')) {
    const [, name, labelled = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    const fits = Object.entries(labels).every(([label, wanted]) => labelled.includes(`${label}="${wanted}"`))
    if (name === metric && fits) sum += Number(value)
  }
  return sum
}

/** Waits until exactly so many callers wait on each of the instances, or on all of them together. */
export async function waitersArrive(
  waiting: readonly (readonly [gateway: ProcessGateway, count: number])[],
): Promise<void> {
  let seen: number[] = []
  await until(
    async () => {
      seen = await Promise.all(waiting.map(async ([gateway]) => (await gateway.health()).waiters))
      return waiting.every(([, count], index) => seen[index] === count)
    },
    { what: `waiters ${waiting.map(([gateway, count]) => `${gateway.name} ${count}`).join(', ')}` },
  ).catch(error => {
    throw new Error(`${(error as Error).message}; waiting are ${seen.join(', ')}`, { cause: error })
  })
}
