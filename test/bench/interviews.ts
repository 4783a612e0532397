import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { WebSocket } from 'ws'
import type { Queryable } from '../../src/database/client.ts'
import { changeInterviewStatus } from '../../src/database/interview-changes.ts'
import { PROMPT_STREAM } from '../../src/redis/prompt-stream.ts'
import { findRedisServer, startRedisServer } from '../support/redis-server.ts'
import { TEST_SECRET, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import { type BenchDatabase, percentile, round, startBenchDatabase } from './bench-database.ts'

/**
 * `npm run bench:interviews`: one instance in a process of its own. First open subscriptions over SSE and WebSocket, each to
 * an interview of its own, and one change of each; then prompt messages through the Redis stream, so many a second.
 */
const [SUBSCRIPTIONS = 5000, MESSAGES_A_SECOND = 1000, SECONDS = 30] = process.argv.slice(2).map(Number)
const USERS = 100
/** Opened at once by the client; what is measured comes after. */
const OPENING = 100
const CHANGES_IN_A_TRANSACTION = 100
const PATIENCE_MS = 300_000

const closers: (() => void)[] = []
type OnEvent = (interviewId: string, version: number) => void
const subscriptionOf = (id: string) => ({
  query: 'subscription($id: ID) { interviewStatusChanged(interviewId: $id) { status version } }',
  variables: { id: Buffer.from(`Interview:${id}`).toString('base64url') },
})
const VERSION = /"version":(\d+)/

const database = await startBenchDatabase()
const redis = await startRedisServer(await findRedisServer())
const client = new Redis(redis.url)
const gateway = await startGateway()
const db: Queryable = {
  query: (statement, values) => database.query(statement.text, values as unknown[]) as never,
}
await database.query(
  "INSERT INTO users (issuer, subject, email) SELECT '', 'bench ' || n, 'bench ' || n || '@example.com' FROM generate_series(0, $1 - 1) n",
  [USERS],
)
const tokens = await Promise.all(Array.from({ length: USERS }, (_, index) => tokenOf(`bench ${index}`)))

await benchSubscriptions()
await benchMessages()
gateway.child.kill('SIGKILL')
client.disconnect()
await redis.stop()
await database.stop()
process.exit(0)

async function benchSubscriptions(): Promise<void> {
  const interviews = await createInterviews(database, 2 * SUBSCRIPTIONS)
  const idleBytes = await memoryOf(gateway.pid)
  /** When each interview was seen READY. */
  const seenAtMs = new Map<string, number>()
  let open = 0
  const onEvent = (id: string, version: number) => {
    if (version === 1) open++
    else seenAtMs.set(id, performance.now())
  }
  const rows: Record<string, unknown>[] = []
  let before = idleBytes
  for (const [name, follow, share] of [
    ['SSE', followByEvents, interviews.slice(0, SUBSCRIPTIONS)],
    ['WebSocket', followBySocket, interviews.slice(SUBSCRIPTIONS)],
  ] as const) {
    const wanted = open + share.length
    const startedAtMs = performance.now()
    for (let at = 0; at < share.length; at += OPENING) {
      for (const { id, user } of share.slice(at, at + OPENING))
        follow(gateway.url, tokens[user] ?? '', id, onEvent)
      await until(() => open >= Math.min(wanted, wanted - share.length + at + OPENING), {
        what: `${name} subscriptions, ${open} of ${wanted}`,
        deadlineMs: PATIENCE_MS,
      })
    }
    const after = await memoryOf(gateway.pid)
    rows.push({
      what: `${share.length} ${name} subscriptions`,
      'opened in (ms)': Math.round(performance.now() - startedAtMs),
      'kB a subscription': round((after - before) / share.length / 1024),
    })
    before = after
  }
  console.table(rows)

  const committedAtMs = new Map<string, number>()
  const startedAtMs = performance.now()
  for (let at = 0; at < interviews.length; at += CHANGES_IN_A_TRANSACTION) {
    const batch = interviews.slice(at, at + CHANGES_IN_A_TRANSACTION)
    await changeInterviewStatus(
      db,
      batch.map(({ id }) => ({ interviewId: id, to: 'READY', reason: null })),
    )
    for (const { id } of batch) committedAtMs.set(id, performance.now())
  }
  const lastCommitMs = performance.now()
  await until(() => seenAtMs.size === interviews.length, {
    what: `${interviews.length} deliveries, ${seenAtMs.size} came`,
    deadlineMs: PATIENCE_MS,
  })
  const delays = interviews.map(({ id }) => (seenAtMs.get(id) ?? 0) - (committedAtMs.get(id) ?? 0))
  console.table([
    {
      changes: interviews.length,
      'committed in (ms)': Math.round(lastCommitMs - startedAtMs),
      'commit to delivery p50 (ms)': round(percentile(delays, 0.5)),
      'p99 (ms)': round(percentile(delays, 0.99)),
      'last commit to last delivery (ms)': round(Math.max(...seenAtMs.values()) - lastCommitMs),
    },
  ])
  for (const close of closers) close()
}

async function benchMessages(): Promise<void> {
  const count = MESSAGES_A_SECOND * SECONDS
  const interviews = await createInterviews(database, count)
  const lags: number[] = []
  let worstWaiting = 0
  let done = false
  const watching = (async () => {
    while (!done) {
      const [[oldest] = [], [seconds, micros]] = await Promise.all([
        client.xrange(PROMPT_STREAM, '-', '+', 'COUNT', 1),
        client.time(),
      ])
      const nowMs = Number(seconds) * 1000 + Number(micros) / 1000
      lags.push(oldest ? Math.max(0, nowMs - Number(oldest[0].split('-')[0])) : 0)
      worstWaiting = Math.max(worstWaiting, await client.xlen(PROMPT_STREAM))
      await sleep(50)
    }
  })()
  const startedAtMs = performance.now()
  const EVERY_MS = 20
  const perTick = (MESSAGES_A_SECOND * EVERY_MS) / 1000
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, Math.ceil(((performance.now() - startedAtMs) / EVERY_MS + 1) * perTick))
    const step = client.pipeline()
    for (; sent < due; sent++) {
      const payload = JSON.stringify({
        messageId: `m${sent}`,
        interviewId: interviews[sent]?.id,
        prompt: `A prompt of some length about the topic number ${sent}. `.repeat(20),
        source: 'rag',
        status: 'success',
      })
      step.xadd(PROMPT_STREAM, '*', 'payload', payload)
      // A tenth comes twice.
      if (sent % 10 === 0) step.xadd(PROMPT_STREAM, '*', 'payload', payload)
    }
    await step.exec()
    await sleep(EVERY_MS)
  }
  const sentMs = performance.now() - startedAtMs
  await until(async () => (await client.xlen(PROMPT_STREAM)) === 0, {
    what: 'the stream to be empty',
    deadlineMs: PATIENCE_MS,
  })
  const settledMs = performance.now() - startedAtMs
  done = true
  await watching
  const [stored] = await database.query<Record<string, number>>(
    `SELECT count(*) FILTER (WHERE i.status = 'READY' AND i.status_version = 2)::int AS ready, count(p.id)::int AS prompts,
       count(DISTINCT p.interview_id)::int AS distinct
     FROM interviews i LEFT JOIN enhanced_prompts p ON p.interview_id = i.id
     WHERE i.id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))`,
    [JSON.stringify(interviews.map(({ id }) => id))],
  )
  console.table([
    {
      messages: count + Math.ceil(count / 10),
      'sent in (s)': round(sentMs / 1000),
      'settled after (s)': round(settledMs / 1000),
      ...stored,
      lost: count - (stored?.prompts ?? 0),
      'lag p50 (ms)': round(percentile(lags, 0.5)),
      'lag p99 (ms)': round(percentile(lags, 0.99)),
      'most waiting': worstWaiting,
      dead: await client.xlen('interview:prompts:dead'),
    },
  ])
}

