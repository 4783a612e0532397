import { expect, onTestFinished, test, vi } from 'vitest'
import { type Collector, startCollector } from '../support/fake-collector.ts'
import { startFakeOpenAi } from '../support/fake-openai-server.ts'
import { dataPoints, post, RECORD_DATA_POINTS, REQUEST_ANALYSIS } from '../support/graphql-client.ts'
import { type MainProcess, makeTemporaryFolder, startMain } from '../support/main-process.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { TEST_KEY, TEST_SECRET, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

/** Each starts processes. */
vi.setConfig({ testTimeout: 150_000 })

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const READ = '2bf7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'

async function start(settings: Record<string, string>): Promise<MainProcess> {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const gateway = await startMain({
    DATABASE_URL: database.url,
    DATA_DIR: await makeTemporaryFolder(),
    JWT_SECRET: TEST_SECRET,
    ENCRYPTION_KEY: TEST_KEY,
    ACCOUNT_SYNC_MINUTES: '0',
    ...settings,
  })
  await gateway.ready()
  return gateway
}

/** From the innermost out, the names of a span and those that it is a part of, up to whoever asked. */
function chain(collector: Collector, traceId: string, name: string): string[] {
  const byId = new Map(collector.spans.map(span => [span.spanId, span]))
  const names: string[] = []
  for (let span = byId.get(collector.spanOf(traceId, name).spanId); span; ) {
    names.push(span.name)
    const parent = byId.get(span.parentSpanId ?? '')
    if (!parent) names.push(span.parentSpanId === CALLER ? 'the caller' : 'nobody')
    span = parent
  }
  return names
}

test('a request is one trace, from the caller through HTTP, resolvers, loaders, statements and the provider, without what was said', async () => {
  const collector = await startCollector()
  const provider = await startFakeOpenAi()
  const gateway = await start({
    GENERATOR: 'openai',
    OPENAI_BASE_URL: provider.url,
    OPENAI_MODEL: 'test-model',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-team=coaching%20team',
    OTEL_SERVICE_NAME: 'coach',
  })
  const token = await tokenOf('anna')
  const headers = { traceparent: `00-${TRACE}-${CALLER}-01`, 'x-request-id': 'my-request' }
  const points = dataPoints(3, 'very_private_metric')
  const recorded = await post(gateway.url, { query: RECORD_DATA_POINTS, variables: { points }, token })
  expect(recorded.errors).toBeUndefined()
  const input = { archetype: 'FOUNDATION_BUILDER' }
  const { data, headers: answered } = await post<{ requestAnalysis: { analysis: { id: string } } }>(
    gateway.url,
    {
      query: REQUEST_ANALYSIS,
      variables: { input },
      token,
      headers,
    },
  )
  expect(answered.get('x-request-id')).toBe('my-request')
  const id = data?.requestAnalysis.analysis.id
  await post(gateway.url, {
    query: 'query($id: ID!) { node(id: $id) { ... on Analysis { summary insights { title } } } }',
    variables: { id },
    token,
    headers: { traceparent: `00-${READ}-${CALLER}-01` },
  })
  // Told elsewhere that it is not to be collected.
  const unwanted = '1af7651916cd43dd8448eb211c80319c'
  await post(gateway.url, {
    query: '{ viewer { id } }',
    token,
    headers: { traceparent: `00-${unwanted}-${CALLER}-00` },
  })
  // A field that fails, and one that the gateway begins the trace of.
  await post(gateway.url, { query: '{ node(id: "nonsense") { id } }', token })
  gateway.kill('SIGTERM')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })

  const request = ['mutation requestAnalysis', 'POST /graphql', 'the caller']
  const run = ['run BEHAVIOR_ANALYSIS', 'Mutation.requestAnalysis', ...request]
  expect(chain(collector, TRACE, 'Mutation.requestAnalysis').slice(1)).toEqual(request)
  expect(chain(collector, TRACE, 'POST chat/completions').slice(1)).toEqual([
    'generate BEHAVIOR_ANALYSIS',
    ...run,
  ])
  const inRun = collector.spans
    .filter(span => span.parentSpanId === collector.spanOf(TRACE, 'run BEHAVIOR_ANALYSIS').spanId)
    .map(({ name }) => name)
  expect(inRun).toEqual(
    expect.arrayContaining([expect.stringMatching(/^transaction /), expect.stringMatching(/^SQL /)]),
  )
  const transaction = collector.spans.find(
    span => span.name.startsWith('transaction ') && span.traceId === TRACE,
  )
  const statements = collector.spans.filter(span => span.parentSpanId === transaction?.spanId)
  expect(statements.length).toBeGreaterThan(1)
  for (const { name, kind, attributes } of statements) {
    expect(name).toMatch(/^SQL [a-z-]+$/)
    expect(kind).toBe(3)
    expect(attributes).toEqual({ 'db.system.name': 'postgresql', 'db.query.summary': name.slice(4) })
  }
  const loader = chain(collector, READ, 'load insightsByAnalysis')
  expect(loader.slice(-3)).toEqual(['query node', 'POST /graphql', 'the caller'])
  expect(
    collector.spans.some(
      span => span.parentSpanId === collector.spanOf(READ, 'load insightsByAnalysis').spanId,
    ),
  ).toBe(true)
  expect(collector.spanOf(TRACE, 'POST /graphql')).toMatchObject({
    kind: 2,
    attributes: {
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'tributary.request_id': 'my-request',
    },
  })
  expect(collector.spans.filter(({ traceId }) => traceId === unwanted)).toEqual([])
  const failing = collector.spans.find(span => span.name === 'Query.node' && span.failed)
  expect(failing?.attributes['error.type']).toBe('GraphQLError')
  expect(chain(collector, failing?.traceId ?? '', 'Query.node').at(-1)).toBe('nobody')

  expect(collector.headers[0]?.['x-team']).toBe('coaching team')
  const sent = collector.bodies.join()
  expect(sent).toContain('"coach"')
  for (const secret of [
    'very_private_metric',
    'anna',
    token,
    provider.calls[0]?.prompt.slice(0, 40),
    'nonsense',
    TEST_SECRET,
  ])
    expect(sent).not.toContain(secret)
})

test('a sampling of 0 collects what others have begun, and nothing else', async () => {
  const collector = await startCollector()
  const gateway = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER_ARG: '0' })
  const query = '{ viewer { id } }'
  await post(gateway.url, { query })
  await post(gateway.url, { query, headers: { traceparent: `00-${TRACE}-${CALLER}-01` } })
  await until(() => collector.spans.length > 0, { what: 'spans to be collected' })
  gateway.kill('SIGTERM')
  await gateway.gone
  expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]))
})

test('a collector that is away holds up no answer and no end', async () => {
  const gateway = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  expect((await post(gateway.url, { query: '{ viewer { id } }' })).data).toEqual({ viewer: null })
  gateway.kill('SIGTERM')
  await gateway.gone
  expect(gateway.end).toEqual({ code: 0, signal: null })
})

test('without a collector nothing of OpenTelemetry is loaded', async () => {
  const tell = `import { registerHooks } from 'node:module'
    registerHooks({ load(url, context, next) { if (/@opentelemetry.(sdk|core|otlp|exporter|resources)|open-telemetry/.test(url)) process._rawDebug('loaded ' + url); return next(url, context) } })`
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(tell)}`
  const loads = (output: string) => output.includes('loaded ')
  expect(loads((await start({ NODE_OPTIONS })).output)).toBe(false)
  // What is looked for is there when it is loaded.
  const traced = await start({ NODE_OPTIONS, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  expect(loads(traced.output)).toBe(true)
})
