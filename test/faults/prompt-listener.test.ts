import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { followInterviews, newInterview, readInterview } from '../support/interview-client.ts'
import type { ProcessGateway } from '../support/process-gateway.ts'
import { holdLock } from '../support/process-locks.ts'
import { createScene, type Scene } from '../support/process-scene.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const STREAM = 'interview:prompts'
const DEAD = 'interview:prompts:dead'

interface Stage {
  scene: Scene
  redis: RedisServer
  /** The test's own connection, as an enhancer outside has it. */
  client: Redis
  token: string
  start(name: string): Promise<ProcessGateway>
}

/** A Redis that keeps what it has acknowledged, and instances that listen to it. */
async function setStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'tributary-redis-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const redis = await startRedisServer(inject('redisServer'), folder)
  onTestFinished(() => redis.stop())
  const client = new Redis(redis.url, { maxRetriesPerRequest: null })
  client.on('error', () => {})
  onTestFinished(() => client.disconnect())
  const scene = await createScene({ settings: { REDIS_URL: redis.url } })
  const start = async (name: string) => {
    const gateway = await scene.start(name)
    await listens(gateway)
    return gateway
  }
  return { scene, redis, client, token: await tokenOf('anna'), start }
}

const listens = (gateway: ProcessGateway) =>
  until(async () => (await gateway.metric('prompt_listener_up')) === 1, { what: 'the listener to be up' })

const message = (interviewId: string, fields: Record<string, unknown> = {}) =>
  JSON.stringify({
    messageId: `m-${interviewId}`,
    interviewId,
    prompt: `a prompt for ${interviewId}`,
    source: 'rag',
    status: 'success',
    ...fields,
  })
const send = (client: Redis, payload: string) => client.xadd(STREAM, '*', 'payload', payload)
const settled = (client: Redis) =>
  until(async () => (await client.xlen(STREAM)) === 0, { what: 'the stream to be empty', deadlineMs: 40_000 })
async function deadReasons(client: Redis): Promise<string[]> {
  return (await client.xrange(DEAD, '-', '+')).map(([, fields]) => fields[fields.indexOf('reason') + 1] ?? '')
}

async function expectOnePrompt(stage: Stage, gateway: ProcessGateway, id: string): Promise<void> {
  expect(await readInterview(gateway.url, stage.token, id)).toMatchObject({
    status: 'READY',
    statusVersion: 2,
    enhancedPrompt: { text: `a prompt for ${id}`, source: 'rag' },
  })
}

test('a message of the stream makes its interview READY, an error FAILED, a published one too, once each', async () => {
  const stage = await setStage()
  const { client, token } = stage
  const [a, b] = await Promise.all([stage.start('a'), stage.start('b')])
  const ids = await Promise.all([1, 2, 3, 4].map(async () => (await newInterview(a.url, token)).id))
  const [streamed = '', failed = '', published = '', twice = ''] = ids
  await send(client, message(streamed))
  await send(client, message(failed, { status: 'error', error: 'no documents\0found', prompt: undefined }))
  await client.publish('interview:prompt-ready', message(published))
  await send(client, message(twice))
  await send(client, message(twice))
  for (const id of [streamed, published, twice])
    await until(async () => (await readInterview(b.url, token, id)).status === 'READY', {
      what: `${id} to be READY`,
    })
  await until(async () => (await readInterview(b.url, token, failed)).status === 'FAILED', {
    what: 'the failure',
  })
  expect((await readInterview(b.url, token, failed)).failureReason).toBe('no documents found')
  await settled(client)
  for (const id of [streamed, published, twice]) await expectOnePrompt(stage, a, id)
  expect(await deadReasons(client)).toEqual([])
  const sum = async (outcome: string) =>
    (await a.metric('prompt_messages_total', { outcome })) +
    (await b.metric('prompt_messages_total', { outcome }))
  expect([await sum('applied'), await sum('failed'), await sum('duplicate')]).toEqual([3, 1, 1])
})

