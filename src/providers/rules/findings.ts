import { type MetricStatistics, outlierDistance } from './analyse-metric.ts'
import type { ArchetypeReading, FindingType } from './archetype-weights.ts'
import { isAllLeftOut, type MetricRecord } from './daily-series.ts'
import type { Better, MetricEntry } from './metric-catalogue.ts'
import type { Recording } from './recording.ts'
import { holdsTogether } from './robust-statistics.ts'

export type Judgement = 'good' | 'bad' | 'neutral'
export const sides = ['below', 'above'] as const
export type Side = (typeof sides)[number]

export interface AnalysedMetric {
  record: MetricRecord
  recording: Recording
  statistics: MetricStatistics
}

/** Something that is both no chance and large enough to matter. */
export interface Finding {
  type: FindingType
  metric: AnalysedMetric
  judgement: Judgement
  /** Where its days lie of what is good or was usual: for a trend, where it goes. Null where on both, or on neither. */
  side: Side | null
  /** How far beyond the bar of relevance, which is 1. */
  effect: number
  confidence: number
  /** How much it concerns the archetype, 0 to 1. */
  weight: number
}

/** The chance that any one of an analysis's tests finds what is not there. */
const falseFindings = 0.01
/** How much of the day-to-day noise a change must amount to before anybody would notice it. */
const noticeable = { trend: 0.75, weekend: 0.8, shift: 1 }
/** A level is a plain count of days: most of them, and a few at least. */
const levelShare = 2 / 3
const fewestLevelDays = 4
const fewestUnevenDays = 10
/** The error of a spread estimated by the median deviation, as a share, times the square root of the days. */
const spreadError = 1.17

/**
 * What of the statistics is worth telling, most important first. The tests of all metrics are judged together, so that
 * many metrics do not bring many false findings.
 */
export function findAll(metrics: readonly AnalysedMetric[], reading: ArchetypeReading): Finding[] {
  const tests = metrics.filter(hasWindowDays).flatMap(metric => {
    const { trend, weekend, shift } = metric.statistics
    return [
      ...(trend ? [{ metric, type: 'trend' as const, pValue: trend.pValue }] : []),
      ...(weekend ? [{ metric, type: 'weekend' as const, pValue: weekend.pValue }] : []),
      ...(shift ? [{ metric, type: 'shift' as const, pValue: shift.pValue }] : []),
    ]
  })
  const holds = holdsTogether(
    tests.map(test => test.pValue),
    falseFindings,
  )
  const significant = new Map<AnalysedMetric, Set<FindingType>>(metrics.map(metric => [metric, new Set()]))
  for (const [i, test] of tests.entries()) if (holds[i]) significant.get(test.metric)?.add(test.type)

  return metrics
    .flatMap(metric => findInMetric(metric, significant.get(metric) ?? new Set(), reading))
    .sort(byImportance)
}

export function byImportance(a: Finding, b: Finding): number {
  return (
    b.weight * b.confidence - a.weight * a.confidence ||
    compareText(a.metric.record.metric, b.metric.record.metric) ||
    compareText(a.type, b.type)
  )
}

/** Rises with the days and with the effect, and never reaches 1: five days are worth half of very many. */
export function confidenceOf(days: number, effect = Number.POSITIVE_INFINITY): number {
  return 0.95 * (days / (days + 5)) * (1 - 0.5 * Math.exp(1 - Math.max(1, effect)))
}

/** Whether going from one value to another is a change to the better. */
export function judgeChange(better: Better, from: number, to: number): Judgement {
  if (better === 'neither' || from === to) return 'neutral'
  if (better === 'higher') return to > from ? 'good' : 'bad'
  if (better === 'lower') return to < from ? 'good' : 'bad'
  const outside = (value: number) => Math.max(better.from - value, value - better.to, 0)
  const change = outside(to) - outside(from)
  return change === 0 ? 'neutral' : change < 0 ? 'good' : 'bad'
}

interface Candidate {
  type: FindingType
  judgement: Judgement
  side: Side | null
  effect: number
  days: number
}

function findInMetric(
  metric: AnalysedMetric,
  significant: ReadonlySet<FindingType>,
  reading: ArchetypeReading,
): Finding[] {
  const { entry } = metric.record
  const better = reading.better[entry.family] ?? entry.better
  const statistics = metric.statistics
  const candidates = [
    significant.has('trend') ? trendIn(statistics, better) : null,
    significant.has('weekend') ? weekendIn(statistics, better, entry) : null,
    significant.has('shift') ? shiftIn(statistics, better) : null,
    hasWindowDays(metric) ? levelIn(statistics, entry) : null,
    hasWindowDays(metric) ? outliersIn(statistics, better) : null,
    hasWindowDays(metric) ? unevennessIn(statistics, entry) : null,
    regularityIn(metric),
  ].filter(candidate => candidate !== null && candidate.effect >= 1) as Candidate[]
  // A good level that is being lost is no strength, and one or two new days are told once.
  const getsWorse = candidates.some(({ type, judgement }) => type === 'trend' && judgement === 'bad')
  const shiftedDays = candidates.some(({ type }) => type === 'shift') ? (statistics.shift?.days ?? 0) : 0
  return candidates
    .filter(({ type, judgement }) => !(getsWorse && type === 'level' && judgement === 'good'))
    .filter(({ type }) => !(type === 'outliers' && shiftedDays > 0 && shiftedDays <= 2))
    .map(({ type, judgement, side, effect, days }) => ({
      type,
      metric,
      judgement,
      side,
      effect,
      confidence: confidenceOf(days, effect),
      weight: reading.families[entry.family] * reading.findings[type],
    }))
}

