import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { ask, expectError } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { findRedisServer, type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import { connectSocket, openRawSocket } from '../support/web-socket-client.ts'

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
  const gateway = await start({ RATE_LIMIT_ADDRESS: '100', TRUSTED_PROXIES: 'loopback' })
  expect((await ask(gateway.url, costing(60), { token: await tokenOf('one') })).errors).toBeUndefined()
  expectError(await ask(gateway.url, { query: '{ nobody }' }), 'GRAPHQL_VALIDATION_FAILED', /nobody/)
  expect((await ask(gateway.url, costing(20), { token: await tokenOf('two') })).errors).toBeUndefined()
  for (const request of [CHEAP, { query: '{ nobody }' }]) {
    const answer = await ask(gateway.url, request, { token: await tokenOf('three') })
    expectError(answer, 'RATE_LIMITED', /./)
  }
  // Another address, as a proxy that is trusted tells it.
  const elsewhere = { 'x-forwarded-for': '203.0.113.7' }
  expect((await ask(gateway.url, CHEAP, { headers: elsewhere })).errors).toBeUndefined()
})

describe('what is refused before anything of GraphQL is looked at', () => {
  const json = { 'content-type': 'application/json' }
  const post = (body: string, headers: Record<string, string> = json) => ({ method: 'POST', headers, body })
  const REFUSED: [string, number, { method?: string; headers?: Record<string, string>; body?: string }][] = [
    ['a batch', 400, post('[{"query":"{ __typename }"}]')],
    ['broken JSON', 400, post('{"query":')],
    ['nothing', 400, post('')],
    ['null', 400, post('null')],
    ['a form', 415, post('query={__typename}', { 'content-type': 'application/x-www-form-urlencoded' })],
    ['a body that is too large', 413, post(JSON.stringify({ query: `{ __typename } #${'x'.repeat(2000)}` }))],
    ['another method', 405, { ...post('{"query":"{ __typename }"}'), method: 'PUT' }],
    [
      'a host that is none',
      400,
      { ...post('{"query":"{ __typename }"}'), headers: { ...json, host: 'a b' } },
    ],
  ]
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway({
      databaseUrl: database.url,
      generator: new FakeGenerator(),
      settings: {
        OPERATION_MAX_COST: '100',
        RATE_LIMIT_ADDRESS: '100',
        MAX_BODY_BYTES: '1024',
        TRUSTED_PROXIES: 'loopback',
      },
    })
  })
  afterAll(() => gateway?.close())

  let addresses = 0
  /** As a trusted proxy tells it: nobody's before. */
  const newAddress = () => ({ 'x-forwarded-for': `198.51.100.${addresses++}` })
  /** By node:http, which sends a host that is none too. */
  function send(path: string, { method = 'POST', headers = {}, body }: (typeof REFUSED)[number][2]) {
    return new Promise<{ status: number | undefined; retryAfter: string | undefined; text: string }>(
      (resolve, reject) => {
        const request = httpRequest(`${gateway.url}${path}`, { method, headers, agent: false })
        request.once('error', reject)
        request.once('response', async response => {
          let text = ''
          for await (const chunk of response) text += chunk
          resolve({ status: response.statusCode, retryAfter: response.headers['retry-after'], text })
        })
        request.end(body)
      },
    )
  }

  // An address with a question mark takes the full transport.
  test.each(
    REFUSED.flatMap(([what, status, sent]) =>
      ['/graphql', '/graphql?'].map(path => [what, path, status, sent] as const),
    ),
  )(
    '%s to %s costs its address, and is not looked at once that has nothing left',
    async (_what, path, status, sent) => {
      const address = newAddress()
      const again = { ...sent, headers: { ...sent.headers, ...address } }
      for (let i = 0; i < 5; i++) expect(await send(path, again)).toMatchObject({ status })
      for (const request of [again, { headers: { ...json, ...address }, body: JSON.stringify(CHEAP) }]) {
        const { status, retryAfter, text } = await send(path, request)
        expect({ status, text }).toMatchObject({ status: 429, text: expect.stringContaining('RATE_LIMITED') })
        expect(retryAfter).toBe(String(Math.ceil(JSON.parse(text).errors[0].extensions.retryAfterMs / 1000)))
      }
      expect(await send(path, { ...sent, headers: { ...sent.headers, ...newAddress() } })).toMatchObject({
        status,
      })
    },
  )

  test('variables by GET that are no JSON cost their address too', async () => {
    const headers = newAddress()
    const ask = () => send('/graphql?query={__typename}&variables={', { method: 'GET', headers })
    for (let i = 0; i < 5; i++) expect((await ask()).status).toBe(400)
    expect((await ask()).status).toBe(429)
  })

  test('of an address with nothing left, a long body is not even waited for', async () => {
    const headers = { ...json, ...newAddress() }
    expect((await ask(gateway.url, costing(100), { headers })).errors).toBeUndefined()
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${gateway.url}/graphql`, { method: 'POST', headers, agent: false })
      request.once('error', reject)
      request.once('response', response => {
        resolve(response.statusCode)
        request.destroy()
      })
      // In chunks, of which no more come.
      request.write('{"query":')
    })
    expect(status).toBe(429)
  })

  test('messages of a socket that are none cost its address too', async () => {
    const headers = newAddress()
    for (let i = 0; i < 5; i++) {
      const socket = await openRawSocket(gateway.url, { headers })
      socket.send('{')
      await until(() => socket.closed !== undefined, { what: 'the close' })
    }
    expectError(await ask(gateway.url, CHEAP, { headers }), 'RATE_LIMITED', /./)
  })

  test('is counted as refused, once each', async () => {
    const counts = async () => {
      const { graphqlRefused, rateLimited } = gateway.metrics
      const [refused, limited] = [(await graphqlRefused.get()).values, (await rateLimited.get()).values]
      return [
        refused.find(({ labels }) => labels.code === 'PAYLOAD_TOO_LARGE')?.value ?? 0,
        limited.find(({ labels }) => labels.scope === 'address')?.value ?? 0,
      ]
    }
    const [large = 0, limited = 0] = await counts()
    const address = newAddress()
    for (let i = 0; i < 7; i++) await send('/graphql', post('x'.repeat(2000), { ...json, ...address }))
    expect(await counts()).toEqual([large + 5, limited + 2])
  })

  test('an address that has less left than a refusal costs has nothing left then', async () => {
    const address = newAddress()
    expect((await ask(gateway.url, costing(95), { headers: address })).errors).toBeUndefined()
    expect((await ask(gateway.url, '{', { headers: address })).status).toBe(400)
    expectError(await ask(gateway.url, CHEAP, { headers: address }), 'RATE_LIMITED', /./)
  })

  test('an event stream that is refused says when to try again, in its head too', async () => {
    const headers = { ...json, ...newAddress(), accept: 'text/event-stream' }
    const codes: string[] = []
    for (const body of [...Array<string>(6).fill('{'), JSON.stringify(CHEAP)]) {
      const response = await fetch(`${gateway.url}/graphql`, { method: 'POST', headers, body })
      expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
      const [, data = ''] = /^data: (.+)$/m.exec(await response.text()) ?? []
      const { code, retryAfterMs } = JSON.parse(data).errors[0].extensions
      codes.push(code)
      expect(response.headers.get('retry-after')).toBe(
        code === 'RATE_LIMITED' ? String(Math.ceil(retryAfterMs / 1000)) : null,
      )
    }
    expect(codes).toEqual([...Array<string>(5).fill('BAD_USER_INPUT'), 'RATE_LIMITED', 'RATE_LIMITED'])
  })
})
test.each([
  ['nobody is trusted', {}, 1],
  ['the proxy is trusted', { TRUSTED_PROXIES: 'loopback' }, 2],
])(
  'where %s, over HTTP and sockets alike, so many clients are counted: %j %i',
  async (_what, setting, clients) => {
    const gateway = await start({ RATE_LIMIT_ADDRESS: '100', ...setting })
    const asks = async (from: string) => {
      const headers = { 'x-forwarded-for': from }
      const { errors } = await ask(gateway.url, costing(100), { token: await tokenOf('walker'), headers })
      const overSocket = await connectSocket(gateway.url, await tokenOf('walker'), headers).ask(CHEAP)
      return [errors?.[0]?.extensions.code, overSocket.errors[0]?.extensions.code]
    }
    expect(await asks('203.0.113.7')).toEqual([undefined, 'RATE_LIMITED'])
    const second = clients === 1 ? 'RATE_LIMITED' : undefined
    // What it writes of itself before the proxy adds what it saw is no matter.
    expect(await asks('192.0.2.1, 198.51.100.4')).toEqual([second, 'RATE_LIMITED'])
  },
)

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
