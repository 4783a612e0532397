import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { dataPoints, post, RECORD_DATA_POINTS, requestAnalysis } from '../support/graphql-client.ts'
import { deliverPrompt, followInterviews, newInterview } from '../support/interview-client.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

/** As the contract names them, with their labels. */
const CONTRACT = `
  coordination_requests_total{kind,source} coordination_wait_seconds{kind} coordination_takeovers_total{kind,cause}
  coordination_fenced_total{kind} coordination_runs_in_flight{kind} provider_calls_total{kind,outcome} provider_call_seconds{kind}
  provider_tokens_total{kind,direction} database_transactions_total{name,outcome} database_transaction_seconds{name}
  database_pool_connections{state} tracking_updates_total{outcome} rag_atomic_operation_success_total
  rag_atomic_operation_failure_total rag_rollback_total rag_orphaned_prompt_total rag_atomic_operation_duration_seconds
  prompt_listener_up prompt_messages_total{outcome} interviews_stuck memory_lock_timeout_total
  memory_lock_contention_seconds{operation} collection_lock_timeout_total{collection_name} cache_db_consistency_errors_total
  conversation_messages_held facts_promoted_total graphql_requests_total{operation,outcome} graphql_request_seconds{operation}
  graphql_subscriptions_active loader_batch_size{loader} loader_queries_total{loader}`
  .trim()
  .split(/\s+/)

let database: TestDatabase
let redis: RedisServer
let gateway: TestGateway

beforeAll(async () => {
  database = await createTestDatabase()
  redis = await startRedisServer(inject('redisServer'))
  gateway = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings: { REDIS_URL: redis.url },
  })
})
afterAll(async () => {
  await gateway.close()
  await redis.stop()
  await database.drop()
})

async function scrape(): Promise<string> {
  const response = await fetch(`${gateway.url}/metrics`)
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  return response.text()
}

test('every metric of the contract is there, with exactly its labels', async () => {
  const registered = await gateway.metrics.registry.getMetricsAsJSON()
  const exposed = await scrape()
  for (const metric of CONTRACT) {
    const [, name = '', labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(metric) ?? []
    expect(exposed).toContain(`# TYPE ${name} `)
    const known = gateway.metrics.registry.getSingleMetric(name) as unknown as { labelNames: string[] }
    expect(`${name}{${known.labelNames}}`).toBe(`${name}{${labels}}`)
  }
  expect(registered.length).toBeGreaterThanOrEqual(CONTRACT.length)
})

test('what is used counts, under labels that hold no user, no id and no text of a client', async () => {
  const anna = await tokenOf('anna')
  const { url } = gateway
  await post(url, { query: RECORD_DATA_POINTS, variables: { points: dataPoints(3) }, token: anna })
  expect((await requestAnalysis(url, anna)).source).toBe('FRESH')
  expect((await requestAnalysis(url, anna)).source).toBe('RECENT')
  const interview = await newInterview(url, anna)
  const followed = await followInterviews(url, { token: anna, interviewId: interview.id })
  await until(() => followed.changes.length === 1, { what: 'the subscription' })
  const service = await tokenOf('enhancer', { roles: ['SERVICE'] })
  await deliverPrompt(url, service, { interviewId: interview.id, messageId: 'm1' })
  await post(url, { query: 'query HUNTER2 { hunter2: viewer { id hunter2: email } }', token: anna })
  await post(url, { query: '{ hunter2 }', token: anna })
  // The listener connects by itself, and is up where Redis has answered it lately.
  await until(async () => (await scrape()).includes('prompt_listener_up 1\n'), {
    what: 'the listener to be up',
  })
  const text = await scrape()
  const sample = (line: string) =>
    Number(
      text
        .split('\n')
        .find(found => found.startsWith(`${line} `))
        ?.split(' ')
        .at(-1),
    )
  expect(sample('coordination_requests_total{kind="BEHAVIOR_ANALYSIS",source="FRESH"}')).toBe(1)
  expect(sample('coordination_requests_total{kind="BEHAVIOR_ANALYSIS",source="RECENT"}')).toBe(1)
  expect(sample('coordination_wait_seconds_count{kind="BEHAVIOR_ANALYSIS"}')).toBe(2)
  expect(sample('provider_calls_total{kind="BEHAVIOR_ANALYSIS",outcome="success"}')).toBe(1)
  expect(sample('tracking_updates_total{outcome="success"}')).toBe(1)
  expect(sample('rag_atomic_operation_success_total')).toBe(1)
  expect(sample('graphql_subscriptions_active')).toBe(1)
  expect(
    sample('graphql_requests_total{operation="subscription interviewStatusChanged",outcome="success"}'),
  ).toBe(1)
  expect(sample('graphql_requests_total{operation="mutation requestAnalysis",outcome="success"}')).toBe(2)
  expect(sample('graphql_requests_total{operation="query viewer",outcome="success"}')).toBe(1)
  expect(sample('graphql_requests_total{operation="unknown",outcome="refused"}')).toBe(1)
  expect(sample('database_pool_connections{state="active"}')).toBeGreaterThanOrEqual(0)
  expect(text).toMatch(/loader_queries_total\{loader="\w+"\} [1-9]/)
  expect(text).not.toMatch(/hunter2|anna|@|[0-9a-f]{8}-[0-9a-f]{4}/i)
  followed.leave()
  await until(async () => (await scrape()).includes('graphql_subscriptions_active 0\n'), {
    what: 'it to end',
  })
})
