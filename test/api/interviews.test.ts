import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { RunOnce } from '../../src/coordination/run-once.ts'
import { createDatabaseClient, type Queryable } from '../../src/database/client.ts'
import { changeInterviewStatus } from '../../src/database/interview-changes.ts'
import { createRunTransaction } from '../../src/database/transaction.ts'
import { EnhanceInterview } from '../../src/domain/interviews/enhance-interview.ts'
import { FailInterview } from '../../src/domain/interviews/fail-interview.ts'
import { GenerationError } from '../../src/providers/generator.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { post } from '../support/graphql-client.ts'
import {
  createInterview,
  deliverPrompt,
  followInterviews,
  moveInterview,
  newInterview,
  readInterview,
} from '../support/interview-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateways: TestGateway[]
let generator: FakeGenerator
let url: string
let token: string
let service: string

beforeEach(async () => {
  database = await createTestDatabase()
  generator = new FakeGenerator()
  gateways = await Promise.all([1, 2].map(() => startTestGateway({ databaseUrl: database.url, generator })))
  url = gateways[0]?.url ?? ''
  token = await tokenOf('anna')
  service = await tokenOf('enhancer', { roles: ['SERVICE'] })
})
afterEach(async () => {
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
})

function becomes(id: string, status: string): Promise<void> {
  return until(async () => (await readInterview(url, token, id)).status === status, {
    what: `the interview to become ${status}`,
  })
}

const rawId = (id: string) => Buffer.from(id, 'base64url').toString().split(':')[1] ?? ''

/** As the deadline does it. */
async function fail(id: string): Promise<void> {
  const db: Queryable = {
    query: (statement, values) => database.query(statement.text, values as unknown[]) as never,
  }
  await changeInterviewStatus(db, [{ interviewId: rawId(id), to: 'FAILED', reason: 'too late' }])
}

const countPrompts = async () => (await database.query('SELECT 1 FROM enhanced_prompts')).length

describe('an interview that the gateway enhances', () => {
  test('becomes READY with the prompt that was made from topic and context, in one step', async () => {
    const created = await newInterview(url, token, { context: 'I wake at four', enhancer: 'GATEWAY' })
    expect(created).toMatchObject({ status: 'ENHANCING', statusVersion: 1, enhancedPrompt: null })
    await becomes(created.id, 'READY')
    const interview = await readInterview(url, token, created.id)
    expect(interview).toMatchObject({
      statusVersion: 2,
      enhancedPrompt: { text: 'prompt 1 about sleeping better', source: 'gateway' },
    })
    expect(interview.history.map(({ version, status }) => [version, status])).toEqual([
      [1, 'ENHANCING'],
      [2, 'READY'],
    ])
    expect(generator.promptCalls).toEqual([
      { topic: 'sleeping better', context: 'I wake at four', passages: [] },
    ])
  })

  test('is FAILED with the reason of a generation that will never succeed, and READY after a retry', async () => {
    generator.behavePrompt = async (_input, _context, call) => {
      if (call === 1) throw new GenerationError('The provider refuses this topic.', { retryable: false })
    }
    const { id } = await newInterview(url, token, { enhancer: 'GATEWAY' })
    await becomes(id, 'FAILED')
    expect(await readInterview(url, token, id)).toMatchObject({
      failureReason: 'The provider refuses this topic.',
      enhancedPrompt: null,
    })
    expect(await moveInterview(url, token, 'retryInterview', id)).toMatchObject({
      interview: { status: 'ENHANCING', statusVersion: 3, failureReason: null },
    })
    await becomes(id, 'READY')
    expect(generator.promptCalls).toHaveLength(2)
  })

  test('is made again by the same job after a failure that may pass', async () => {
    generator.behavePrompt = async (_input, _context, call) => {
      if (call === 1) throw new GenerationError('The provider is busy.', { retryable: true })
    }
    const { id } = await newInterview(url, token, { enhancer: 'GATEWAY' })
    await becomes(id, 'READY')
    expect((await readInterview(url, token, id)).history).toHaveLength(2)
  })

  test('takes a prompt that somebody delivers first, and pays for no second one when its job runs again', async () => {
    const gate = new Gate()
    generator.behavePrompt = (_input, { signal }) => gate.pass(signal)
    const { id } = await newInterview(url, token, { enhancer: 'GATEWAY' })
    await gate.arrived(1)
    expect(await deliverPrompt(url, service, { interviewId: id, messageId: 'm1' })).toMatchObject({
      applied: true,
    })
    gate.open()
    await until(
      async () => {
        const [job] = await database.query<{ state: string }>('SELECT state FROM tributary_jobs.job')
        return job?.state === 'completed'
      },
      { what: 'the job to end' },
    )
    expect(await readInterview(url, token, id)).toMatchObject({
      status: 'READY',
      statusVersion: 2,
      enhancedPrompt: { source: 'rag' },
    })
    expect(await countPrompts()).toBe(1)
  })
})