test('what never fits goes to the dead stream with its reason, in order; what fits passes', async () => {
  const stage = await setStage()
  const { client, token } = stage
  const a = await stage.start('a')
  const { id } = await newInterview(a.url, token)
  const unknown = Buffer.from('Interview:00000000-0000-4000-8000-000000000000').toString('base64url')
  await client.xadd(STREAM, '*', 'other', 'field')
  await send(client, 'no json')
  await send(client, JSON.stringify({ messageId: 7, interviewId: id, prompt: [], status: 'success' }))
  await send(client, message(id, { status: 'maybe' }))
  await send(client, message(unknown))
  await send(client, message(id, { prompt: 'x'.repeat(5_000_000) }))
  await send(client, message(id, { prompt: '  ' }))
  await send(client, message(id))
  await send(client, message(id, { messageId: 'another' }))
  await settled(client)
  expect(await deadReasons(client)).toEqual([
    'expected a field payload',
    'expected JSON',
    expect.stringMatching(/messageId: .*; prompt: /),
    expect.stringMatching(/^status: /),
    'there is no interview with this id',
    'expected 2097152 bytes at most',
    'prompt: expected more than white space',
    'the interview is READY, not ENHANCING',
  ])
  await expectOnePrompt(stage, a, id)
  const [, fields = []] = (await client.xrange(DEAD, '-', '+'))[1] ?? []
  expect(fields[fields.indexOf('payload') + 1]).toBe('no json')
})

test('what goes to the dead stream is there as it came: every field, and every byte of what is no text', async () => {
  const stage = await setStage()
  const { client, token } = stage
  const a = await stage.start('a')
  const { id } = await newInterview(a.url, token)
  const latin = Buffer.from(message(id, { prompt: 'Qu’est-ce que tu préfères ?' }), 'latin1')
  await client.xadd(STREAM, '*', 'data', 'under another name', 'reason', 'mine')
  await client.xadd(STREAM, '*', 'trace', '7', 'payload', latin)
  await client.publish('interview:prompt-ready', latin)
  await until(async () => (await client.xlen(DEAD)) === 3, { what: 'the dead messages' })
  const dead = (await client.callBuffer('XRANGE', DEAD, '-', '+')) as [Buffer, Buffer[]][]
  const [renamed, ...others] = dead.map(([, fields]) => fields)
  expect(renamed?.map(String)).toEqual([
    ...['payload', '', 'reason', 'expected a field payload', 'id', expect.any(String)],
    ...['data', 'under another name', 'reason', 'mine'],
  ])
  for (const fields of others) {
    expect(fields[1]?.equals(latin)).toBe(true)
    expect(String(fields[3])).toBe('expected UTF-8')
  }
  expect(others[0]?.slice(6).map(String)).toEqual(['trace', '7'])
  expect((await readInterview(a.url, token, id)).status).toBe('ENHANCING')
})

test('a database that has no room for a while costs no message and fails no interview', async () => {
  const stage = await setStage()
  const { scene, client, token } = stage
  const a = await stage.start('a')
  const ids = await Promise.all([1, 2, 3].map(async () => (await newInterview(a.url, token)).id))
  await scene.database.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON enhanced_prompts FOR EACH ROW EXECUTE FUNCTION refuse()`)
  for (const id of ids) await send(client, message(id))
  await until(async () => (await a.metric('prompt_messages_total', { outcome: 'retried' })) >= 3, {
    what: 'a retry',
  })
  await scene.database.query('DROP TRIGGER refuse ON enhanced_prompts')
  await settled(client)
  for (const id of ids) await expectOnePrompt(stage, a, id)
  expect(await deadReasons(client)).toEqual([])
})

test('a message that the database refuses alone is put aside with its interview FAILED, and the others of its batch pass', async () => {
  const stage = await setStage()
  const { scene, client, token } = stage
  const a = await stage.start('a')
  const ids = await Promise.all([1, 2, 3].map(async () => (await newInterview(a.url, token)).id))
  await scene.database.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no such word'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON enhanced_prompts FOR EACH ROW WHEN (NEW.text = 'poison') EXECUTE FUNCTION refuse()`)
  const [before = '', poisoned = '', behind = ''] = ids
  const step = client.multi()
  step.xadd(STREAM, '*', 'payload', message(before))
  step.xadd(STREAM, '*', 'payload', message(poisoned, { prompt: 'poison' }))
  step.xadd(STREAM, '*', 'payload', message(behind))
  await step.exec()
  await settled(client)
  for (const id of [before, behind]) await expectOnePrompt(stage, a, id)
  expect(await readInterview(a.url, token, poisoned)).toMatchObject({
    status: 'FAILED',
    failureReason: 'The prompt could not be stored. Retry the interview.',
  })
  expect(await deadReasons(client)).toEqual(['the prompt could not be stored'])
  expect(a.stderr).not.toContain('poison')
})