function trendIn(
  { trend, series, relevantChange, noise }: MetricStatistics,
  better: Better,
): Candidate | null {
  if (!trend) return null
  return {
    type: 'trend',
    judgement: judgeChange(better, trend.start, trend.end),
    side: sideOf(trend.end - trend.start),
    effect: ratio(trend.end - trend.start, relevantChange, noticeable.trend * noise),
    days: series.days.length,
  }
}

function weekendIn(
  { weekend, relevantChange, noise }: MetricStatistics,
  better: Better,
  entry: MetricEntry,
): Candidate | null {
  if (!weekend) return null
  const { weekdayMedian, weekendMedian } = weekend
  const judgement = judgeChange(better, weekdayMedian, weekendMedian)
  const side = sideOf(weekendMedian - weekdayMedian)
  return {
    type: 'weekend',
    judgement: entry.restsAtWeekend && side === 'below' && judgement === 'bad' ? 'neutral' : judgement,
    side,
    effect: ratio(weekendMedian - weekdayMedian, relevantChange, noticeable.weekend * noise),
    days: weekend.weekdays + weekend.weekendDays,
  }
}

function shiftIn({ shift, relevantChange, noise }: MetricStatistics, better: Better): Candidate | null {
  if (!shift) return null
  return {
    type: 'shift',
    judgement: judgeChange(better, shift.usual, shift.observed),
    side: sideOf(shift.observed - shift.usual),
    effect: ratio(shift.observed - shift.usual, relevantChange, noticeable.shift * noise),
    // However long the usual is known, few new days remain few.
    days: Math.min(shift.usualDays, 4 * shift.days),
  }
}

function levelIn({ windowDays: { values } }: MetricStatistics, entry: MetricEntry): Candidate | null {
  if (values.length < fewestLevelDays) return null
  const shareOf = (holds: (value: number) => boolean) => values.filter(holds).length / values.length
  const { goodDay, poorDay } = entry
  // Each side for itself: days of too little and days of too much are no level that most days are at.
  const tooLittle = poorDay ? shareOf(value => value < poorDay.below) : 0
  const tooMuch = poorDay ? shareOf(value => value > poorDay.above) : 0
  const poor = Math.max(tooLittle, tooMuch)
  const good = goodDay ? shareOf(value => value >= goodDay.from && value <= goodDay.to) : 0
  return {
    type: 'level',
    judgement: poor >= levelShare ? 'bad' : 'good',
    side: sideOf(tooMuch - tooLittle),
    effect: Math.max(poor, good) / levelShare,
    days: values.length,
  }
}

function outliersIn({ outliers, series }: MetricStatistics, better: Better): Candidate | null {
  if (outliers.length === 0) return null
  const outlierSides = new Set(outliers.map(({ distance }) => sideOf(distance)))
  const allBad = outliers.every(({ expected, value }) => judgeChange(better, expected, value) === 'bad')
  return {
    type: 'outliers',
    // Single days are no strength, however good they look.
    judgement: allBad ? 'bad' : 'neutral',
    side: outlierSides.size === 1 ? ([...outlierSides][0] ?? null) : null,
    effect: Math.max(...outliers.map(({ distance }) => Math.abs(distance))) / outlierDistance,
    days: series.days.length,
  }
}

function unevennessIn({ series, spread, noise }: MetricStatistics, entry: MetricEntry): Candidate | null {
  const days = series.days.length
  if (entry.unevenSpread === null || days < fewestUnevenDays) return null
  // At least this much even if the estimate is one standard error too high; a trend is no unevenness.
  const surely = Math.min(spread, noise) * (1 - spreadError / Math.sqrt(days))
  return { type: 'unevenness', judgement: 'bad', side: null, effect: surely / entry.unevenSpread, days }
}

function regularityIn({ record, recording }: AnalysedMetric): Candidate | null {
  if (!record.entry.everyDay || recording.daysInWindow < 7 || isAllLeftOut(record)) return null
  return {
    type: 'regularity',
    judgement: 'neutral',
    side: null,
    effect: 0.5 / Math.max(recording.coverage, 0.1),
    days: recording.daysInWindow,
  }
}

/** Of a metric without a value in this window the analysis before has told all there is, but for its silence. */
function hasWindowDays({ statistics }: AnalysedMetric): boolean {
  return statistics.windowDays.days.length > 0
}

function sideOf(difference: number): Side | null {
  return difference > 0 ? 'above' : difference < 0 ? 'below' : null
}

function ratio(change: number, ...bars: number[]): number {
  const bar = Math.max(...bars)
  return bar > 0 ? Math.abs(change) / bar : 0
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
