import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, inject, onTestFinished, test, vi } from 'vitest'
import { GATHER_MS } from '../../src/workers/calls.ts'
import { followByEvents } from '../support/api-follow.ts'
import { FakeOpenAi } from '../support/fake-openai-server.ts'
import { Gate } from '../support/gate.ts'
import { post, requestAnalysis } from '../support/graphql-client.ts'
import { deliverPrompt, moveInterview, newInterview } from '../support/interview-client.ts'
import { type Follower, followByEventsLibrary } from '../support/interview-followers.ts'
import { type MainProcess, makeTemporaryFolder, startMain } from '../support/main-process.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { TEST_KEY, TEST_SECRET, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

// Fourteen processes are started in all, three at a time.
vi.setConfig({ testTimeout: 150_000 })

const CALLERS = 20
const MOST_GENERATIONS = 25

let database: TestDatabase
let provider: FakeOpenAi

beforeAll(async () => {
  database = await createTestDatabase()
  provider = new FakeOpenAi()
  await provider.listen()
})
afterAll(async () => {
  await provider.close()
  await database.drop()
})

async function startTwo(settings: Record<string, string> = {}): Promise<MainProcess> {
  const gateway = await startMain(
    {
      WORKERS: '2',
      DATABASE_URL: database.url,
      DATABASE_POOL_SIZE: '6',
      JWT_SECRET: TEST_SECRET,
      ENCRYPTION_KEY: TEST_KEY,
      ACCOUNT_SYNC_MINUTES: '0',
      GENERATOR: 'openai',
      OPENAI_BASE_URL: provider.url,
      OPENAI_MODEL: 'test-model',
      RATE_LIMIT_GENERATIONS: String(MOST_GENERATIONS),
      ...settings,
    },
    { group: true },
  )
  await gateway.ready()
  return gateway
}

/** Over a connection of its own, which the primary hands to the worker whose turn it is. */
async function ask(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const request = get(url, { agent: false, headers })
  const [response] = await once(request, 'response')
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return { status: response.statusCode, text }
}

async function figure(gateway: MainProcess, sample: string): Promise<number> {
  const { text } = await ask(`${gateway.url}/metrics`)
  const line = text.split('\n').find(found => found.startsWith(`${sample} `))
  return Number(line?.split(' ').at(-1))
}

const lines = (gateway: MainProcess) =>
  gateway.output
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as { msg: string; name?: string })

/** Each once, and in order. */
async function allHear(followers: readonly Follower[], status: string): Promise<void> {
  await until(() => followers.every(({ changes }) => changes.at(-1)?.status === status), {
    what: `all to hear of ${status}`,
  })
  for (const { changes, errors } of followers) {
    const first = changes[0]?.version ?? 0
    expect(changes.map(({ version }) => version)).toEqual(changes.map((_, index) => first + index))
    expect(errors).toEqual([])
  }
}

