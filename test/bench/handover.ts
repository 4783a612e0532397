import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { requestAnalysis } from '../support/graphql-client.ts'
import type { ProcessGatewayArgument, ProcessGatewayReady } from '../support/process-gateway-main.ts'
import type { ProviderLine, ProviderRequest } from '../support/process-provider.ts'
import { TEST_SECRET, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import { type BenchDatabase, percentile } from './bench-database.ts'

const MAIN = fileURLToPath(new URL('../support/process-gateway-main.ts', import.meta.url))
const KILLS = 20
const UNWAITED_KILLS = 20
const PAUSES = 5
const PAUSE_TTL_MS = 3000

interface Instance {
  name: string
  url: string
  child: ChildProcess
}

/** The owner of a run is killed, or paused: how long until the next provider call. Real processes, real signals. */
export async function benchHandover(database: BenchDatabase): Promise<void> {
  const provider = await startProvider()
  const killed: number[] = []
  const unwaited: number[] = []
  const paused: number[] = []
  try {
    // A TTL that no kill waits for: what hands over is the lock of the dead owner's connection.
    for (let round = 0; round < KILLS; round++)
      killed.push(await handOver(database, provider, `kill ${round}`, 'SIGKILL', 60_000))
    // Its caller was told to wait: nobody follows the run, and it is found by those who look for such.
    for (let round = 0; round < UNWAITED_KILLS; round++)
      unwaited.push(
        await handOver(database, provider, `unwaited ${round}`, 'SIGKILL', 60_000, 'nobody waits'),
      )
    for (let round = 0; round < PAUSES; round++)
      paused.push(await handOver(database, provider, `pause ${round}`, 'SIGSTOP', PAUSE_TTL_MS))
  } finally {
    provider.close()
  }
  const row = (what: string, values: number[]) => ({
    what,
    times: values.length,
    'p50 (ms)': Math.round(percentile(values, 0.5)),
    'p99 (ms)': Math.round(percentile(values, 0.99)),
    'max (ms)': Math.round(Math.max(...values)),
  })
  console.table([
    row('owner killed (TTL 60 s) → next provider call', killed),
    row('the same, with nobody waiting', unwaited),
    row(`owner paused (TTL ${PAUSE_TTL_MS} ms) → next provider call`, paused),
  ])
}

async function handOver(
  database: BenchDatabase,
  provider: Provider,
  subject: string,
  signal: 'SIGKILL' | 'SIGSTOP',
  ttlMs: number,
  followed: 'somebody waits' | 'nobody waits' = 'somebody waits',
): Promise<number> {
  provider.calls.length = 0
  const start = (name: string) => startInstance(name, database.url, provider.url, ttlMs)
  const [owner, follower] = await Promise.all([start('owner'), start('follower')])
  try {
    const token = await tokenOf(subject)
    const isFollowed = followed === 'somebody waits'
    const wait = isFollowed ? {} : { waitMs: 0 }
    const ofOwner = requestAnalysis(owner.url, token, wait).catch(() => undefined)
    await until(() => provider.calls.length === 1, { what: 'the first provider call' })
    const ofFollower = isFollowed ? requestAnalysis(follower.url, token) : undefined
    await until(
      async () =>
        ((await (await fetch(`${follower.url}/api/health/coordination`)).json()) as { waiters: number })
          .waiters === (isFollowed ? 1 : 0),
      { what: 'the follower to follow' },
    )
    const at = performance.now()
    owner.child.kill(signal)
    await until(() => provider.calls.length === 2, { what: 'the next provider call', deadlineMs: 30_000 })
    const tookMs = (provider.calls[1]?.atMs ?? Number.NaN) - at
    provider.answer()
    // Also where nobody waited: the next round is to find no run of this one.
    await (ofFollower ?? requestAnalysis(follower.url, token))
    owner.child.kill('SIGKILL')
    await ofOwner
    return tookMs
  } finally {
    owner.child.kill('SIGKILL')
    follower.child.kill('SIGKILL')
  }
}

async function startInstance(
  name: string,
  databaseUrl: string,
  providerUrl: string,
  ttlMs: number,
): Promise<Instance> {
  const argument: ProcessGatewayArgument = {
    instance: name,
    providerUrl,
    settings: {
      PORT: '0',
      // On, as in production, and never reached: all load comes from one address.
      RATE_LIMIT_PRINCIPAL: '1000000000',
      RATE_LIMIT_ADDRESS: '1000000000',
      RATE_LIMIT_GENERATIONS: '1000000',
      SUBSCRIPTION_LIMIT_PRINCIPAL: '1000000',
      LOG_LEVEL: 'silent',
      JWT_SECRET: TEST_SECRET,
      DATABASE_URL: databaseUrl,
      DATABASE_POOL_SIZE: '4',
      LEASE_TTL_MS: String(ttlMs),
    },
  }
  const child = spawn(process.execPath, [MAIN, JSON.stringify(argument)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`an instance ended with ${code}`)))
    createInterface(child.stdout).once('line', line => resolve((JSON.parse(line) as ProcessGatewayReady).url))
  })
  return { name, url, child }
}

type Provider = Awaited<ReturnType<typeof startProvider>>

async function startProvider() {
  const calls: { request: ProviderRequest; atMs: number; answer: () => void }[] = []
  const server = createServer(async (request, response) => {
    const atMs = performance.now()
    let body = ''
    for await (const chunk of request) body += chunk
    const draft: ProviderLine = { draft: { summary: 'an answer', result: {}, insights: [] } }
    calls.push({ request: JSON.parse(body), atMs, answer: () => response.end(`${JSON.stringify(draft)}\n`) })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    answer() {
      for (const call of calls) call.answer()
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