test('an interview that somebody holds locked keeps its message, and no other instance takes what is being worked on', async () => {
  const stage = await setStage()
  const { scene, client, token } = stage
  const [a, b] = await Promise.all([stage.start('a'), stage.start('b')])
  const ids = await Promise.all(Array.from({ length: 10 }, async () => (await newInterview(a.url, token)).id))
  const held = ids.slice(0, 4).map(id => `'${Buffer.from(id, 'base64url').toString().split(':')[1]}'`)
  const lock = await holdLock(
    scene.database.url,
    `SELECT 1 FROM interviews WHERE id IN (${held.join()}) FOR UPDATE`,
  )
  const step = client.multi()
  for (const id of ids) step.xadd(STREAM, '*', 'payload', message(id))
  await step.exec()
  // The first four wait for five seconds each.
  for (const id of ids.slice(4))
    await until(async () => (await readInterview(b.url, token, id)).status === 'READY', {
      what: 'those behind it',
      deadlineMs: 50_000,
    })
  const sum = async (outcome: string) =>
    (await a.metric('prompt_messages_total', { outcome })) +
    (await b.metric('prompt_messages_total', { outcome }))
  expect(await sum('applied')).toBe(6)
  // After 25 seconds, each still with the instance that has read it.
  const pending = (await client.xpending(STREAM, 'tributary', '-', '+', 20)) as [string, string][]
  expect(new Set(pending.map(([, consumer]) => consumer)).size).toBe(1)
  await lock.release()
  await settled(client)
  for (const id of ids) await expectOnePrompt(stage, a, id)
  expect([await sum('applied'), await sum('duplicate'), await deadReasons(client)]).toEqual([10, 0, []])
})

test('an instance that is told to stop while its messages wait for locks ends in time, and another applies them', async () => {
  const stage = await setStage()
  const { scene, client, token } = stage
  const a = await stage.start('a')
  const ids = await Promise.all(Array.from({ length: 6 }, async () => (await newInterview(a.url, token)).id))
  const lock = await holdLock(scene.database.url, 'SELECT 1 FROM interviews FOR UPDATE')
  const step = client.multi()
  for (const id of ids) step.xadd(STREAM, '*', 'payload', message(id))
  await step.exec()
  await lock.waitedFor()
  const toldAtMs = performance.now()
  a.terminate()
  await a.stopped()
  // The lock it stands before, and one more; not all seven after each other.
  expect(performance.now() - toldAtMs).toBeLessThan(15_000)
  expect(a.end).toEqual({ code: 0, signal: null })
  await lock.release()
  const b = await stage.start('b')
  await settled(client)
  for (const id of ids) await expectOnePrompt(stage, b, id)
})

