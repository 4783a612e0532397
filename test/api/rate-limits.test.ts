import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { ask, expectError } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { findRedisServer, type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import { connectSocket } from '../support/web-socket-client.ts'

let database: TestDatabase
let redis: RedisServer
beforeAll(async () => {
  database = await createTestDatabase()
  redis = await startRedisServer(await findRedisServer())
})
afterAll(async () => {
  await redis?.stop()
  await database?.drop()
})

const start = async (settings: Record<string, string>): Promise<TestGateway> => {
  const gateway = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings: { OPERATION_MAX_COST: '100', ...settings },
  })
  onTestFinished(() => gateway.close())
  return gateway
}
const CHEAP = { query: '{ __typename }' }
/** An operation of that cost. */
const costing = (cost: number) => ({ query: `{ viewer { analyses(first: ${cost - 2}) { nodes { id } } } }` })

test('a principal is served up to its limit, and told when to come again beyond it', async () => {
  const gateway = await start({ RATE_LIMIT_PRINCIPAL: '100' })
  const token = await tokenOf('spender')
  for (const cost of [60, 39, 1]) {
    const request = cost === 1 ? CHEAP : costing(cost)
    expect((await ask(gateway.url, request, { token })).errors, String(cost)).toBeUndefined()
  }
  for (const headers of [{}, { accept: 'application/graphql-response+json' }]) {
    const answer = await ask(gateway.url, CHEAP, { token, headers })
    const { extensions } = expectError(answer, 'RATE_LIMITED', /again/)
    expect(answer.status).toBe(429)
    expect(extensions.retryAfterMs).toBeGreaterThan(0)
    expect(extensions.retryAfterMs).toBeLessThanOrEqual(60_000)
    expect(answer.headers.get('retry-after')).toBe(String(Math.ceil(Number(extensions.retryAfterMs) / 1000)))
  }
  const another = await tokenOf('another')
  expect((await ask(gateway.url, CHEAP, { token: another })).errors).toBeUndefined()
})

test('what costs more than is left is refused, and what is left can still be spent', async () => {
  const gateway = await start({ RATE_LIMIT_PRINCIPAL: '100' })
  const token = await tokenOf('careful')
  expect((await ask(gateway.url, costing(90), { token })).errors).toBeUndefined()
  expectError(await ask(gateway.url, costing(11), { token }), 'RATE_LIMITED', /./)
  expect((await ask(gateway.url, costing(10), { token })).errors).toBeUndefined()
  expectError(await ask(gateway.url, CHEAP, { token }), 'RATE_LIMITED', /./)
})

test('an address pays for whoever it speaks for, and for what is refused', async () => {
  const gateway = await start({ RATE_LIMIT_ADDRESS: '100' })
  expect((await ask(gateway.url, costing(60), { token: await tokenOf('one') })).errors).toBeUndefined()
  expectError(await ask(gateway.url, { query: '{ nobody }' }), 'GRAPHQL_VALIDATION_FAILED', /nobody/)
  expect((await ask(gateway.url, costing(20), { token: await tokenOf('two') })).errors).toBeUndefined()
  for (const request of [CHEAP, { query: '{ nobody }' }]) {
    const answer = await ask(gateway.url, request, { token: await tokenOf('three') })
    expectError(answer, 'RATE_LIMITED', /./)
  }
  // Another address, as a proxy nearby tells it.
  const elsewhere = { 'x-forwarded-for': '203.0.113.7' }
  expect((await ask(gateway.url, CHEAP, { headers: elsewhere })).errors).toBeUndefined()
})

