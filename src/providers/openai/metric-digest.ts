import { setImmediate } from 'node:timers/promises'
import { max, mean, median, min } from 'simple-statistics'
import type { Archetype } from '../../shared/archetype.ts'
import type { GeneratorDataPoint } from '../generator.ts'
import { handOn, toJsonNumber } from '../rules/analysis-result.ts'
import { archetypeReadings } from '../rules/archetype-weights.ts'
import { chooseMetrics } from '../rules/choose-metrics.ts'
import { recordMetric } from '../rules/daily-series.ts'
import { findMetricEntry } from '../rules/metric-catalogue.ts'
import { isoDate } from '../rules/utc-day.ts'

/** What a model is told of a metric in place of its points. Amounts in the metric's own unit, dates in UTC. */
export type MetricDigest = {
  name: string
  unit: string | null
  points: number
  /** Days with a value; of these the numbers below. */
  days: number
  firstDate: string
  lastDate: string
  average: number
  median: number
  lowest: number
  highest: number
  /** When it is recorded most: hours of the day in UTC. */
  usualHoursUtc: number[]
  /** A value a day up to lastDate, the latest last; null for a day without. */
  daily: (number | null)[]
}

export interface Digest {
  metrics: { [metric: string]: MetricDigest }
  /** Metrics with points that are not among them. */
  leftOut: number
}

/** Of all metrics together: a few thousand tokens, whatever a user's devices send. */
const MOST_DAILY_VALUES = 1200
const USUAL_HOURS = 3
const HOUR_MS = 3_600_000

/**
 * Sums up data points by metric and day, the way the rules engine does: implausible values and foreign units left out,
 * the metrics first that concern the archetype. Its size has a bound that does not depend on the points.
 */
export async function digestPoints(
  points: readonly GeneratorDataPoint[],
  archetype: Archetype,
  window: { from: Date; to: Date },
  signal: AbortSignal,
): Promise<Digest> {
  const { chosen, leftOutCount } = chooseMetrics(points, archetypeReadings[archetype])
  const dailyValues = Math.floor(MOST_DAILY_VALUES / Math.max(1, chosen.length))
  const metrics: [string, MetricDigest][] = []
  for (const [metric, own] of chosen) {
    // Other requests get their turn between two metrics, and an abort is seen.
    await setImmediate()
    signal.throwIfAborted()
    const digest = digestMetric(metric, own, window, dailyValues)
    if (digest) metrics.push([metric, digest])
  }
  return { metrics: Object.fromEntries(metrics), leftOut: leftOutCount }
}

function digestMetric(
  metric: string,
  points: readonly GeneratorDataPoint[],
  window: { from: Date; to: Date },
  dailyValues: number,
): MetricDigest | undefined {
  const { entry, unit, pointCount, series } = recordMetric(metric, findMetricEntry(metric), points, window)
  const recent = handOn(series)
  const [first] = series.days
  if (first === undefined || !recent) return undefined
  return {
    name: entry.name,
    unit: unit?.slice(0, 20) ?? null,
    points: pointCount,
    days: series.days.length,
    firstDate: isoDate(first),
    lastDate: recent.lastDate,
    average: toJsonNumber(mean(series.values)),
    median: toJsonNumber(median(series.values)),
    lowest: toJsonNumber(min(series.values)),
    highest: toJsonNumber(max(series.values)),
    usualHoursUtc: usualHours(points),
    daily: recent.values.slice(-dailyValues),
  }
}

function usualHours(points: readonly GeneratorDataPoint[]): number[] {
  const counts = new Map<number, number>()
  for (const { recordedAt } of points) {
    const hour = Math.floor(recordedAt.getTime() / HOUR_MS) % 24
    counts.set(hour, (counts.get(hour) ?? 0) + 1)
  }
  return [...counts]
    .sort(([a, n], [b, m]) => m - n || a - b)
    .slice(0, USUAL_HOURS)
    .map(([hour]) => hour)
    .sort((a, b) => a - b)
}