describe('a retry', () => {
  test('is not ended by the run of the wait before it, which ends just then', async () => {
    const gate = new Gate()
    generator.behavePrompt = async (_input, { signal }, call) => {
      if (call === 1) await gate.pass(signal)
    }
    const { id } = await newInterview(url, token, { enhancer: 'GATEWAY' })
    await gate.arrived(1)
    await fail(id)
    // The run finds that nobody waits, and cannot say so yet.
    await database.query(`
      CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END $$;
      CREATE TRIGGER wait BEFORE UPDATE ON generations FOR EACH ROW WHEN (NEW.state = 'FAILED') EXECUTE FUNCTION wait()`)
    const lock = await holdLock(database.url, 'SELECT pg_advisory_xact_lock(77)')
    gate.open()
    await lock.waitedFor()
    await moveInterview(url, token, 'retryInterview', id)
    // The job of the retry has joined it, on whichever instance.
    const waiters = async () => {
      const health = gateways.map(async gateway =>
        (await fetch(`${gateway.url}/api/health/coordination`)).json(),
      )
      return (await Promise.all(health)).reduce(
        (sum, figures) => sum + (figures as { waiters: number }).waiters,
        0,
      )
    }
    await until(async () => (await waiters()) === 2, { what: 'the retry to join' })
    await lock.release()
    await until(async () => (await readInterview(url, token, id)).status !== 'ENHANCING', {
      what: 'the end of the wait',
    })
    expect(await readInterview(url, token, id)).toMatchObject({ status: 'READY', statusVersion: 4 })
  })

  test('is not failed by the job of the wait before it', async () => {
    const { id } = await newInterview(url, token)
    await fail(id)
    await moveInterview(url, token, 'retryInterview', id)
    const logger = createLogger({ level: 'silent', format: 'json' })
    const metrics = createMetrics()
    const client = createDatabaseClient({
      url: database.url,
      poolSize: 2,
      lockTimeoutMs: 5000,
      logger,
      metrics,
    })
    onTestFinished(() => client.close())
    const transaction = createRunTransaction(client, { logger, metrics })
    const enhance = new EnhanceInterview({
      db: client,
      runOnce: {
        resumes: () => {},
        request: async () => ({
          type: 'failed',
          runId: '',
          message: 'The provider is busy.',
          retryable: true,
          retryAt: null,
        }),
      } as unknown as RunOnce,
      generator,
      findPassages: async () => [],
      failInterview: new FailInterview({ transaction, eventsCommitted: () => {} }),
      eventsCommitted: () => {},
      logger,
      metrics,
    })
    const run = { signal: new AbortController().signal, lastTry: true }
    await enhance.run({ interviewId: rawId(id), version: 1 }, run)
    expect(await readInterview(url, token, id)).toMatchObject({ status: 'ENHANCING', statusVersion: 3 })
    await enhance.run({ interviewId: rawId(id), version: 3 }, run)
    expect(await readInterview(url, token, id)).toMatchObject({
      status: 'FAILED',
      failureReason: 'The provider is busy.',
    })
  })
})

