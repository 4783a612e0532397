import { expect, test } from 'vitest'
import { moveInterview, newInterview, readInterview } from '../support/interview-client.ts'
import type { ProcessGateway } from '../support/process-gateway.ts'
import { holdLock } from '../support/process-locks.ts'
import { createScene, type Scene } from '../support/process-scene.ts'
import { tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const becomes = (gateway: ProcessGateway, token: string, id: string, status: string) =>
  until(async () => (await readInterview(gateway.url, token, id)).status === status, {
    what: `the interview to become ${status}`,
    deadlineMs: 45_000,
  })

async function startOne(scene: Scene): Promise<{ a: ProcessGateway; token: string; id: string }> {
  const a = await scene.start('a')
  const token = await tokenOf('anna')
  const { id } = await newInterview(a.url, token, { topic: 'jobs', enhancer: 'GATEWAY' })
  return { a, token, id }
}

test('a job that dies with its instance while the provider works is run again by another, and makes one prompt', async () => {
  const scene = await createScene()
  const { a, token, id } = await startOne(scene)
  await scene.provider.called(1)
  const b = await scene.start('b')
  await a.kill()
  const second = await scene.provider.called(2)
  expect(second.request).toMatchObject({ instance: 'b', key: 'jobs' })
  second.answer()
  await becomes(b, token, id, 'READY')
  expect(await readInterview(b.url, token, id)).toMatchObject({
    statusVersion: 2,
    enhancedPrompt: { text: 'answer 2 for jobs', source: 'gateway' },
  })
  expect(await scene.database.query('SELECT 1 FROM enhanced_prompts')).toHaveLength(1)
})

test('a job at work is handed back by an instance that is told to stop, before it ends, and taken by another', async () => {
  const scene = await createScene({ settings: { SHUTDOWN_TIMEOUT_MS: '2000', LEASE_TTL_MS: '60000' } })
  const { a, token, id } = await startOne(scene)
  const jobs = () =>
    scene.database.query<{ state: string; retry_count: number }>(
      "SELECT state, retry_count FROM tributary_jobs.job WHERE name = 'interview-prompt'",
    )
  const first = await scene.provider.called(1)
  expect(await jobs()).toEqual([{ state: 'active', retry_count: 0 }])
  // It is its last try, another would be an hour away, and so is the time when it counts as lost.
  await scene.database.query(
    "UPDATE tributary_jobs.job SET retry_limit = 0, retry_delay = 3600, retry_delay_max = 3600, heartbeat_seconds = 3600 WHERE name = 'interview-prompt'",
  )
  // Nobody else is there: what is handed back waits, and shows that it was.
  a.terminate()
  await a.stopped()
  expect(a.end).toEqual({ code: 0, signal: null })
  expect(first.gone).toBe(true)
  expect(await jobs()).toEqual([{ state: 'retry', retry_count: 0 }])
  const b = await scene.start('b')
  const second = await scene.provider.called(2)
  expect(second.request).toMatchObject({ instance: 'b', key: 'jobs' })
  second.answer()
  await becomes(b, token, id, 'READY')
  await until(async () => (await jobs())[0]?.state === 'completed', {
    what: 'the job to end',
    deadlineMs: 20_000,
  })
  expect(await scene.database.query('SELECT 1 FROM enhanced_prompts')).toHaveLength(1)
  expect(scene.provider.calls).toHaveLength(2)
}, 150_000)

test('an instance that dies between the prompt and the commit leaves neither, and another makes both', async () => {
  const scene = await createScene()
  const { a, token, id } = await startOne(scene)
  const first = await scene.provider.called(1)
  const lock = await holdLock(scene.database.url, 'LOCK TABLE interview_status_changes IN EXCLUSIVE MODE')
  first.answer()
  await lock.waitedFor()
  const b = await scene.start('b')
  await a.kill()
  await lock.release()
  const second = await scene.provider.called(2)
  expect(await scene.database.query('SELECT 1 FROM enhanced_prompts')).toHaveLength(0)
  second.answer()
  await becomes(b, token, id, 'READY')
  expect((await readInterview(b.url, token, id)).history.map(({ version }) => version)).toEqual([1, 2])
})

test('a job is there when its interview is, although its instance died right after the commit', async () => {
  const scene = await createScene()
  const a = await scene.start('a')
  const token = await tokenOf('anna')
  const { id } = await newInterview(a.url, token, { topic: 'jobs', enhancer: 'GATEWAY' })
  await a.kill()
  const calls = scene.provider.calls.length
  const b = await scene.start('b')
  const call = await scene.provider.called(calls + 1)
  call.answer()
  await becomes(b, token, id, 'READY')
})

test('an interview that nobody enhances is FAILED after its deadline by whichever instance is left, once', async () => {
  const scene = await createScene({ settings: { INTERVIEW_ENHANCE_DEADLINE_MS: '3000' } })
  const [a, b, c] = await Promise.all([scene.start('a'), scene.start('b'), scene.start('c')])
  const token = await tokenOf('anna')
  const { id } = await newInterview(a.url, token)
  await a.kill()
  await becomes(b, token, id, 'FAILED')
  expect(await readInterview(b.url, token, id)).toMatchObject({
    statusVersion: 2,
    failureReason: 'No prompt arrived within 3 seconds. Retry the interview.',
  })
  // It may have looked just before the other one had it failed.
  await until(async () => (await c.metric('interviews_stuck')) === 0, { what: 'c to count none' })
  // A retry has its own deadline.
  await moveInterview(c.url, token, 'retryInterview', id)
  await becomes(b, token, id, 'FAILED')
  expect((await readInterview(b.url, token, id)).history.map(({ status }) => status)).toEqual([
    'ENHANCING',
    'FAILED',
    'ENHANCING',
    'FAILED',
  ])
})

test('a provider that fails until the deadline leaves the interview FAILED, and a late answer changes nothing', async () => {
  const scene = await createScene({ settings: { INTERVIEW_ENHANCE_DEADLINE_MS: '2000' } })
  const { a, token, id } = await startOne(scene)
  const call = await scene.provider.called(1)
  await becomes(a, token, id, 'FAILED')
  call.answer()
  const ended = async () =>
    (await scene.database.query("SELECT 1 FROM generations WHERE state = 'FAILED'")).length === 1
  await until(ended, { what: 'the run to end' })
  expect(await readInterview(a.url, token, id)).toMatchObject({ status: 'FAILED', enhancedPrompt: null })
})
