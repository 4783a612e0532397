import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { GenerationContext, Generator } from '../../src/providers/generator.ts'
import { type PlanKind, planKinds } from '../../src/providers/plan.ts'
import {
  API_KEY,
  analysisInput,
  NOW,
  noPreferences,
  openAiScene,
  planInput,
  runContext,
} from '../support/fake-openai-scene.ts'
import { Gate } from '../support/gate.ts'
import { until } from '../support/until.ts'

/** Draws the same numbers for the same seed: mulberry32. */
function drawFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const generateEach = {
  ANALYSIS: (generator: Generator, context: GenerationContext) =>
    generator.generateAnalysis(analysisInput(), context),
  ROUTINE: (generator: Generator, context: GenerationContext) =>
    generator.generatePlan(planInput({ kind: 'ROUTINE' }), context),
  NUTRITION: (generator: Generator, context: GenerationContext) =>
    generator.generatePlan(planInput({ kind: 'NUTRITION' }), context),
  MENU: (generator: Generator, context: GenerationContext) =>
    generator.generatePlan(planInput({ kind: 'MENU', days: 3 }), context),
}
const kinds = Object.keys(generateEach) as (keyof typeof generateEach)[]

describe('an answer that satisfies the schema that was sent', () => {
  test.each([true, false])('is taken for an analysis, whatever else it is; streamed: %s', async streamed => {
    const { server, generator } = await openAiScene()
    server.onCall = call => call.answer({ streamed })
    await fc.assert(
      fc.asyncProperty(fc.integer(), async seed => {
        server.calls.length = 0
        server.draw = drawFrom(seed)
        const draft = await generator.generateAnalysis(analysisInput(), runContext())
        // The first answer is taken, not a correction of it.
        expect(server.calls).toHaveLength(1)
        expect(draft.insights.length).toBeGreaterThan(0)
        for (const { confidence } of draft.insights) expect(confidence >= 0 && confidence <= 1).toBe(true)
        assertStorable(draft)
      }),
      { numRuns: 40 },
    )
  })

  test.each(planKinds)('is taken for a %s, whatever else it is', async kind => {
    const { server, generator } = await openAiScene()
    const place = fc.record({
      seed: fc.integer(),
      streamed: fc.boolean(),
      days: fc.integer({ min: 1, max: kind === 'MENU' ? 14 : 1 }),
      mealTimes: fc.constantFrom<string[]>([], ['12:00'], ['07:00', '10:30', '13:00', '19:30']),
      snacksPerDay: fc.integer({ min: 0, max: 2 }),
    })
    await fc.assert(
      fc.asyncProperty(place, async ({ seed, streamed, days, mealTimes, snacksPerDay }) => {
        server.calls.length = 0
        server.draw = drawFrom(seed)
        server.onCall = call => call.answer({ streamed })
        const preferences = { ...noPreferences, mealTimes, snacksPerDay }
        const plan = await generator.generatePlan(planInput({ kind, days, preferences }), runContext())
        expect(server.calls).toHaveLength(1)
        assertStorable(plan)
        expect(plan.items.length).toBeGreaterThan(0)
        for (const { day, time } of plan.items) {
          expect(Number.isInteger(day) && day >= 1 && day <= days).toBe(true)
          expect(time ?? '00:00').toMatch(/^([01]\d|2[0-3]):[0-5]\d$/)
        }
        assertPlaces(kind, plan.items, { days, mealTimes, snacksPerDay })
      }),
      { numRuns: 40 },
    )
  })
})

/** PostgreSQL takes it as text and as jsonb. */
function assertStorable(draft: unknown): void {
  const text = JSON.stringify(draft)
  expect(text).not.toContain('\\u0000')
  expect(text).not.toMatch(/\\ud[89a-f]/)
}

function assertPlaces(
  kind: PlanKind,
  items: readonly { day: number; time: string | null }[],
  { days, mealTimes, snacksPerDay }: { days: number; mealTimes: string[]; snacksPerDay: number },
): void {
  const times = mealTimes.length > 0 ? mealTimes : ['08:00', '12:30', '18:30']
  const everyDay = [...times, ...Array.from({ length: snacksPerDay }, () => null)]
  const own = items.map(({ time }) => time)
  if (kind === 'ROUTINE') expect(own).toEqual(own.toSorted())
  if (kind === 'NUTRITION') expect(own.slice(1, 1 + everyDay.length)).toEqual(everyDay)
  if (kind === 'MENU') {
    for (let day = 1; day <= days; day++)
      expect(items.filter(item => item.day === day).map(({ time }) => time)).toEqual(everyDay)
  }
}