async function createInterviews(
  database: BenchDatabase,
  count: number,
): Promise<{ id: string; user: number }[]> {
  return database.query<{ id: string; user: number }>(
    `WITH made AS (
       INSERT INTO interviews (user_id, topic, enhancer, status, status_version, status_changed_at, created_at)
       SELECT u.id, 'a topic', 'EXTERNAL', 'ENHANCING', 1, clock_timestamp(), clock_timestamp()
       FROM generate_series(0, $1 - 1) n JOIN users u ON u.subject = 'bench ' || n % $2
       RETURNING id, user_id, created_at
     ), fed AS (
       INSERT INTO interview_feeds AS f (user_id, position) SELECT user_id, count(*)::int FROM made GROUP BY user_id
       ON CONFLICT (user_id) DO UPDATE SET position = f.position + excluded.position RETURNING user_id, position
     ), recorded AS (
       INSERT INTO interview_status_changes (interview_id, version, user_id, position, status, changed_at)
       SELECT m.id, 1, m.user_id, f.position - (row_number() OVER (PARTITION BY m.user_id))::int + 1, 'ENHANCING', m.created_at
       FROM made m JOIN fed f ON f.user_id = m.user_id
     )
     SELECT m.id, substr(u.subject, 7)::int AS user FROM made m JOIN users u ON u.id = m.user_id`,
    [count, USERS],
  )
}