test('a thousand messages in a burst, many of them twice, over two instances of which one is killed: one prompt each', async () => {
  const stage = await setStage()
  const { scene, client, token } = stage
  const [a, b] = await Promise.all([stage.start('a'), stage.start('b')])
  const first = await newInterview(a.url, token)
  const [{ id: userId = '' } = {}] = await scene.database.query<{ id: string }>(
    'SELECT user_id AS id FROM interviews',
  )
  await scene.database.query(
    `WITH made AS (
       INSERT INTO interviews (user_id, topic, enhancer, status, status_version, status_changed_at, created_at)
       SELECT $1, 'burst', 'EXTERNAL', 'ENHANCING', 1, now(), now() FROM generate_series(1, 999) RETURNING *
     ), told AS (UPDATE interview_feeds SET position = 1000)
     INSERT INTO interview_status_changes (interview_id, version, user_id, position, status, changed_at)
     SELECT id, 1, user_id, 1 + row_number() OVER (), status, now() FROM made`,
    [userId],
  )
  const ids = await scene.database.query<{ id: string }>('SELECT id FROM interviews')
  expect(ids).toHaveLength(1000)
  const followed = await followInterviews(b.url, { token, interviewId: first.id })
  const step = client.pipeline()
  for (const [index, { id }] of ids.entries()) {
    step.xadd(STREAM, '*', 'payload', message(id))
    if (index % 3 === 0) step.xadd(STREAM, '*', 'payload', message(id))
    if (index % 5 === 0) step.xadd(STREAM, '*', 'payload', message(id, { messageId: `another-${id}` }))
  }
  await step.exec()
  await until(async () => (await a.metric('prompt_messages_total', { outcome: 'applied' })) > 0, {
    what: 'the first of them',
  })
  await a.kill()
  await settled(client)
  const stored = await scene.database.query(`
    SELECT i.status, i.status_version AS version, count(*)::int AS count FROM interviews i
    JOIN enhanced_prompts p ON p.interview_id = i.id AND p.text = 'a prompt for ' || i.id
    GROUP BY 1, 2`)
  expect(stored).toEqual([{ status: 'READY', version: 2, count: 1000 }])
  const [history] = await scene.database.query(`
    SELECT count(*)::int AS changes, min(position) AS first, max(position) AS last, count(DISTINCT position)::int AS places
    FROM interview_status_changes`)
  expect(history).toEqual({ changes: 2000, first: 1, last: 2000, places: 2000 })
  expect(await scene.database.query('SELECT 1 FROM enhanced_prompts')).toHaveLength(1000)
  // Those that came second, each once and none else.
  expect(new Set(await deadReasons(client))).toEqual(new Set(['the interview is READY, not ENHANCING']))
  expect(await client.xlen(DEAD)).toBe(200)
  await until(() => followed.changes.at(-1)?.version === 2, { what: 'the change' })
  followed.leave()
})

test('a listener that is killed in the middle of its transaction is replaced by another, which applies the message once', async () => {
  const stage = await setStage()
  const { scene, client, token } = stage
  const a = await stage.start('a')
  const { id } = await newInterview(a.url, token)
  // The prompt is inserted, its change of status is not.
  const lock = await holdLock(scene.database.url, 'LOCK TABLE interview_status_changes IN EXCLUSIVE MODE')
  await send(client, message(id))
  await lock.waitedFor()
  await a.kill()
  await lock.release()
  const b = await stage.start('b')
  await settled(client)
  await expectOnePrompt(stage, b, id)
  expect(await b.metric('prompt_messages_total', { outcome: 'applied' })).toBe(1)
})

test('a listener that is killed after its commit and before it acknowledged leaves a message that changes nothing', async () => {
  const stage = await setStage()
  const { scene, client, token } = stage
  const a = await stage.start('a')
  const { id } = await newInterview(a.url, token)
  const lock = await holdLock(scene.database.url, 'LOCK TABLE interview_status_changes IN EXCLUSIVE MODE')
  await send(client, message(id))
  await lock.waitedFor()
  await client.client('PAUSE', 60_000, 'WRITE')
  await lock.release()
  const ready = async () =>
    (await scene.database.query("SELECT 1 FROM interviews WHERE status = 'READY'")).length === 1
  await until(ready, { what: 'the commit' })
  await a.kill()
  await client.client('UNPAUSE')
  const b = await stage.start('b')
  await settled(client)
  await expectOnePrompt(stage, b, id)
  expect(await b.metric('prompt_messages_total', { outcome: 'duplicate' })).toBe(1)
  expect(await deadReasons(client)).toEqual([])
})