test('generations are limited by themselves, each of an operation counted, however they are answered', async () => {
  const gateway = await start({ RATE_LIMIT_GENERATIONS: '3' })
  const token = await tokenOf('generous')
  const field = (i: number) => `a${i}: requestAnalysis(input: { archetype: PEAK_PERFORMER }) { __typename }`
  const two = { query: `mutation { ...F } fragment F on Mutation { ${field(1)} ${field(2)} }` }
  expect((await ask(gateway.url, two, { token })).errors).toBeUndefined()
  expectError(await ask(gateway.url, two, { token }), 'RATE_LIMITED', /generations/)
  expect((await ask(gateway.url, { query: `mutation { ${field(1)} }` }, { token })).errors).toBeUndefined()
  expectError(
    await ask(gateway.url, { query: `mutation { ${field(1)} }` }, { token }),
    'RATE_LIMITED',
    /generations/,
  )
  expect((await ask(gateway.url, costing(50), { token })).errors).toBeUndefined()
  expect((await gateway.metrics.rateLimited.get()).values).toMatchObject([
    { labels: { scope: 'generations' }, value: 2 },
  ])
})

test('the limit holds over a socket, which stays open', async () => {
  const gateway = await start({ RATE_LIMIT_PRINCIPAL: '100' })
  const token = await tokenOf('talker')
  const socket = connectSocket(gateway.url, token)
  expect((await socket.ask(costing(100))).errors).toEqual([])
  const { results, errors } = await socket.ask(CHEAP)
  expect(results).toEqual([])
  expect(errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) } }])
  expect(errors[0]?.extensions).not.toHaveProperty('http')
  expect(socket.closed).toBe(0)
})

test('a limit below the cost of one operation stops the start', async () => {
  await expect(start({ RATE_LIMIT_PRINCIPAL: '99' })).rejects.toThrow(
    /RATE_LIMIT_PRINCIPAL: expected OPERATION_MAX_COST \(100\) or more/,
  )
})

describe('with Redis', () => {
  test('the limit is one for all instances, however many ask at once', async () => {
    const settings = { RATE_LIMIT_PRINCIPAL: '100', REDIS_URL: redis.url }
    const gateways = await Promise.all([start(settings), start(settings), start(settings)])
    const token = await tokenOf('everywhere')
    const answers = await Promise.all(
      Array.from({ length: 150 }, (_, i) => ask(gateways[i % 3]?.url ?? '', CHEAP, { token })),
    )
    const served = answers.filter(({ errors }) => !errors).length
    // What one instance has fetched and not spent is no other's; it is never more than the limit.
    expect(served).toBeLessThanOrEqual(100)
    expect(served).toBeGreaterThan(90)
    for (const answer of answers) if (answer.errors) expectError(answer, 'RATE_LIMITED', /./)
  })

  test('users and addresses are not told of to Redis', async () => {
    const gateway = await start({
      RATE_LIMIT_PRINCIPAL: '100',
      RATE_LIMIT_ADDRESS: '100',
      REDIS_URL: redis.url,
    })
    await ask(gateway.url, CHEAP, { token: await tokenOf('secretive') })
    const { Redis } = await import('ioredis')
    const client = new Redis(redis.url)
    onTestFinished(() => client.disconnect())
    const keys = await client.keys('tributary:rate:*')
    expect(keys.length).toBeGreaterThan(0)
    for (const key of keys) {
      expect(key).not.toMatch(/secretive|127\.0|::/)
      expect(await client.pttl(key)).toBeGreaterThan(0)
    }
  })

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'a Redis that is gone by %s costs nobody an answer; each instance then counts for itself',
    async signal => {
      const own = await startRedisServer(await findRedisServer())
      onTestFinished(() => own.stop())
      const gateway = await start({ RATE_LIMIT_PRINCIPAL: '100', REDIS_URL: own.url })
      const token = await tokenOf(`bereft-${signal}`)
      expect((await ask(gateway.url, costing(50), { token })).errors).toBeUndefined()
      own.kill(signal)
      const answers: Awaited<ReturnType<typeof ask>>[] = []
      await until(
        async () => {
          answers.push(await ask(gateway.url, costing(40), { token }))
          return answers.at(-1)?.errors !== undefined
        },
        { what: 'the limit of the instance itself' },
      )
      for (const answer of answers) if (answer.errors) expectError(answer, 'RATE_LIMITED', /./)
      // Two of 40 fit into the 100 of its own.
      expect(answers.length).toBeGreaterThanOrEqual(3)
      if (signal === 'SIGSTOP') own.kill('SIGCONT')
    },
  )
})