describe('a delivered prompt', () => {
  test('makes the interview READY, by its node id and by its raw id', async () => {
    const { id } = await newInterview(url, token)
    const delivered = await deliverPrompt(url, service, {
      interviewId: id,
      messageId: 'm1',
      prompt: 'Ask\nopenly.',
    })
    expect(delivered).toMatchObject({
      __typename: 'DeliverPromptPayload',
      applied: true,
      prompt: { text: 'Ask\nopenly.', source: 'rag' },
      interview: { status: 'READY', statusVersion: 2 },
    })
    const other = await newInterview(url, token)
    expect(
      await deliverPrompt(url, service, { interviewId: rawId(other.id), messageId: 'm1' }),
    ).toMatchObject({
      applied: true,
    })
  })

  test('changes nothing when its message comes again, whatever it then says', async () => {
    const { id } = await newInterview(url, token)
    await deliverPrompt(url, service, { interviewId: id, messageId: 'm1', prompt: 'first' })
    const again = await deliverPrompt(gateways[1]?.url ?? '', service, {
      interviewId: id,
      messageId: 'm1',
      prompt: 'second',
    })
    expect(again).toMatchObject({
      applied: false,
      prompt: { text: 'first' },
      interview: { statusVersion: 2 },
    })
    expect(await countPrompts()).toBe(1)
  })

  test('is refused where the interview does not wait for one, and nothing is stored', async () => {
    const { id } = await newInterview(url, token)
    await deliverPrompt(url, service, { interviewId: id, messageId: 'm1' })
    const late = await deliverPrompt(url, service, { interviewId: id, messageId: 'm2' })
    expect(late).toMatchObject({ __typename: 'InvalidTransitionError', from: 'READY', to: 'READY' })
    await moveInterview(url, token, 'startInterview', id)
    expect(await deliverPrompt(url, service, { interviewId: id, messageId: 'm3' })).toMatchObject({
      __typename: 'InvalidTransitionError',
      from: 'IN_PROGRESS',
    })
    expect(await countPrompts()).toBe(1)
    // A message that was refused was not taken: it may come again, and be refused again.
    expect(await database.query('SELECT message_id FROM prompt_deliveries')).toEqual([{ message_id: 'm1' }])
  })

  test('needs the role SERVICE, a known interview, and what a prompt must be', async () => {
    const { id } = await newInterview(url, token)
    const query = 'mutation($input: DeliverPromptInput!) { deliverPrompt(input: $input) { __typename } }'
    const variables = { input: { interviewId: id, prompt: 'p', messageId: 'm' } }
    expect((await post(url, { query, variables, token })).errors?.[0]?.extensions.code).toBe('FORBIDDEN')
    const unknown = Buffer.from('Interview:00000000-0000-4000-8000-000000000000').toString('base64url')
    expect(await deliverPrompt(url, service, { interviewId: unknown, messageId: 'm' })).toMatchObject({
      __typename: 'NotFoundError',
      code: 'NOT_FOUND',
    })
    const bad = await deliverPrompt(url, service, {
      interviewId: 'nonsense',
      messageId: '',
      prompt: ' \n ',
      source: 'x'.repeat(65),
    })
    expect(bad.issues).toEqual([
      { path: ['input', 'prompt'], message: 'expected more than white space' },
      { path: ['input', 'source'], message: 'expected 1 to 64 characters' },
      { path: ['input', 'messageId'], message: 'expected 1 to 128 characters' },
      { path: ['input', 'interviewId'], message: 'expected the id of an interview' },
    ])
    const long = await deliverPrompt(url, service, {
      interviewId: id,
      messageId: 'm',
      prompt: 'x'.repeat(5_000_000),
    })
    expect(long.issues?.[0]).toEqual({
      path: ['input', 'prompt'],
      message: 'expected 1 to 200000 characters',
    })
    const zero = await deliverPrompt(url, service, { interviewId: id, messageId: 'm', prompt: 'a\0b' })
    expect(zero.issues?.[0]?.message).toBe('expected text without control characters')
    expect(await readInterview(url, token, id)).toMatchObject({ status: 'ENHANCING', statusVersion: 1 })
  })

  test('that the database refuses fails its interview with a reason, and stores nothing', async () => {
    await database.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON enhanced_prompts FOR EACH ROW EXECUTE FUNCTION refuse()`)
    const { id } = await newInterview(url, token)
    await expect(deliverPrompt(url, service, { interviewId: id, messageId: 'm1' })).rejects.toThrow(
      'INTERNAL',
    )
    expect(await readInterview(url, token, id)).toMatchObject({
      status: 'FAILED',
      statusVersion: 2,
      failureReason: 'The prompt could not be stored. Retry the interview.',
    })
    expect(await database.query('SELECT message_id FROM prompt_deliveries')).toEqual([])
    const metrics = await gateways[0]?.metrics.registry.metrics()
    expect(metrics).toContain('rag_atomic_operation_failure_total 1')
    expect(metrics).toContain('rag_rollback_total 1')
  })

  test('is one of ten at once over two instances; nine are refused, one prompt is stored', async () => {
    const { id } = await newInterview(url, token)
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        deliverPrompt(gateways[index % 2]?.url ?? '', service, { interviewId: id, messageId: `m${index}` }),
      ),
    )
    const types = outcomes.map(outcome => outcome.__typename)
    expect(types.filter(type => type === 'DeliverPromptPayload')).toHaveLength(1)
    expect(types.filter(type => type === 'InvalidTransitionError')).toHaveLength(9)
    expect(await countPrompts()).toBe(1)
    expect((await readInterview(url, token, id)).history).toHaveLength(2)
  })
})

describe('the life of an interview', () => {
  test('goes READY, IN_PROGRESS, COMPLETED, and no other way', async () => {
    const { id } = await newInterview(url, token)
    for (const field of ['startInterview', 'completeInterview', 'retryInterview'] as const)
      expect(await moveInterview(url, token, field, id)).toMatchObject({
        __typename: 'InvalidTransitionError',
        from: 'ENHANCING',
        message: expect.stringMatching(/^The interview is ENHANCING; it cannot become /),
      })
    await deliverPrompt(url, service, { interviewId: id, messageId: 'm1' })
    expect(await moveInterview(url, token, 'startInterview', id)).toMatchObject({
      interview: { status: 'IN_PROGRESS' },
    })
    expect(await moveInterview(url, token, 'completeInterview', id)).toMatchObject({
      interview: { status: 'COMPLETED', statusVersion: 4 },
    })
    expect((await moveInterview(url, token, 'startInterview', id)).from).toBe('COMPLETED')
  })

  test('is its owner’s alone', async () => {
    const { id } = await newInterview(url, token)
    const stranger = await tokenOf('berta')
    expect((await moveInterview(url, stranger, 'startInterview', id)).__typename).toBe('NotFoundError')
    const answer = await post(url, { query: `{ node(id: "${id}") { id } }`, token: stranger })
    expect(answer.data).toEqual({ node: null })
    const followed = await followInterviews(url, { token: stranger, interviewId: id })
    await until(() => followed.ended, { what: 'the refusal' })
    expect(followed.errors[0]?.extensions?.code).toBe('NOT_FOUND')
  })

  test('starts once when two ask at once', async () => {
    const { id } = await newInterview(url, token)
    await deliverPrompt(url, service, { interviewId: id, messageId: 'm1' })
    const outcomes = await Promise.all(
      gateways.map(gateway => moveInterview(gateway.url, token, 'startInterview', id)),
    )
    expect(outcomes.map(({ __typename }) => __typename).sort()).toEqual([
      'InterviewTransitionPayload',
      'InvalidTransitionError',
    ])
    expect((await readInterview(url, token, id)).statusVersion).toBe(3)
  })

  test('is told to those outside, with all that an enhancer needs', async () => {
    const { id } = await newInterview(url, token, { context: 'c', collection: 'notes' })
    await deliverPrompt(url, service, { interviewId: id, messageId: 'm1' })
    const events = await database.query<{ topic: string; key: string; payload: Record<string, unknown> }>(
      'SELECT topic, key, payload FROM outbox ORDER BY id',
    )
    expect(events.map(({ topic, payload }) => [topic, payload.status, payload.version])).toEqual([
      ['interview.status-changed', 'ENHANCING', 1],
      ['interview.status-changed', 'READY', 2],
    ])
    expect(events[0]?.payload).toMatchObject({ topic: 'sleeping better', context: 'c', collection: 'notes' })
    expect(events[1]?.payload).not.toHaveProperty('topic')
  })
})

describe('createInterview', () => {
  test('says what it expected, and stores nothing', async () => {
    const bad = await createInterview(url, token, {
      topic: '   ',
      context: 'a\0b',
      collection: '',
      idempotencyKey: 'x'.repeat(129),
    })
    expect(bad.__typename).toBe('InvalidInputError')
    expect(bad.issues.map(({ path }) => path.join('.'))).toEqual([
      'input.topic',
      'input.context',
      'input.collection',
      'input.idempotencyKey',
    ])
    expect((await createInterview(url, token, { topic: 'x'.repeat(501) })).issues[0]?.message).toBe(
      'expected 1 to 500 characters',
    )
    expect(await database.query('SELECT 1 FROM interviews')).toEqual([])
  })

  test('makes one interview and one job for one key, over two instances at once', async () => {
    const input = { enhancer: 'GATEWAY', idempotencyKey: 'k1' }
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, index) => createInterview(gateways[index % 2]?.url ?? '', token, input)),
    )
    expect(new Set(outcomes.map(({ interview }) => interview.id)).size).toBe(1)
    expect(await database.query('SELECT 1 FROM interviews')).toHaveLength(1)
    expect(await database.query('SELECT 1 FROM tributary_jobs.job')).toHaveLength(1)
    const other = await createInterview(url, token, { ...input, topic: 'another' })
    expect(other.__typename).toBe('IdempotencyKeyReusedError')
    expect(await database.query('SELECT 1 FROM interviews')).toHaveLength(1)
  })

  test('lists newest first, by status, with a count', async () => {
    const made = []
    for (const topic of ['a', 'b', 'c']) made.push(await newInterview(url, token, { topic }))
    await deliverPrompt(url, service, { interviewId: made[1]?.id ?? '', messageId: 'm' })
    const query = `{ viewer {
      all: interviews(first: 2) { totalCount nodes { topic } pageInfo { hasNextPage endCursor } }
      ready: interviews(status: READY) { totalCount nodes { topic enhancedPrompt { text } } } } }`
    const { data } = await post<{ viewer: Record<string, unknown> }>(url, { query, token })
    expect(data?.viewer).toMatchObject({
      all: { totalCount: 3, nodes: [{ topic: 'c' }, { topic: 'b' }], pageInfo: { hasNextPage: true } },
      ready: { totalCount: 1, nodes: [{ topic: 'b', enhancedPrompt: { text: 'the prompt of m' } }] },
    })
  })
})
