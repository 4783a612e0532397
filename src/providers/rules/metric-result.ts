import { handOn, type MetricResult, toJsonNumber } from './analysis-result.ts'
import type { ArchetypeReading } from './archetype-weights.ts'
import type { AnalysedMetric, Finding } from './findings.ts'
import { isoDate } from './utc-day.ts'

/** The stored form of what was computed of one metric. */
export function metricResult(
  { record, recording, statistics }: AnalysedMetric,
  findings: readonly Finding[],
  reading: ArchetypeReading,
): MetricResult {
  const { series, windowDays, windowMedian, median, mad, spread, trend, weekend, outliers, shift } =
    statistics
  const first = series.days[0]
  const last = series.days.at(-1)
  const n = toJsonNumber
  return {
    name: record.entry.name,
    family: record.entry.family,
    weight: reading.families[record.entry.family],
    unit: record.unit,
    points: record.pointCount,
    pointsLeftOut: record.leftOutCount,
    recording: { ...recording, coverage: n(recording.coverage) },
    baseline: {
      days: series.days.length,
      firstDate: first === undefined ? null : isoDate(first),
      lastDate: last === undefined ? null : isoDate(last),
      median: n(median),
      mad: n(mad),
    },
    observed: windowDays.values.length > 0 ? n(windowMedian) : null,
    trend: trend && {
      start: n(trend.start),
      end: n(trend.end),
      changePerWeek: n(((trend.end - trend.start) / Math.max(1, (last ?? 0) - (first ?? 0))) * 7),
      pValue: n(trend.pValue),
    },
    variability: { spread: n(spread), relative: relativeSpread(spread, median) },
    weekend: weekend && {
      weekdayMedian: n(weekend.weekdayMedian),
      weekendMedian: n(weekend.weekendMedian),
      difference: n(weekend.weekendMedian - weekend.weekdayMedian),
      pValue: n(weekend.pValue),
    },
    outliers: outliers.map(({ day, value, expected }) => {
      return { date: isoDate(day), value: n(value), expected: n(expected) }
    }),
    shift: shift && {
      days: shift.days,
      observed: n(shift.observed),
      usual: n(shift.usual),
      usualDays: shift.usualDays,
      pValue: n(shift.pValue),
    },
    findings: findings.map(({ type }) => type),
    recent: handOn(series),
  }
}

/** Beyond a thousand times the usual value a share says nothing, and near 0 it would overflow. */
function relativeSpread(spread: number, median: number): number | null {
  const size = Math.abs(median)
  return size > 0 && spread <= 1_000 * size ? toJsonNumber(spread / size) : null
}