describe('an answer is read', () => {
  test.each([
    ['streamed', { streamed: true }],
    ['whole, though a stream was asked for', { streamed: false }],
    ['whole, under the content type of a stream', { streamed: false, contentType: 'text/event-stream' }],
    ['streamed, under the content type of JSON', { streamed: true, contentType: 'application/json' }],
    ['without a reason why it ended', { finishReason: null }],
    ['whole without one', { streamed: false, finishReason: null }],
    ['without a count of tokens', { usage: null }],
  ])('%s', async (_, answer) => {
    const { server, generator } = await openAiScene()
    server.script(call => call.answer(answer))
    const { insights } = await generator.generateAnalysis(analysisInput(), runContext())
    expect(insights.length).toBeGreaterThan(0)
    expect(server.calls[0]?.body.stream).toBe(true)
    expect(server.calls).toHaveLength(1)
  })

  test('out of a Markdown fence', async () => {
    const { server, generator } = await openAiScene()
    server.script(call => call.answer({ content: `\n\`\`\`json\n${call.sample()}\n\`\`\`\n` }))
    const { result } = await generator.generateAnalysis(analysisInput(), runContext())
    expect(result.metadata).toMatchObject({ repaired: false })
  })

  test.each<[string, (answer: string) => string]>([
    ['after what the model thinks', answer => `<think>\nFirst {"summary": "no"}\n</think>\n\n${answer}`],
    ['after thoughts whose beginning has no tag', answer => `Let me see.\n</think>${answer}`],
    ['after thoughts, in a fence', answer => `<think>Hm.</think>\n\`\`\`json\n${answer}\n\`\`\``],
  ])('%s', async (_, write) => {
    for (const streamed of [true, false]) {
      const { server, generator } = await openAiScene()
      server.script(call => call.answer({ content: write(call.sample()), streamed }))
      const { result } = await generator.generateAnalysis(analysisInput(), runContext())
      expect(result.metadata).toMatchObject({ repaired: false })
    }
  })

  test('that speaks of thoughts itself', async () => {
    const { server, generator } = await openAiScene()
    const activity = { hour: 7, minute: 0, title: 'Think', description: 'As in </think>.' }
    const content = JSON.stringify({ title: 'Day', summary: '<think>', activities: Array(4).fill(activity) })
    server.script(call => call.answer({ content }))
    const plan = await generator.generatePlan(planInput({ kind: 'ROUTINE' }), runContext())
    expect(plan).toMatchObject({
      summary: '<think>',
      items: Array(4).fill({ description: 'As in </think>.' }),
    })
  })

  test('in parts, of which some are no text', async () => {
    const { server, generator } = await openAiScene()
    const partsOf = (answer: string) => [
      { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }], text: 'Hm.' },
      { type: 'text', text: answer.slice(0, 20) },
      { text: answer.slice(20) },
    ]
    const choice = (told: object) => ({ choices: [{ index: 0, ...told }] })
    server.script(
      call => {
        const message = { role: 'assistant', content: partsOf(call.sample()) }
        call.raw(JSON.stringify(choice({ finish_reason: 'stop', message })), 'application/json')
      },
      call => {
        const pieces = partsOf(call.sample()).map(part => choice({ delta: { content: [part] } }))
        const events = [...pieces, choice({ delta: {}, finish_reason: 'stop' })]
        call.raw(events.map(event => `data: ${JSON.stringify(event)}\n\n`).join(''), 'text/event-stream')
      },
    )
    for (const _ of [1, 2]) {
      const { result } = await generator.generateAnalysis(analysisInput(), runContext())
      expect(result.metadata).toMatchObject({ repaired: false })
    }
    expect(server.calls).toHaveLength(2)
  })

  test('from a server that does not stream, and is not asked to again', async () => {
    const { server, generator } = await openAiScene()
    server.script(call =>
      call.status(400, { body: { error: { message: 'stream_options is not supported', code: null } } }),
    )
    await generator.generateAnalysis(analysisInput(), runContext())
    await generator.generateAnalysis(analysisInput(), runContext())
    expect(server.calls.map(({ body }) => body.stream ?? false)).toEqual([true, false, false])
  })
})