test('messages in flight survive a Redis that is killed and started again', async () => {
  const stage = await setStage()
  const { redis, client, token } = stage
  const [a, b] = await Promise.all([stage.start('a'), stage.start('b')])
  const ids = await Promise.all(Array.from({ length: 20 }, async () => (await newInterview(a.url, token)).id))
  for (const id of ids.slice(0, 10)) await send(client, message(id))
  redis.kill('SIGKILL')
  await redis.restart()
  for (const id of ids.slice(10)) await send(client, message(id))
  await settled(client)
  for (const id of ids) await expectOnePrompt(stage, b, id)
  await listens(a)
  await listens(b)
})

test('a listener whose connections are cut, or whose group is destroyed, goes on by itself', async () => {
  const stage = await setStage()
  const { client, token } = stage
  const a = await stage.start('a')
  const deliver = async () => {
    const { id } = await newInterview(a.url, token)
    await send(client, message(id))
    await until(async () => (await readInterview(a.url, token, id)).status === 'READY', {
      what: 'the prompt',
    })
  }
  await deliver()
  await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await deliver()
  await client.xgroup('DESTROY', STREAM, 'tributary')
  await deliver()
  await client.flushall()
  await deliver()
  expect(await deadReasons(client)).toEqual([])
  expect(await a.metric('prompt_messages_total', { outcome: 'applied' })).toBe(4)
})

test('a database that restarts while messages come costs none of them and sends none away', async () => {
  const stage = await setStage()
  const { scene, client, token } = stage
  const a = await stage.start('a')
  const ids = await Promise.all(Array.from({ length: 5 }, async () => (await newInterview(a.url, token)).id))
  // As a restart does it: every connection is cut, and those that come are refused for a while.
  const name = new URL(scene.database.url).pathname.slice(1)
  await scene.database.query(`ALTER DATABASE ${name} CONNECTION LIMIT 2`)
  await scene.database.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'tributary%'",
  )
  for (const id of ids) await send(client, message(id))
  await until(async () => (await a.metric('prompt_messages_total', { outcome: 'retried' })) > 0, {
    what: 'a retry',
  }).catch(() => {})
  await scene.database.query(`ALTER DATABASE ${name} CONNECTION LIMIT -1`)
  await settled(client)
  for (const id of ids) await expectOnePrompt(stage, a, id)
  expect(await deadReasons(client)).toEqual([])
})

test('health tells of a listener without Redis, and that messages wait', async () => {
  const stage = await setStage()
  const { redis } = stage
  const a = await stage.start('a')
  const health = async () =>
    (await (await fetch(`${a.url}/api/health/database-sync`)).json()) as {
      status: string
      problems: string[]
      promptListener: { state: string; waiting: number | null }
    }
  expect(await health()).toMatchObject({
    status: 'ok',
    problems: [],
    promptListener: { state: 'up', waiting: 0 },
  })
  redis.kill('SIGSTOP')
  onTestFinished(() => redis.kill('SIGCONT'))
  await until(async () => (await health()).status === 'degraded', {
    what: 'the listener to be missed',
    deadlineMs: 40_000,
  })
  expect(await health()).toMatchObject({
    problems: ['the prompt listener does not hear from Redis'],
    promptListener: { state: 'down' },
  })
  expect(await a.metric('prompt_listener_up')).toBe(0)
  redis.kill('SIGCONT')
  await until(async () => (await health()).status === 'ok', {
    what: 'the listener to be back',
    deadlineMs: 40_000,
  })
})
