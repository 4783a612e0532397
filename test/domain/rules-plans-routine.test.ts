import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDemoDataPoints } from '../../prisma/demo-data.ts'
import type { GeneratorDataPoint } from '../../src/providers/generator.ts'
import type { PlanDraft, PlanInput } from '../../src/providers/plan.ts'
import type { Side } from '../../src/providers/rules/findings.ts'
import { createRulesGenerator } from '../../src/providers/rules/rules-generator.ts'
import { type Archetype, archetypes } from '../../src/shared/archetype.ts'
import type { JsonValue } from '../../src/shared/json.ts'
import { makePlan, planInput } from '../support/plan-preferences.ts'

const firstDay = Date.UTC(2026, 2, 20)
const dayMs = 86_400_000

/** One point on each of so many days, at a time of day in hours. */
function daily(metric: string, value: number, hour: number | ((day: number) => number), days = 10) {
  return Array.from({ length: days }, (_, day): GeneratorDataPoint => {
    const hours = typeof hour === 'number' ? hour : hour(day)
    const recordedAt = new Date(firstDay + day * dayMs + Math.round(hours * 3_600_000))
    return { metric, value, unit: null, recordedAt }
  })
}

/** As the rules engine writes it, with nothing but what a plan reads. */
function analysed(
  findings: [metric: string, finding: string, side?: Side | null][],
  nextSteps: string[] = [],
): PlanInput['analysis'] {
  const focus = findings.map(([metric, finding, side = 'below']) => ({
    metric,
    finding,
    kind: 'RISK',
    judgement: 'bad',
    side,
    weight: 0.8,
    confidence: 0.7,
  }))
  return stored({ engine: 'rules', version: 1, focus, nextSteps })
}

const stored = (result: JsonValue) => ({ summary: '', result, createdAt: new Date(firstDay) })
const routine = (
  rest: Partial<Omit<PlanInput, 'kind' | 'preferences'>> = {},
  preferences: Partial<PlanInput['preferences']> = {},
) => makePlan(planInput('ROUTINE', preferences, rest))
const timeOf = ({ items }: PlanDraft, title: RegExp) =>
  items.find(item => title.test(item.title))?.time ?? null
const minutes = (time: string | null) => {
  const [hours = Number.NaN, rest = Number.NaN] = (time ?? '').split(':').map(Number)
  return hours * 60 + rest
}
/** From one time on round the clock. */
const from = (start: string | null, end: string | null) => (minutes(end) - minutes(start) + 1_440) % 1_440
const lengthOf = (description: string) => Number(/^(\d+) minutes\./.exec(description)?.[1] ?? 5)

function expectADay({ items }: PlanDraft): void {
  expect(items.every(({ day }) => day === 1)).toBe(true)
  expect(items[0]?.title).toBe('Wake up')
  expect(items.slice(-2).map(({ title }) => title)).toEqual(['Wind-down', 'Lights out'])
  const wake = items[0]?.time ?? null
  for (const [i, item] of items.entries()) {
    const next = items[i + 1]
    if (!next) continue
    // In the order of the day that begins with waking, each over before the next begins.
    expect([item.title, next.title, from(wake, item.time) < from(wake, next.time)]).toEqual([
      item.title,
      next.title,
      true,
    ])
    expect([item.title, from(wake, item.time) + lengthOf(item.description) <= from(wake, next.time)]).toEqual(
      [item.title, true],
    )
  }
}