const gone = (pid: number) => {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

test('two workers are one instance: one run for all, one limit, one set of metrics, and one end', async () => {
  const gateway = await startTwo()
  const workers = await gateway.workers()
  expect(workers).toHaveLength(2)
  const anna = await tokenOf('anna')
  const gate = new Gate()
  provider.script(async call => {
    await gate.pass()
    call.answer()
  })
  const asked = Array.from({ length: CALLERS }, () => requestAnalysis(gateway.url, anna))
  const health = async () => JSON.parse((await ask(`${gateway.url}/api/health/coordination`)).text)
  let told: Record<string, unknown> = {}
  await until(
    async () => {
      told = await health()
      // On a busy machine one may be left out that has not answered in time.
      return told.workers === 2 && told.waiters === CALLERS
    },
    { what: 'all callers to wait' },
  )
  expect(told).toMatchObject({ status: 'ok', flights: 2, ownedRuns: 1 })
  gate.open()
  const answers = await Promise.all(asked)
  expect(new Set(answers.map(({ analysis }) => analysis.id)).size).toBe(1)
  expect(answers.filter(({ source }) => source === 'FRESH')).toHaveLength(1)
  expect(answers.filter(({ source }) => source === 'JOINED')).toHaveLength(CALLERS - 1)
  expect(provider.calls).toHaveLength(1)

  // Whichever worker is asked.
  for (let turn = 0; turn < 4; turn++) {
    const requests = 'coordination_requests_total{kind="BEHAVIOR_ANALYSIS",source='
    expect(await figure(gateway, `${requests}"FRESH"}`)).toBe(1)
    expect(await figure(gateway, `${requests}"JOINED"}`)).toBe(CALLERS - 1)
    expect(await figure(gateway, 'workers_running')).toBe(2)
  }

  const bela = await tokenOf('bela')
  const input = { archetype: 'FOUNDATION_BUILDER', waitMs: 0 }
  const query = 'mutation($input: RequestAnalysisInput!) { requestAnalysis(input: $input) { __typename } }'
  const many = await Promise.all(
    Array.from({ length: MOST_GENERATIONS + 10 }, () =>
      post(gateway.url, { query, variables: { input }, token: bela }),
    ),
  )
  expect(many.filter(({ status }) => status === 200)).toHaveLength(MOST_GENERATIONS)
  expect(many.filter(({ status }) => status === 429)).toHaveLength(10)

  expect(lines(gateway).filter(({ msg }) => msg.startsWith('listening on'))).toHaveLength(1)
  expect(lines(gateway).filter(({ msg }) => msg.startsWith('migrating'))).toHaveLength(0)

  // A signal to all processes at once is one.
  const interview = await newInterview(gateway.url, anna)
  const follow = 'subscription($id: ID) { interviewStatusChanged(interviewId: $id) { version } }'
  const following = await followByEvents(gateway.url, { id: interview.id, token: anna, query: follow })
  await until(() => following.eventIds.length > 0, { what: 'it to follow' })
  // A balancer: it asks again after the first yes, wherever its questions go.
  for (let asked = 0; asked < 4; asked++)
    expect(await ask(`${gateway.url}/health/ready`)).toMatchObject({ status: 200 })
  gateway.killGroup('SIGINT')
  await until(() => gateway.output.includes('draining'), { what: 'it to drain' })
  await until(async () => (await ask(`${gateway.url}/health/ready`)).status === 503, { what: 'it to say so' })
  for (let asked = 0; asked < 2; asked++)
    expect(await ask(`${gateway.url}/health/ready`)).toEqual({
      status: 503,
      text: '{"status":"down","phase":"draining"}\n',
    })
  const served = await ask(`${gateway.url}/graphql?query={viewer{id}}`)
  expect(served).toMatchObject({ status: 200, text: '{"data":{"viewer":null}}' })
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
  expect(workers.filter(pid => !gone(pid))).toEqual([])
  // For its client that is a break, after which it comes again, and no end.
  expect(following).toMatchObject({ ended: true, completed: false, errors: [] })
  expect(lines(gateway).filter(({ msg }) => msg.includes('draining'))).toHaveLength(1)
  expect(lines(gateway).filter(({ msg }) => msg === 'drained')).toHaveLength(1)
})

test('a worker that ends is replaced: its subscribers come back and miss nothing, its run is finished; without their primary all end', async () => {
  const gateway = await startTwo()
  const anna = await tokenOf('anna')
  const interview = await newInterview(gateway.url, anna)
  const followers: Follower[] = []
  // One after the other, so that their connections go to the workers in turn.
  for (let index = 0; index < 4; index++) {
    const follower = followByEventsLibrary(gateway.url, anna, interview.id)
    await until(() => follower.changes.length > 0, { what: 'it to follow' })
    followers.push(follower)
  }
  expect(await figure(gateway, 'graphql_subscriptions_active')).toBe(4)
  const [first = 0, second = 0] = await gateway.workers()
  // Two by each.
  for (let turn = 0; turn < 4; turn++) await ask(`${gateway.url}/graphql?query={viewer{id}}`)
  const counted = 'graphql_requests_total{operation="query viewer",outcome="success"}'
  expect(await figure(gateway, counted)).toBe(4)

  const gate = new Gate()
  provider.script(async call => {
    await gate.pass()
    call.answer()
  })
  const { pending } = await requestAnalysis(gateway.url, anna, { forceRefresh: true, waitMs: 0 })
  await gate.arrived(1)
  process.kill(first, 'SIGKILL')
  await until(() => gateway.output.includes('another takes its place'), { what: 'its end to be noticed' })
  // Whoever comes meanwhile is served by the other one, and never by one that is still starting.
  do {
    expect(await ask(`${gateway.url}/health/ready`)).toMatchObject({ status: 200 })
    expect(await ask(`${gateway.url}/graphql?query={__typename}`)).toMatchObject({ status: 200 })
  } while ((await figure(gateway, 'workers_running')) < 2)
  const workers = await gateway.workers()
  expect(workers).toHaveLength(2)
  expect(workers).toContain(second)
  expect(workers).not.toContain(first)

  await until(() => followers.some(({ connected }) => connected === 2), { what: 'its own to come back' })
  expect(followers.some(({ connected }) => connected === 1)).toBe(true)
  const service = await tokenOf('enhancer', { roles: ['SERVICE'] })
  await deliverPrompt(gateway.url, service, { interviewId: interview.id, messageId: 'm1' })
  await allHear(followers, 'READY')
  gate.open()
  const query = 'query($id: ID!) { node(id: $id) { ... on Generation { state } } }'
  await until(
    async () => {
      const { data } = await post<{ node: { state: string } }>(gateway.url, {
        query,
        variables: { id: pending.id },
        token: anna,
      })
      return data?.node.state === 'SUCCEEDED'
    },
    { what: 'the run to be finished' },
  )
  expect(await figure(gateway, 'workers_replaced_total{cause="died"}')).toBe(1)
  // What the killed one had counted when it was asked last is not lost.
  expect(await figure(gateway, counted)).toBe(4)

  // One that is stopped alone sends its subscribers to the other; for whoever asks, the instance stays ready.
  const before = followers.map(({ connected }) => connected)
  process.kill(second, 'SIGTERM')
  await until(
    async () => {
      expect(await ask(`${gateway.url}/health/ready`)).toMatchObject({ status: 200 })
      return gone(second) && (await figure(gateway, 'workers_running')) === 2
    },
    { what: 'the other one to be replaced' },
  )
  expect(await figure(gateway, 'workers_replaced_total{cause="stopped"}')).toBe(1)
  // It took none back.
  for (const [index, { connected }] of followers.entries())
    expect(connected - (before[index] ?? 0)).toBeLessThanOrEqual(1)
  await moveInterview(gateway.url, anna, 'startInterview', interview.id)
  await allHear(followers, 'IN_PROGRESS')

  // Nobody is left behind by a primary that is killed: what is under way is finished, and that is all.
  const left = await gateway.workers()
  const held = new Gate()
  provider.script(async call => {
    await held.pass()
    call.answer()
  })
  const asked = requestAnalysis(gateway.url, await tokenOf('carl'))
  await held.arrived(1)
  gateway.kill('SIGKILL')
  await until(() => gateway.output.includes('the primary process is gone'), { what: 'them to notice' })
  held.open()
  expect((await asked).source).toBe('FRESH')
  await until(() => left.every(gone), { what: 'them to end' })
})

test("the embedded database is the primary's, and what is made up at the first start is one for all", async () => {
  const gateway = await startMain({
    WORKERS: '2',
    MAX_CONNECTIONS: '5',
    DATA_DIR: await makeTemporaryFolder(),
  })
  await gateway.ready()
  const printed = () => /development token: ([\w.-]+)["\s]/.exec(gateway.output)?.[1]
  await until(() => printed() !== undefined, { what: 'the token to be printed' })
  const token = printed()
  for (let turn = 0; turn < 4; turn++) {
    const { status, text } = await ask(`${gateway.url}/graphql?query={viewer{email}}`, {
      authorization: `Bearer ${token}`,
    })
    expect({ status, text }).toEqual({
      status: 200,
      text: '{"data":{"viewer":{"email":"demo@tributary.example"}}}',
    })
  }
  // Each takes as many connections as it may, and hands none on that it may not: it would come back for ever.
  const sockets = Array.from({ length: 20 }, () => connect(Number(new URL(gateway.url).port), '127.0.0.1'))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (const socket of sockets) socket.on('error', () => {}).resume()
  await until(() => sockets.filter(({ closed }) => closed).length >= 10, {
    what: 'those beyond to be closed',
  })
  expect(sockets.filter(({ closed }) => !closed).length).toBeGreaterThan(5)
  for (const socket of sockets) socket.destroy()

  gateway.kill('SIGTERM')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
  const said = lines(gateway).map(({ msg }) => msg)
  expect(said.filter(msg => msg.startsWith('starting the embedded PostgreSQL'))).toHaveLength(1)
  expect(said.filter(msg => msg.startsWith('migrating'))).toHaveLength(
    new Set(said.filter(msg => msg.startsWith('migrating'))).size,
  )
  expect(said.filter(msg => msg === 'stopping the embedded PostgreSQL')).toHaveLength(1)
})

test('who asks again does not wait for the drain, and no worker is left', async () => {
  const gateway = await startTwo({ SHUTDOWN_TIMEOUT_MS: '120000' })
  const workers = await gateway.workers()
  const gate = new Gate()
  provider.script(() => gate.pass())
  const asked = requestAnalysis(gateway.url, await tokenOf('dora')).catch(() => 'cut off')
  await gate.arrived(1)
  gateway.kill('SIGTERM')
  await until(() => gateway.output.includes('draining'), { what: 'it to drain' })
  await until(
    () => {
      gateway.kill('SIGTERM')
      return gateway.end !== undefined
    },
    { what: 'it to end' },
  )
  expect(gateway.end).toEqual({ code: 1, signal: null })
  await until(() => workers.every(gone), { what: 'the workers to be gone' })
  expect(await asked).toBe('cut off')
  gate.open()
})

test('an instance whose workers end again and again before they are ready ends, and says so', async () => {
  const dying = `import cluster from 'node:cluster'; if (cluster.isWorker) process.exit(7)`
  const gateway = await startMain({
    WORKERS: '2',
    DATABASE_URL: inject('postgresUrl'),
    JWT_SECRET: TEST_SECRET,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(dying)}`,
  })
  await gateway.gone
  expect(gateway.end).toEqual({ code: 1, signal: null })
  expect(gateway.output).toContain(
    '5 workers in a row ended before they were ready; the last one ended with exit code 7.',
  )
})

/** Of the worker with that number. */
async function pidOf(gateway: MainProcess, id: number): Promise<number> {
  for (const pid of await gateway.workers())
    if ((await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').includes(`NODE_UNIQUE_ID=${id}`))
      return pid
  throw new Error(`there is no worker ${id}`)
}

/** Workers whose number is a file's name in the folder stay where they are, before they have joined, until it is gone. */
const held = (folder: string) => `
  import cluster from 'node:cluster'
  import { existsSync } from 'node:fs'
  import { setTimeout as sleep } from 'node:timers/promises'
  if (cluster.worker) while (existsSync(${JSON.stringify(`${folder}/`)} + cluster.worker.id)) await sleep(10)`

test('a worker that has not started yet keeps nobody waiting, and who was handed to one that died is told so', async () => {
  const folder = await makeTemporaryFolder()
  await Promise.all(['2', '3', '4'].map(id => writeFile(`${folder}/${id}`, '')))
  const gateway = await startMain({
    WORKERS: '2',
    DATABASE_URL: database.url,
    JWT_SECRET: TEST_SECRET,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(held(folder))}`,
  })
  const serving = () => figure(gateway, 'workers_running').catch(() => 0)
  const ends = (count: number) =>
    until(() => gateway.output.split('another takes its place').length > count, {
      what: `${count} ends to be noticed`,
    })
  await until(async () => (await serving()) === 1, { what: 'the first to serve' })

  // It dies while the second is starting: the instance is not whole with the second alone.
  process.kill(await pidOf(gateway, 1), 'SIGKILL')
  await ends(1)
  await rm(`${folder}/2`)
  await until(async () => (await serving()) === 1, { what: 'the second to serve' })
  const { text } = await ask(`${gateway.url}/health/ready`)
  expect(JSON.parse(text)).toEqual({ status: 'down', phase: 'starting' })
  await rm(`${folder}/3`)
  await gateway.ready()

  // One of four is handed to the one that does not take it.
  const second = await pidOf(gateway, 2)
  process.kill(second, 'SIGSTOP')
  const outcomes: string[] = []
  for (let n = 0; n < 4; n++)
    void ask(`${gateway.url}/health/live`).then(
      ({ status }) => outcomes.push(String(status)),
      ({ code }) => outcomes.push(code),
    )
  await until(() => outcomes.length === 3, { what: 'three to be answered' })
  process.kill(second, 'SIGKILL')
  await until(() => outcomes.length === 4, { what: 'the fourth to be told' })
  expect(outcomes).toEqual(['200', '200', '200', 'ECONNRESET'])

  await ends(2)
  await until(async () => (await gateway.workers()).length === 2, { what: 'its successor' })
  const startedAtMs = performance.now()
  expect(await serving()).toBe(1)
  expect(performance.now() - startedAtMs).toBeLessThan(GATHER_MS)
  // It heeds no signal yet, and has nothing that could be lost.
  const successor = await pidOf(gateway, 4)
  gateway.kill('SIGTERM')
  await until(() => gateway.output.includes('draining'), { what: 'it to drain' })
  process.kill(successor, 'SIGTERM')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
})

test('what keeps a worker from starting is said once, in a sentence', async () => {
  const taken = createServer()
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void taken.close())
  const { port } = taken.address() as { port: number }
  const gateway = await startMain({
    WORKERS: '2',
    DATABASE_URL: inject('postgresUrl'),
    JWT_SECRET: TEST_SECRET,
    PORT: String(port),
  })
  await gateway.gone
  expect(gateway.end).toEqual({ code: 1, signal: null })
  expect(gateway.output.split(`Port ${port} is taken.`)).toHaveLength(2)
})

test('a worker may take its time to start; one whose event loop does not turn then is killed and replaced', async () => {
  const main = fileURLToPath(new URL('../support/hanging-worker-main.ts', import.meta.url))
  const node = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
  const { stdout } = await promisify(execFile)(node, [main], { timeout: 30_000 })
  expect(stdout).toContain('worker 1 has joined')
  expect(stdout).toContain('worker 1 has not answered for 3 s; it is killed')
  expect(stdout).toContain('worker 1 was ended by SIGKILL; another takes its place')
})
