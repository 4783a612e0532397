import { z } from 'zod'
import type { Archetype } from '../../shared/archetype.ts'
import type { JsonValue } from '../../shared/json.ts'
import type { AnalysisMode, InsightKind } from '../generator.ts'
import type { FindingType } from './archetype-weights.ts'
import type { DailySeries } from './daily-series.ts'
import type { Judgement, Side } from './findings.ts'
import type { MetricFamily } from './metric-catalogue.ts'
import { isoDate, parseIsoDate, type UtcDay } from './utc-day.ts'

/**
 * What the rules engine stores as an analysis's `result`. Amounts are in the metric's own unit (seconds for
 * coding_seconds), instants and dates in ISO 8601 and UTC. Every number is finite.
 */
export type AnalysisResult = {
  engine: 'rules'
  version: 1
  archetype: Archetype
  mode: AnalysisMode
  window: { from: string; to: string; days: number }
  dataPointCount: number
  /** 0 to 1. */
  overallConfidence: number
  /** By metric name. Those without points in the window are handed on from the analysis before. */
  metrics: { [metric: string]: MetricResult }
  /** Metrics with points that were not looked into: the others weigh more for this archetype or have more data. */
  metricsLeftOut: number
  /** What was found, most important first. */
  focus: FocusResult[]
  /** What to do, most important first; each a sentence. */
  nextSteps: string[]
}

export type MetricResult = {
  /** For the end user, in the middle of a sentence. */
  name: string
  family: MetricFamily
  /** How much the metric concerns the archetype, 0 to 1. */
  weight: number
  /** As recorded. */
  unit: string | null
  points: number
  /** Of them left out: implausible, or in another unit than most. */
  pointsLeftOut: number
  recording: { daysRecorded: number; daysInWindow: number; coverage: number; longestGapDays: number }
  /** What is usual: over the days handed on and those of this window. */
  baseline: BaselineResult
  /** The middle value of the window's days; null without any. */
  observed: number | null
  trend: { start: number; end: number; changePerWeek: number; pValue: number } | null
  /** A standard deviation that single wild days do not move; relative to the usual value where that is not 0. */
  variability: { spread: number; relative: number | null }
  weekend: { weekdayMedian: number; weekendMedian: number; difference: number; pValue: number } | null
  outliers: { date: string; value: number; expected: number }[]
  /** This window against the days before it. */
  shift: { days: number; observed: number; usual: number; usualDays: number; pValue: number } | null
  /** Which of the above are no chance and large enough to matter. */
  findings: FindingType[]
  /** The latest days for the next analysis to stand on, oldest first, null for a day without a value. */
  recent: RecentDays | null
}

export type BaselineResult = {
  days: number
  firstDate: string | null
  lastDate: string | null
  median: number
  mad: number
}

export type FocusResult = {
  metric: string
  finding: FindingType
  kind: InsightKind
  judgement: Judgement
  side: Side | null
  weight: number
  confidence: number
}

export type RecentDays = { lastDate: string; values: (number | null)[] }

/** How many metrics an analysis looks into; a person's sources seldom send more than a dozen. */
export const mostMetrics = 40
/** Eight weeks: enough to know weekends, and recent enough that what is usual follows the user's life. */
export const carriedDays = 56
/** What was last recorded longer ago than this is no longer usual. */
const carriedForDays = 120
export interface CarriedMetric {
  unit: string | null
  series: DailySeries
}

/**
 * The days that an earlier analysis handed on. What another generator or another version wrote hands on nothing, and
 * a metric that does not fit is passed over alone.
 * @param lastDay what goes on after it, by a clock that was wrong, is passed over too
 */
export function readCarried(result: JsonValue, lastDay: UtcDay): Map<string, CarriedMetric> {
  const carried = new Map<string, CarriedMetric>()
  const parsed = carriedResult.safeParse(result)
  if (!parsed.success) return carried
  // Entries and not a zod record: a metric may be named __proto__, which a record passes over.
  for (const [metric, value] of Object.entries(parsed.data.metrics)) {
    const fit = carriedMetric.safeParse(value)
    if (!fit.success || carried.size === mostMetrics) continue
    const series = expand(fit.data.recent, lastDay)
    if (series.days.length > 0) carried.set(metric, { unit: fit.data.unit, series })
  }
  return carried
}

export function handOn(series: DailySeries): RecentDays | null {
  const last = series.days.at(-1)
  if (last === undefined) return null
  const valueByDay = new Map(series.days.map((day, i) => [day, series.values[i] ?? 0]))
  const first = Math.max(last - carriedDays + 1, series.days[0] ?? last)
  const values = Array.from({ length: last - first + 1 }, (_, i) =>
    toJsonNumber(valueByDay.get(first + i) ?? null),
  )
  return { lastDate: isoDate(last), values }
}

/** Six significant digits are more than any sensor's. */
export function toJsonNumber<Value extends number | null>(value: Value): Value
export function toJsonNumber(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(6))
}

const carriedResult = z.object({
  engine: z.literal('rules'),
  version: z.literal(1),
  metrics: z.custom<Record<string, unknown>>(isObject),
})

const carriedMetric = z.object({
  unit: z.string().nullable(),
  recent: z.object({
    lastDate: z.string(),
    values: z.array(z.number().min(-1e20).max(1e20).nullable()).max(carriedDays),
  }),
})

function expand({ lastDate, values }: RecentDays, latest: UtcDay): DailySeries {
  const last = parseIsoDate(lastDate)
  if (last === null || last > latest || last < latest - carriedForDays) return { days: [], values: [] }
  const first = last - values.length + 1
  const entries = values.flatMap((value, i) => (value === null ? [] : [{ day: first + i, value }]))
  return { days: entries.map(({ day }) => day), values: entries.map(({ value }) => value) }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
