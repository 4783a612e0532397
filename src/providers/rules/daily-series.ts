import { max, mean, median, sum } from 'simple-statistics'
import type { GeneratorDataPoint } from '../generator.ts'
import type { MetricEntry } from './metric-catalogue.ts'
import { dayMs, type UtcDay, utcDayOf } from './utc-day.ts'

/** One value a recorded day; days rise and may have gaps. */
export interface DailySeries {
  days: UtcDay[]
  values: number[]
}

export interface MetricRecord {
  metric: string
  entry: MetricEntry
  /** What most of the points say; null when they say nothing. */
  unit: string | null
  pointCount: number
  /** Points left out: outside the plausible range, or in another unit than most. */
  leftOutCount: number
  /** Of them those in another unit. */
  otherUnitCount: number
  /** Days with a point, whether or not they make a value. */
  recordedDays: UtcDay[]
  series: DailySeries
}

const perDay = { sum, mean, max } satisfies Record<MetricEntry['perDay'], (values: number[]) => number>

/** A series longer than a year says nothing more about habits of today, and its pairs grow with the square. */
export const longestSeriesDays = 366

/** The same record whatever the order of the points: simple-statistics adds up with Kahan and Babuska's correction. */
export function recordMetric(
  metric: string,
  entry: MetricEntry,
  points: readonly GeneratorDataPoint[],
  window: { from: Date; to: Date },
): MetricRecord {
  const unit = mostFrequentUnit(points)
  const sameUnit = points.filter(point => entry.nameFixesUnit || point.unit === null || point.unit === unit)
  const kept = sameUnit.filter(({ value }) => value >= entry.plausible.from && value <= entry.plausible.to)
  return {
    metric,
    entry,
    unit,
    pointCount: points.length,
    leftOutCount: points.length - kept.length,
    otherUnitCount: points.length - sameUnit.length,
    recordedDays: [...new Set(kept.map(point => utcDayOf(point.recordedAt)))].sort((a, b) => a - b),
    series: lastDays(dailySeries(kept, entry, window), longestSeriesDays),
  }
}

/** Recorded, and nothing of it made a value. */
export function isAllLeftOut({ pointCount, leftOutCount }: MetricRecord): boolean {
  return pointCount > 0 && leftOutCount === pointCount
}

export function lastDays(series: DailySeries, count: number): DailySeries {
  return { days: series.days.slice(-count), values: series.values.slice(-count) }
}

export function daysOf(series: DailySeries, wanted: (day: UtcDay) => boolean): DailySeries {
  const entries = series.days.map((day, i) => ({ day, value: series.values[i] ?? 0 }))
  const kept = entries.filter(({ day }) => wanted(day))
  return { days: kept.map(({ day }) => day), values: kept.map(({ value }) => value) }
}

function dailySeries(
  points: readonly GeneratorDataPoint[],
  entry: MetricEntry,
  window: { from: Date; to: Date },
): DailySeries {
  const byDay = Map.groupBy(points, point => utcDayOf(point.recordedAt))
  const days = [...byDay.keys()].sort((a, b) => a - b)
  const valuesOf = (day: UtcDay) => (byDay.get(day) ?? []).map(point => point.value)
  const complete = entry.perDay === 'sum' ? withoutCutDays(days, byDay, window) : days
  if (complete.length > 0 || days.length === 0) {
    return { days: complete, values: complete.map(day => perDay[entry.perDay](valuesOf(day))) }
  }
  // The usual window of a FOLLOW_UP, one day from noon to noon: two halves make one day.
  const windowDays = (window.to.getTime() - window.from.getTime()) / dayMs
  if (windowDays < 0.75) return { days: [], values: [] }
  return {
    days: [utcDayOf(new Date(window.to.getTime() - 1))],
    values: [sum(days.flatMap(valuesOf)) / windowDays],
  }
}

/**
 * The window begins and ends within a day, and the sum of half a day is no day's sum. Where the source sends one total
 * a day, no day is cut.
 */
function withoutCutDays(
  days: UtcDay[],
  byDay: ReadonlyMap<UtcDay, readonly GeneratorDataPoint[]>,
  window: { from: Date; to: Date },
): UtcDay[] {
  const pointsADay = days.map(day => byDay.get(day)?.length ?? 0)
  if (days.length === 0 || median(pointsADay) < 2) return days
  const cutAtStart = window.from.getTime() % dayMs === 0 ? null : utcDayOf(window.from)
  const cutAtEnd = utcDayOf(window.to)
  return days.filter(day => day !== cutAtStart && day !== cutAtEnd)
}

function mostFrequentUnit(points: readonly GeneratorDataPoint[]): string | null {
  const counts = new Map<string, number>()
  for (const { unit } of points) if (unit !== null) counts.set(unit, (counts.get(unit) ?? 0) + 1)
  const [first] = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
  return first?.[0] ?? null
}