function followByEvents(url: string, token: string, id: string, onEvent: OnEvent): void {
  const sent = request(`${url}/graphql`, {
    method: 'POST',
    agent: false,
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
    },
  })
  sent.on('response', response =>
    response.setEncoding('utf8').on('data', (text: string) => {
      const version = VERSION.exec(text)?.[1]
      if (version) onEvent(id, Number(version))
    }),
  )
  sent.on('error', () => {})
  sent.end(JSON.stringify(subscriptionOf(id)))
  closers.push(() => sent.destroy())
}

function followBySocket(url: string, token: string, id: string, onEvent: OnEvent): void {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const send = (message: object) => socket.send(JSON.stringify(message))
  socket.on('open', () => send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }))
  socket.on('message', data => {
    const text = String(data)
    if (text.includes('"connection_ack"')) send({ id: '1', type: 'subscribe', payload: subscriptionOf(id) })
    const version = VERSION.exec(text)?.[1]
    if (version) onEvent(id, Number(version))
  })
  socket.on('error', () => {})
  closers.push(() => socket.terminate())
}

async function startGateway() {
  const main = fileURLToPath(new URL('../support/process-gateway-main.ts', import.meta.url))
  const argument = {
    instance: 'bench',
    providerUrl: 'http://127.0.0.1:1',
    settings: {
      PORT: '0',
      // On, as in production, and never reached: all load comes from one address.
      RATE_LIMIT_PRINCIPAL: '1000000000',
      RATE_LIMIT_ADDRESS: '1000000000',
      RATE_LIMIT_GENERATIONS: '1000000',
      SUBSCRIPTION_LIMIT_PRINCIPAL: '1000000',
      LOG_LEVEL: 'warn',
      JWT_SECRET: TEST_SECRET,
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
    },
  }
  const child = spawn(process.execPath, [main, JSON.stringify(argument)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  for await (const line of createInterface(child.stdout)) {
    if (!line.startsWith('{')) continue
    const { url } = JSON.parse(line) as { url: string }
    return { child, url, pid: child.pid ?? 0 }
  }
  throw new Error('the gateway did not start')
}

/** Resident memory; after a while, when garbage of the opening has gone. */
async function memoryOf(pid: number): Promise<number> {
  await sleep(2000)
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}