describe('a routine', () => {
  it('is a day in order without overlaps, whatever was recorded, found and preferred', {
    timeout: 30_000,
  }, async () => {
    const clock = fc.integer({ min: 0, max: 287 }).map(five => {
      return `${String(Math.floor(five / 12)).padStart(2, '0')}:${String((five % 12) * 5).padStart(2, '0')}`
    })
    const hour = fc.double({ min: 0.01, max: 23.9, noNaN: true })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...archetypes),
        fc.uniqueArray(clock, { maxLength: 5 }),
        fc.record({ wake: fc.option(hour), slept: fc.double({ min: 3, max: 12, noNaN: true }) }),
        fc.record({ coding: fc.option(hour), active: fc.option(hour) }),
        fc.subarray([
          'sleep_hours',
          'steps',
          'active_minutes',
          'resting_heart_rate',
          'mood',
          'coding_seconds',
        ]),
        async (archetype, mealTimes, { wake, slept }, { coding, active }, bad) => {
          const points = [
            ...(wake === null ? [] : daily('sleep_hours', slept, wake)),
            ...(coding === null ? [] : daily('coding_seconds', 9_000, coding)),
            ...(active === null ? [] : daily('active_minutes', 40, active)),
          ]
          const analysis = analysed(bad.map(metric => [metric, 'trend']))
          const draft = await routine({ archetype, points, analysis }, { mealTimes })
          expectADay(draft)
          const times = draft.items.map(({ time }) => time)
          for (const time of mealTimes) expect(times).toContain(time)
          // What is said of the sleep is what fits between bed and waking.
          const fitting = draft.metadata.sleepMinutes as number
          expect(from(times.at(-1) ?? null, times[0] ?? null) - 15).toBe(fitting)
          const shortened = (draft.metadata.notes as string[]).some(note => /leaves .* for sleep/.test(note))
          expect(fitting >= 480 || shortened).toBe(true)
        },
      ),
      { numRuns: 300, seed: 20_260_404 },
    )
  })

  it('begins when the user was observed to wake, naps and a missed night notwithstanding', async () => {
    const nights = daily('sleep_hours', 7.6, day => (day === 3 ? 11 : 5.75 + 0.02 * day))
    const naps = daily('sleep_hours', 0.5, 15)
    const draft = await routine({ points: [...nights, ...naps] })
    expect(timeOf(draft, /Wake/)).toBe('05:50')
    expect(draft.summary).toContain('observed to wake')
    expect(draft.metadata).toMatchObject({ wake: { from: 'observed' }, observed: { sleepHours: 7.6 } })
  })

  it('takes times on both sides of midnight for near each other', async () => {
    const aroundMidnight = [-50, -40, -30, -20, 10, 60, 70, 80, 90]
    const points = daily('sleep_hours', 7.5, day => (24 + (aroundMidnight[day] ?? 0) / 60) % 24, 9)
    expect(timeOf(await routine({ points }), /Wake/)).toBe('00:10')
  })

  it('does not take a day that was recorded at midnight, or two days, for a time of waking', async () => {
    for (const points of [daily('sleep_hours', 7.5, 0), daily('sleep_hours', 7.5, 4, 2)]) {
      const draft = await routine({ points })
      expect(timeOf(draft, /Wake/)).toBe('07:00')
      expect(draft.metadata).toMatchObject({ wake: { from: 'archetype' } })
    }
  })

  it('lets the sleep need fit: who sleeps well for long goes to bed for as long', async () => {
    const slept = async (hours: number) =>
      (await routine({ points: daily('sleep_hours', hours, 7) })).metadata.sleepMinutes as number
    expect(await slept(8)).toBe(480)
    expect(await slept(8.75)).toBe(525)
    expect(await slept(11)).toBe(540)
    // Short nights are no small need.
    expect(await slept(6)).toBe(510)
  })

  it('winds down earlier after short nights, recorded or found', async () => {
    const wake = (hours: number) => daily('sleep_hours', hours, 7)
    const rested = await routine({ points: wake(8) })
    const recorded = await routine({ points: wake(6.2) })
    const found = await routine({ points: wake(7.2), analysis: analysed([['sleep_hours', 'trend']]) })
    for (const short of [recorded, found]) {
      expect(minutes(timeOf(short, /Wind-down/))).toBeLessThanOrEqual(
        minutes(timeOf(rested, /Wind-down/)) - 45,
      )
      expect(minutes(timeOf(short, /Lights/))).toBe(minutes(timeOf(rested, /Lights/)) - 30)
      expect(short.summary).toContain('earlier wind-down')
    }
    expect(rested.summary).not.toContain('earlier')
  })

  it('does not take long nights for short ones', async () => {
    const long = await routine({ analysis: analysed([['sleep_hours', 'level', 'above']]) })
    const plain = await routine()
    expect(long.items).toEqual(plain.items)
    expect(long.summary).not.toContain('short')
    const eatingAfter = (side: Side) =>
      makePlan(planInput('NUTRITION', {}, { analysis: analysed([['sleep_hours', 'level', side]]) }))
    expect((await eatingAfter('below')).summary).toContain('Your sleep is short')
    expect((await eatingAfter('above')).summary).not.toContain('short')
  })

  it('changes with what the analysis found to be bad', async () => {
    const titles = async (...findings: [string, string, Side?][]) =>
      (await routine({ archetype: 'PEAK_PERFORMER', analysis: analysed(findings) })).items.map(
        ({ title }) => title,
      )
    const plain = await titles()
    expect(plain).toContain('Training')
    expect(await titles(['resting_heart_rate', 'trend', 'above'])).toEqual(
      expect.arrayContaining(['Training, easy', 'Quiet half hour']),
    )
    expect(await titles(['steps', 'weekend'])).toContain('Extra walk')
    expect(await titles(['mood', 'shift'])).toContain('Something that has done you good')
    expect(await titles(['coding_seconds', 'outliers', 'above'])).toContain('End of the working day')
    expect(await titles(['active_minutes', 'level'])).toContain('Session of strength')
    for (const tooMuch of ['steps', 'active_minutes']) {
      expect(await titles([tooMuch, 'trend', 'above'])).toEqual(plain)
    }
    expect(await titles(['coding_seconds', 'trend', 'below'])).toEqual(plain)
    expect(await titles(['weight', 'trend'])).toEqual(plain)
    const good = analysed([
      ['mood', 'trend'],
      ['steps', 'level'],
      ['sleep_hours', 'trend'],
    ])
    const praised = JSON.parse(JSON.stringify(good.result).replaceAll('"bad"', '"good"')) as JsonValue
    expect((await routine({ analysis: stored(praised) })).items).toEqual((await routine()).items)
    const uneven = await routine({ analysis: analysed([['sleep_hours', 'unevenness']]) })
    expect(uneven.items[0]?.description).toContain('weekends')
    expect(uneven.summary).not.toContain('short')
  })

  it('follows the engine’s own analysis of ninety days', async () => {
    const until = new Date('2026-04-02T13:20:00.000Z')
    const points = createDemoDataPoints({ until })
    const context = { signal: new AbortController().signal, reportProgress: () => {} }
    const window = { from: new Date(until.getTime() - 90 * dayMs), to: until }
    const { result } = await createRulesGenerator().generateAnalysis(
      { archetype: 'SYSTEMATIC_IMPROVER', mode: 'INITIAL', window, points, previous: null },
      context,
    )
    const recent = points.filter(({ recordedAt }) => recordedAt.getTime() > until.getTime() - 14 * dayMs)
    const draft = await routine({
      archetype: 'SYSTEMATIC_IMPROVER',
      points: recent,
      analysis: stored(result),
    })
    expectADay(draft)
    expect(timeOf(draft, /Wake/)).toMatch(/^06:3[05]$/)
    expect(timeOf(draft, /End of the working day/)).toMatch(/^18:[12]\d$/)
    expect(draft.metadata.concerns).toEqual(expect.arrayContaining(['sleep', 'recovery', 'movement']))
    expect(draft.summary).toContain('nights have been short')
    expect(draft.summary).toContain(`From your analysis: ${(result.nextSteps as string[])[0]}`)
  })

  it.each([
    ...[
      null,
      7,
      'rules',
      [],
      {},
      { engine: 'rules' },
      { engine: 'openai', version: 1, focus: [{ metric: 'mood' }] },
    ],
    { engine: 'rules', version: 2, focus: [{ metric: 'mood', finding: 'trend', judgement: 'bad' }] },
    { engine: 'rules', version: 1, focus: 'mood', nextSteps: { 0: 'run' } },
    {
      engine: 'rules',
      version: 1,
      focus: [null, 1, { metric: 5 }, { metric: 'mood', judgement: 'bad' }],
      nextSteps: [7],
    },
    { engine: 'rules', version: 1, focus: [], nextSteps: ['x'.repeat(5_000)] },
  ] as JsonValue[])('of an analysis that reads %j is the one without', async result => {
    const { items, summary } = await routine({ analysis: stored(result) })
    const plain = await routine()
    expect(items).toEqual(plain.items)
    expect(summary).toBe(plain.summary)
  })

  it('puts focus and movement where the user was seen to have them', async () => {
    const steady = daily('sleep_hours', 7.8, 6.5)
    const through = (metric: string, value: number, hours: number[]) =>
      hours.flatMap(hour => daily(metric, value, hour))
    const points = [
      ...steady,
      ...through('coding_seconds', 600, [8, 11, 16]),
      ...through('coding_seconds', 3_000, [14.1, 14.4, 14.8]),
      ...through('steps', 300, [9, 12, 20]),
      ...through('steps', 4_000, [17.2, 17.6]),
    ]
    const draft = await routine({ archetype: 'SYSTEMATIC_IMPROVER', points })
    expect(draft.metadata.observed).toMatchObject({ wake: '06:30' })
    expect(Math.abs(minutes(timeOf(draft, /^Focus/)) - minutes('13:50'))).toBeLessThanOrEqual(45)
    expect(Math.abs(minutes(timeOf(draft, /^Movement/)) - minutes('17:10'))).toBeLessThanOrEqual(45)
    // A total sent at the end of the day says nothing of when it came about.
    const totals = await routine({
      archetype: 'SYSTEMATIC_IMPROVER',
      points: [...steady, ...daily('steps', 9_000, 21.75)],
    })
    expect(totals.metadata.observed).toMatchObject({ movement: null })
    expect(timeOf(totals, /^Movement/)).toBe('16:30')
    const atNight = [...steady, ...daily('active_minutes', 40, 21.5), ...daily('coding_seconds', 9_000, 2)]
    const odd = await routine({ archetype: 'SYSTEMATIC_IMPROVER', points: atNight })
    expect(odd.metadata.observed).toMatchObject({ movement: null, workEnd: '02:00' })
    expect(timeOf(odd, /End of the working day/)).toBeNull()
    const sleepless = [...steady, ...daily('active_minutes', 40, 3)]
    expect(timeOf(await routine({ archetype: 'SYSTEMATIC_IMPROVER', points: sleepless }), /^Movement/)).toBe(
      '16:30',
    )
    // The last session of work ends the working day.
    expect(timeOf(draft, /End of the working day/)).toBe('16:00')
  })

  it('has meals at the preferred times, and wakes in time for the first', async () => {
    const draft = await routine({}, { mealTimes: ['18:45', '06:30', '12:15'] })
    expect(['Breakfast', 'Lunch', 'Dinner'].map(title => timeOf(draft, new RegExp(title)))).toEqual([
      ...['06:30', '12:15', '18:45'],
    ])
    expect(timeOf(draft, /Wake/)).toBe('06:00')
    expect(draft.metadata).toMatchObject({ wake: { from: 'meal times' } })
  })

  it('believes the meal times where what was observed is of another clock', async () => {
    // Waking at seven in Tokyo is 22:00 UTC.
    const draft = await routine(
      { points: daily('sleep_hours', 7.5, 22) },
      { mealTimes: ['07:30', '12:30', '19:00'] },
    )
    expect(timeOf(draft, /Wake/)).toBe('07:00')
    expect((draft.metadata.notes as string[]).join()).toContain('does not go with your meal times')
    // Eleven hours to the first of two meals is no day either; to an only meal it may be.
    const points = daily('sleep_hours', 7.5, 2)
    const late = await routine({ points }, { mealTimes: ['13:00', '18:30'] })
    expect(timeOf(late, /Wake/)).toBe('12:30')
    expect(timeOf(await routine({ points }, { mealTimes: ['13:00'] }), /Wake/)).toBe('02:00')
  })

  it('turns the day round for who eats at night', async () => {
    const draft = await routine({}, { mealTimes: ['18:00', '23:00', '04:00'] })
    expectADay(draft)
    expect(timeOf(draft, /Wake/)).toBe('17:30')
    expect(timeOf(draft, /Breakfast/)).toBe('18:00')
    expect(draft.metadata.sleepMinutes).toBe(480)
  })

  it('says when the meals leave too little sleep', async () => {
    const { metadata } = await routine({}, { mealTimes: ['05:00', '10:00', '16:00', '23:15'] })
    expect(metadata.sleepMinutes).toBeLessThan(400)
    expect((metadata.notes as string[]).join()).toMatch(
      /The last meal at 23:15 leaves .* less than the 8 h you need/,
    )
  })

  it('is another one for each archetype: more effort here, more rest there', async () => {
    const drafts = new Map<Archetype, PlanDraft>()
    for (const archetype of archetypes) drafts.set(archetype, await routine({ archetype }))
    const total = (archetype: Archetype, title: RegExp) =>
      (drafts.get(archetype)?.items ?? [])
        .filter(item => title.test(item.title))
        .reduce((sum, { description }) => sum + lengthOf(description), 0)
    for (const draft of drafts.values()) expectADay(draft)
    expect(total('PEAK_PERFORMER', /focus/i)).toBe(180)
    expect(total('RESILIENCE_REBUILDER', /focus/i)).toBe(45)
    expect(total('PEAK_PERFORMER', /Training|Walk|Movement/i)).toBeGreaterThan(
      total('FOUNDATION_BUILDER', /Walk/i),
    )
    expect(total('RESILIENCE_REBUILDER', /Wind-down/)).toBeGreaterThan(total('PEAK_PERFORMER', /Wind-down/))
    expect(drafts.get('RESILIENCE_REBUILDER')?.metadata.sleepMinutes).toBe(510)
    expect(
      new Set([...drafts.values()].map(({ items }) => items.map(({ title }) => title).join())).size,
    ).toBe(4)
  })
})
