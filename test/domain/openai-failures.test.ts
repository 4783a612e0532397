import { describe, expect, test } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import type { FailureReason } from '../../src/providers/openai/provider-failure.ts'
import { API_KEY, analysisInput, failureOf, openAiScene, runContext } from '../support/fake-openai-scene.ts'
import type { FakeOpenAiBehaviour } from '../support/fake-openai-server.ts'
import { until } from '../support/until.ts'

const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`
const MEGABYTE = 1024 * 1024
const CONTENT_OF_64_KB = event({ choices: [{ delta: { content: 'x'.repeat(65_000) } }] })

/** What a provider sends that is no answer; each is asked for once, and once more for a correction where that may help. */
const failures: [
  what: string,
  behaviour: FakeOpenAiBehaviour,
  reason: FailureReason,
  retryable: boolean,
  calls: number,
][] = [
  ['garbage', call => call.raw('<html>Bad gateway</html>', 'text/html'), 'unusable', true, 1],
  [
    'garbage in place of events',
    call => call.raw('data: {nonsense\n\n', 'text/event-stream'),
    'unusable',
    true,
    1,
  ],
  ['nothing', call => call.raw('', 'application/json'), 'unusable', true, 1],
  ['blanks', call => call.raw(' '.repeat(100_000), 'application/json'), 'unusable', true, 1],
  ['some other JSON', call => call.raw('{"answer": 42}', 'application/json'), 'unusable', true, 1],
  ['no choice', call => call.raw('{"choices": []}', 'application/json'), 'unusable', true, 1],
  [
    'half a JSON',
    call => call.raw('{"choices": [{"message": {"con', 'application/json'),
    'unusable',
    true,
    1,
  ],
  ['half a stream', call => call.stopHalfway(), 'unfinished', true, 1],
  [
    '200 with an error body',
    call => call.raw('{"error": {"message": "overloaded"}}', 'application/json'),
    'reported',
    true,
    1,
  ],
  [
    'an error amid a stream',
    call => call.raw(event({ error: { message: 'overloaded' } }), 'text/event-stream'),
    'reported',
    true,
    1,
  ],
  [
    '200 with the error of bad credentials',
    call => call.raw('{"error": {"code": 401}}', 'application/json'),
    'unauthorized',
    false,
    1,
  ],
  ['an answer that is no JSON', call => call.answer({ content: 'Sure! Here you are.' }), 'invalid', true, 2],
  ['half a JSON as the answer', call => call.answer({ content: '{"summary": "You sl' }), 'invalid', true, 2],
  ['an answer of another form', call => call.answer({ content: '{"summary": 7}' }), 'invalid', true, 2],
  [
    'an answer cut off at its length',
    call => call.answer({ content: '{"summary": "You', finishReason: 'length' }),
    'truncated',
    false,
    1,
  ],
  [
    'a filtered answer',
    call => call.answer({ content: '', finishReason: 'content_filter' }),
    'filtered',
    false,
    1,
  ],
  [
    'a refusal',
    call => call.answer({ content: '', refusal: 'I cannot help with that.' }),
    'declined',
    false,
    1,
  ],
  [
    'an unstreamed refusal',
    call => call.answer({ streamed: false, refusal: 'I cannot.' }),
    'declined',
    false,
    1,
  ],
  ['an empty answer', call => call.answer({ content: '  ' }), 'empty', true, 1],
  [
    'a redirect',
    call => call.status(307, { headers: { location: 'http://127.0.0.1:9/v1' } }),
    'redirected',
    false,
    1,
  ],
]

describe('a provider that sends', () => {
  test.each(failures)(
    '%s fails the generation with a typed error',
    async (_, behaviour, reason, retryable, calls) => {
      const { server, generator } = await openAiScene()
      server.onCall = behaviour
      const context = runContext()
      const failure = await failureOf(generator.generateAnalysis(analysisInput(), context))
      expect(failure).toBeInstanceOf(GenerationError)
      expect(failure).toMatchObject({ name: 'GenerationError', reason, retryable })
      expect(failure.message).toMatch(/^The [a-z ,]+\.$/i)
      expect(server.calls).toHaveLength(calls)
      expect(context.progress).not.toContain(1)
    },
  )

  const tenMegabytes: [what: string, behaviour: FakeOpenAiBehaviour][] = [
    [
      'whole',
      call =>
        call.flood('{"choices": [{"message": {"content": "', 'x'.repeat(65_536), {
          bytes: 10 * MEGABYTE,
          contentType: 'application/json',
        }),
    ],
    [
      'whole, in lines',
      call =>
        call.flood('{', `${' '.repeat(65_000)}\n`, { bytes: 10 * MEGABYTE, contentType: 'application/json' }),
    ],
    [
      'streamed',
      call => call.flood('', CONTENT_OF_64_KB, { bytes: 10 * MEGABYTE, contentType: 'text/event-stream' }),
    ],
    [
      'in one line of a stream',
      call =>
        call.flood('data: ', 'x'.repeat(65_536), { bytes: 10 * MEGABYTE, contentType: 'text/event-stream' }),
    ],
  ]
  test.each(tenMegabytes)('10 MB %s is cut off, and the connection with it', async (_, behaviour) => {
    const { server, generator } = await openAiScene()
    server.onCall = behaviour
    const failure = await failureOf(generator.generateAnalysis(analysisInput(), runContext()))
    expect(failure).toMatchObject({ reason: 'oversized', retryable: true })
    const [call] = server.calls
    await until(() => call?.hungUp === true, { what: 'the end of the connection' })
    // What the sockets buffer between the two comes on top of the 2 MB.
    expect(call?.bytesSent).toBeLessThan(9 * MEGABYTE)
    expect(server.calls).toHaveLength(1)
  })

  test('small events without end is cut off', async () => {
    const { server, generator } = await openAiScene({ limits: { streamBytes: MEGABYTE } })
    server.onCall = call =>
      call.flood('', ': waiting\n\n'.repeat(5000), { bytes: 10 * MEGABYTE, contentType: 'text/event-stream' })
    const failure = await failureOf(generator.generateAnalysis(analysisInput(), runContext()))
    expect(failure.reason).toBe('oversized')
    await until(() => server.calls[0]?.hungUp === true, { what: 'the end of the connection' })
  })

  test.each<[number, FailureReason, boolean]>([
    [400, 'rejected', false],
    [401, 'unauthorized', false],
    [503, 'down', true],
  ])('an error whose body never ends is the error of its status, %i', async (status, reason, retryable) => {
    const { server, generator } = await openAiScene({ limits: { errorBodyMs: 20 }, policy: { tries: 1 } })
    server.onCall = call => call.begin('{"error": {"mess', { status, contentType: 'application/json' })
    const failure = await failureOf(generator.generateAnalysis(analysisInput(), runContext()))
    expect(failure).toMatchObject({ reason, retryable, details: { status } })
    expect(server.calls).toHaveLength(1)
    await until(() => server.openConnections === 0, { what: 'the end of the connection' })
  })

  test('what has come of an error that never ends is read', async () => {
    const { server, generator } = await openAiScene({ limits: { errorBodyMs: 500 } })
    server.script(call =>
      call.begin('{"error": {"message": "stream is not supported"}}', {
        status: 400,
        contentType: 'application/json',
      }),
    )
    await generator.generateAnalysis(analysisInput(), runContext())
    expect(server.calls.map(({ body }) => body.stream ?? false)).toEqual([true, false])
  })

  test('an error of 10 MB is not read to its end', async () => {
    const { server, generator } = await openAiScene()
    server.onCall = call =>
      call.flood('{"error": "', 'x'.repeat(65_536), {
        bytes: 10 * MEGABYTE,
        status: 400,
        contentType: 'application/json',
      })
    const failure = await failureOf(generator.generateAnalysis(analysisInput(), runContext()))
    expect(failure.reason).toBe('rejected')
    const [call] = server.calls
    await until(() => call?.hungUp === true, { what: 'the end of the connection' })
    expect(call?.bytesSent).toBeLessThan(9 * MEGABYTE)
  })
})

describe('an invalid answer', () => {
  test('goes back to the model with its faults, once, and its correction is taken', async () => {
    const { server, generator } = await openAiScene()
    const invalid =
      '{"summary": "You sleep well.", "overallConfidence": 7, "patterns": [], "nextSteps": ["Go on."]}'
    server.script(call => call.answer({ content: invalid }))
    const { result } = await generator.generateAnalysis(analysisInput(), runContext())
    const [first, second] = server.calls
    expect(server.calls).toHaveLength(2)
    expect(second?.body.messages.slice(0, 2)).toEqual(first?.body.messages)
    expect(second?.body.messages.slice(2).map(({ role }) => role)).toEqual(['assistant', 'user'])
    expect(second?.body.messages[2]?.content).toBe(invalid)
    const told = second?.body.messages[3]?.content
    expect(told).toContain('overallConfidence')
    expect(told).toContain('insights')
    expect(told).not.toContain('nextSteps')
    expect(second?.body.response_format).toEqual(first?.body.response_format)
    expect(result.metadata).toMatchObject({ repaired: true })
  })

  test('is shown to the model only in part when it is long', async () => {
    const { server, generator } = await openAiScene()
    server.script(call => call.answer({ streamed: false, content: 'x'.repeat(1_000_000) }))
    await generator.generateAnalysis(analysisInput(), runContext())
    expect(server.calls[1]?.body.messages[2]?.content.length).toBe(40_000)
  })
})

describe('neither errors nor logs', () => {
  const echoing: [what: string, behaviour: FakeOpenAiBehaviour][] = [
    [
      'an error',
      call =>
        call.status(401, {
          body: { error: { message: `${API_KEY} ${call.prompt}`, code: API_KEY, type: call.prompt } },
          headers: { 'x-request-id': `${call.prompt.slice(0, 60).replaceAll('\n', ' ')}` },
        }),
    ],
    [
      'an error body',
      call =>
        call.raw(JSON.stringify({ error: { message: `${API_KEY} ${call.prompt}` } }), 'application/json'),
    ],
    [
      'an error that is no JSON',
      call =>
        call.flood(`${API_KEY} ${call.prompt}`, ' ', { bytes: 1, status: 400, contentType: 'text/plain' }),
    ],
    ['garbage', call => call.raw(`${API_KEY} ${call.prompt}`, 'text/plain')],
    ['an invalid answer', call => call.answer({ content: `${API_KEY} ${call.prompt}` })],
    ['a refusal', call => call.answer({ content: '', refusal: `${API_KEY} ${call.prompt}` })],
  ]
  test.each(echoing)(
    'hold the key or the prompt when the provider repeats them in %s',
    async (_, behaviour) => {
      const { server, generator, logged } = await openAiScene()
      server.onCall = behaviour
      const failure = await failureOf(generator.generateAnalysis(analysisInput(), runContext()))
      const told = [
        logged(),
        failure.message,
        failure.stack,
        JSON.stringify(failure),
        String(failure.cause),
      ].join('\n')
      expect(logged()).toContain(
        failure.reason === 'invalid' || failure.reason === 'declined' ? 'kind' : 'failed',
      )
      expect(told).not.toContain(API_KEY)
      expect(told).not.toContain('behavior analyst')
      expect(told).not.toContain('sleep_hours')
    },
  )
})
