import { describe, expect, test } from 'vitest'
import {
  type AnalysisFacts,
  decideAnalysis,
  triggerName,
  windowStart,
} from '../../src/domain/analyses/decide-analysis.ts'

const MINUTE_MS = 60_000
const now = new Date('2026-01-31T10:00:03.000Z')
const rules = { recentWindowMs: 10 * MINUTE_MS, dataPointThreshold: 50 }

const ago = (ms: number, newDataPoints: number): AnalysisFacts => ({
  now,
  latest: { createdAt: new Date(now.getTime() - ms), newDataPoints },
})
const none: AnalysisFacts = { now, latest: null }

describe('the decision', () => {
  test.each([
    ['none before', none, false, { type: 'new', mode: 'INITIAL', trigger: 'scheduled' }],
    ['none before, forced', none, true, { type: 'new', mode: 'INITIAL', trigger: 'forced' }],
    ['3 s old', ago(3000, 0), false, { type: 'reuse', source: 'RECENT' }],
    ['3 s old with many new points', ago(3000, 1000), false, { type: 'reuse', source: 'RECENT' }],
    ['3 s old, forced', ago(3000, 0), true, { type: 'new', mode: 'FOLLOW_UP', trigger: 'forced' }],
    ['exactly as old as the window', ago(10 * MINUTE_MS, 1000), false, { type: 'reuse', source: 'RECENT' }],
    [
      'a millisecond older than the window',
      ago(10 * MINUTE_MS + 1, 1000),
      false,
      { type: 'new', mode: 'FOLLOW_UP', trigger: 'threshold_exceeded' },
    ],
    [
      'older, one point below the threshold',
      ago(11 * MINUTE_MS, 49),
      false,
      { type: 'reuse', source: 'CACHED' },
    ],
    [
      'older, at the threshold',
      ago(11 * MINUTE_MS, 50),
      false,
      { type: 'new', mode: 'FOLLOW_UP', trigger: 'threshold_exceeded' },
    ],
    ['a year old, nothing new', ago(365 * 86_400_000, 0), false, { type: 'reuse', source: 'CACHED' }],
    ['older, forced', ago(11 * MINUTE_MS, 0), true, { type: 'new', mode: 'FOLLOW_UP', trigger: 'forced' }],
  ] as const)('%s', (_case, facts, forced, decision) => {
    expect(decideAnalysis(facts, forced, rules)).toEqual(decision)
  })

  test('without a recent window nothing is recent', () => {
    expect(decideAnalysis(ago(1, 0), false, { ...rules, recentWindowMs: 0 })).toEqual({
      type: 'reuse',
      source: 'CACHED',
    })
  })
})

test('a trigger carries the time of day in UTC, except for the scheduled one', () => {
  expect(triggerName('scheduled', now)).toBe('scheduled')
  expect(triggerName('forced', now)).toBe('forced_100003')
  expect(triggerName('threshold_exceeded', new Date('2026-01-31T23:59:59.999+02:00'))).toBe(
    'threshold_exceeded_215959',
  )
})

test('the data of an analysis begin 7 days back, or at the analysis before it and a day back at least', () => {
  const daysBack = (date: Date) => (now.getTime() - date.getTime()) / 86_400_000
  expect(daysBack(windowStart(now, null))).toBe(7)
  expect(daysBack(windowStart(now, new Date(now.getTime() - 3 * 86_400_000)))).toBe(3)
  expect(daysBack(windowStart(now, new Date(now.getTime() - 1000)))).toBe(1)
})