describe('a call of the provider', () => {
  test.each(kinds)(
    'asks for a strict JSON schema, and carries nothing of the user beside the prompt: %s',
    async kind => {
      const { server, generator } = await openAiScene()
      await generateEach[kind](generator, runContext())
      const [call] = server.calls
      expect(call?.path).toBe('/v1/chat/completions')
      expect(call?.headers.authorization).toBe(`Bearer ${API_KEY}`)
      expect(call?.body.model).toBe('test-model')
      expect(Object.keys(call?.body ?? {}).sort()).toEqual([
        'messages',
        'model',
        'response_format',
        'stream',
        'stream_options',
      ])
      expect(call?.body.response_format).toMatchObject({ type: 'json_schema', json_schema: { strict: true } })
      expect(call?.body.response_format.json_schema.name).toMatch(/^[a-z_]{1,64}$/)
      expect(call?.body.messages.map(({ role }) => role)).toEqual(['system', 'user'])
    },
  )

  test('has no authorization where no key is set', async () => {
    const { server, generator } = await openAiScene({ apiKey: undefined })
    await generator.generateAnalysis(analysisInput(), runContext())
    expect(server.calls[0]?.headers).not.toHaveProperty('authorization')
  })
})

describe('what a generation tells', () => {
  test('progress moves with the answer and is whole only at its end', async () => {
    const { server, generator } = await openAiScene()
    const gate = new Gate()
    const context = runContext()
    server.script(call => call.drip(gate, { content: JSON.stringify(longAnswer) }))
    const generation = generator.generateAnalysis(analysisInput(), context)
    await gate.arrived(1)
    await until(() => (context.progress.at(-1) ?? 0) > 0.5, { what: 'progress' })
    gate.open()
    await generation
    const { progress } = context
    expect(progress).toEqual(progress.toSorted((a, b) => a - b))
    expect(new Set(progress.filter(fraction => fraction > 0 && fraction < 0.9)).size).toBeGreaterThan(5)
    expect(progress.indexOf(1)).toBe(progress.length - 1)
  })

  test('tokens are counted by kind and direction, those of a correction too', async () => {
    const { server, generator, tokens, repairs } = await openAiScene()
    server.script(
      call => call.answer({ content: 'no', usage: { prompt_tokens: 10, completion_tokens: 1 } }),
      call => call.answer({ streamed: false, usage: { prompt_tokens: 12, completion_tokens: 5 } }),
    )
    const { result } = await generator.generateAnalysis(analysisInput(), runContext())
    await generator.generatePlan(planInput({ kind: 'MENU' }), runContext())
    expect(tokens).toEqual([
      'BEHAVIOR_ANALYSIS input 10',
      'BEHAVIOR_ANALYSIS output 1',
      'BEHAVIOR_ANALYSIS input 12',
      'BEHAVIOR_ANALYSIS output 5',
      'MENU_PLAN input 100',
      'MENU_PLAN output 40',
    ])
    expect(repairs).toEqual(['BEHAVIOR_ANALYSIS'])
    expect(result.metadata).toEqual({
      engine: 'openai',
      model: 'test-model',
      template: 'analysis.v1',
      repaired: true,
      tokens: { input: 22, output: 6 },
    })
  })

  test.each([
    ['ROUTINE', 'routine.v1'],
    ['NUTRITION', 'nutrition.v1'],
    ['MENU', 'menu.v1'],
  ] as const)('a %s plan names its engine, model and template', async (kind, template) => {
    const { server, generator } = await openAiScene()
    server.script(call => call.answer({ usage: null }))
    const { metadata } = await generator.generatePlan(planInput({ kind }), runContext())
    expect(metadata).toMatchObject({
      engine: 'openai',
      model: 'test-model',
      template,
      repaired: false,
      tokens: null,
    })
  })

  test('the result of an analysis holds what the next one and its readers need', async () => {
    const { server, generator } = await openAiScene()
    server.script(call => call.answer({ content: JSON.stringify(longAnswer) }))
    const { summary, result } = await generator.generateAnalysis(analysisInput(), runContext())
    expect(result).toMatchObject({
      engine: 'openai',
      version: 1,
      archetype: 'PEAK_PERFORMER',
      mode: 'INITIAL',
      window: { to: NOW.toISOString(), days: 7 },
      dataPointCount: 7,
      summary,
      metrics: { sleep_hours: { unit: 'h', points: 7, median: 7.3 } },
      nextSteps: longAnswer.nextSteps,
    })
  })
})

/** Longer than an analysis is expected to be. */
const longAnswer = {
  summary: 'You sleep well. '.repeat(400),
  overallConfidence: 0.5,
  patterns: [],
  insights: [{ kind: 'TREND', title: 'Sleep', body: 'It is fine.', confidence: 0.5 }],
  nextSteps: ['Go on.'],
}
