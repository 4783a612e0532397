import { extent, median, medianAbsoluteDeviation, sampleStandardDeviation } from 'simple-statistics'
import { type DailySeries, daysOf, longestSeriesDays } from './daily-series.ts'
import type { MetricEntry } from './metric-catalogue.ts'
import {
  mannKendallPValue,
  neighbourVarianceFactor,
  rankSumPValue,
  robustSpread,
  studentPValue,
  theilSenLine,
} from './robust-statistics.ts'
import { isWeekend, type UtcDay } from './utc-day.ts'

export interface Trend {
  /** The trend line on the first and the last day of the series, and never outside of what was recorded. */
  start: number
  end: number
  pValue: number
}

export interface WeekendDifference {
  weekdays: number
  weekendDays: number
  weekdayMedian: number
  weekendMedian: number
  pValue: number
}

export interface Outlier {
  day: UtcDay
  value: number
  /** What trend and day of the week made likely. */
  expected: number
  /** Distance from the expected in units of the noise. */
  distance: number
}

/** This window against the days that the analysis before it has handed on. */
export interface Shift {
  days: number
  observed: number
  /** What the same days of the week usually have. */
  usual: number
  usualDays: number
  pValue: number
}

/** What the numbers say, before anybody asks whether it matters: judged in findings.ts. */
export interface MetricStatistics {
  /** The days handed on and the days of the window, as one series. */
  series: DailySeries
  /** Days of `series` that lie in the window. */
  windowDays: DailySeries
  windowMedian: number
  median: number
  mad: number
  /** As a standard deviation, wild days hardly counted: around the median, and around trend and day of the week. */
  spread: number
  noise: number
  /** The smallest change of this metric worth telling, in its own unit; 0 when all is equal to 0. */
  relevantChange: number
  trend: Trend | null
  weekend: WeekendDifference | null
  /** Of the window; those before it have been told. */
  outliers: Outlier[]
  shift: Shift | null
}

/** Below ten values the test's normal approximation fails (Kendall 1975); below two weeks a mood passes for a trend. */
export const fewestTrendDays = 14
/** Two weekends and two weeks. */
const fewestWeekendDays = 4
const fewestWeekdays = 8
/** With fewer, the noise is known too badly to call a day wild. */
const fewestOutlierDays = 20
/** About 1 in 2,000,000 days of normal noise. Days of people have fatter tails than that: the usual 3.5 finds chance. */
export const outlierDistance = 5
/** An unusual day stands apart, and is not just the last of a long tail: so many times as far out as the next. */
const outlierGap = 1.75
const fewestUsualDays = 6
/** A median deviation knows the spread as well as a standard deviation of so much fewer days, which few days lack. */
const madEfficiency = 0.37
const fewestMadDays = 20
/** At which the weekend is taken out before trend and outliers are looked for: no claim, only an adjustment. */
const weekendAdjustmentPValue = 0.01

/** @param carried the days before the window, as the analysis before handed them on; empty at first */
export function analyseMetric(
  windowDays: DailySeries,
  carried: DailySeries,
  entry: MetricEntry,
): MetricStatistics {
  const firstDay = windowDays.days[0] ?? Number.POSITIVE_INFINITY
  const usual = daysOf(carried, day => day < firstDay)
  const series = lastOf(usual, windowDays)
  const { days, values } = series
  const usualValue = values.length > 0 ? median(values) : 0
  const spread = robustSpread(values)
  const relevantChange = relevantChangeOf(entry, usualValue, spread)

  const weekend = compareWeekend(series)
  const weekendOffset =
    weekend && weekend.pValue < weekendAdjustmentPValue ? weekend.weekendMedian - weekend.weekdayMedian : 0
  const adjusted = withoutWeekend(series, weekendOffset)
  const hasTrend = days.length >= fewestTrendDays
  const line = hasTrend ? theilSenLine(days, adjusted) : { at: () => usualValue }
  const residuals = adjusted.map((value, i) => value - line.at(days[i] ?? 0))
  const noise = robustSpread(residuals)

  return {
    series,
    windowDays,
    windowMedian: windowDays.values.length > 0 ? median(windowDays.values) : usualValue,
    median: usualValue,
    mad: values.length > 0 ? medianAbsoluteDeviation(values) : 0,
    spread,
    noise,
    relevantChange,
    trend: hasTrend
      ? {
          start: within(values, line.at(days[0] ?? 0)),
          end: within(values, line.at(days.at(-1) ?? 0)),
          pValue: mannKendallPValue(adjusted, neighbourVarianceFactor(days, residuals)),
        }
      : null,
    weekend,
    outliers: findOutliers(series, residuals, noise, relevantChange).filter(({ day }) => day >= firstDay),
    shift: compareWithUsual(windowDays, usual, weekendOffset, entry),
  }
}

function lastOf(usual: DailySeries, window: DailySeries): DailySeries {
  return {
    days: [...usual.days, ...window.days].slice(-longestSeriesDays),
    values: [...usual.values, ...window.values].slice(-longestSeriesDays),
  }
}

/** A metric without a known scale is measured by its own usual value, and by its spread where that is near 0. */
function relevantChangeOf(entry: MetricEntry, usualValue: number, spread: number): number {
  const known = Math.max(entry.relevantChange.amount, entry.relevantChange.share * Math.abs(usualValue))
  return entry.family === 'other' ? Math.max(known, spread) : known
}

/** A line of coding times may begin below 0. */
function within(values: readonly number[], value: number): number {
  const [from, to] = extent([...values])
  return Math.min(Math.max(value, from), to)
}

function compareWeekend(series: DailySeries): WeekendDifference | null {
  const weekend = daysOf(series, isWeekend)
  const weekdays = daysOf(series, day => !isWeekend(day))
  if (weekend.days.length < fewestWeekendDays || weekdays.days.length < fewestWeekdays) return null
  const line = theilSenLine(series.days, series.values)
  const detrended = (part: DailySeries) => part.values.map((value, i) => value - line.at(part.days[i] ?? 0))
  return {
    weekdays: weekdays.days.length,
    weekendDays: weekend.days.length,
    weekdayMedian: median(weekdays.values),
    weekendMedian: median(weekend.values),
    pValue: rankSumPValue(detrended(weekend), detrended(weekdays)),
  }
}

function withoutWeekend(series: DailySeries, weekendOffset: number): number[] {
  return series.values.map((value, i) => (isWeekend(series.days[i] ?? 0) ? value - weekendOffset : value))
}

function findOutliers(
  series: DailySeries,
  residuals: readonly number[],
  noise: number,
  relevantChange: number,
): Outlier[] {
  if (residuals.length < fewestOutlierDays || noise <= 0) return []
  const days = series.days.map((day, i) => {
    const residual = residuals[i] ?? 0
    const value = series.values[i] ?? 0
    return { day, value, expected: value - residual, distance: residual / noise }
  })
  const farEnough = Math.max(outlierDistance * (1 + 4 / days.length), (2 * relevantChange) / noise)
  const outliers = [
    ...standingApart(
      days.filter(({ distance }) => distance > 0),
      farEnough,
    ),
    ...standingApart(
      days.filter(({ distance }) => distance < 0),
      farEnough,
    ),
  ]
  // Where many days stand apart, none does: the metric has two faces, or hardly any noise.
  return outliers.length <= Math.max(2, days.length / 20) ? outliers.sort((a, b) => a.day - b.day) : []
}

/** Of days on one side of the expected, those beyond the last wide gap. */
function standingApart(days: readonly Outlier[], farEnough: number): Outlier[] {
  const farthestFirst = days.toSorted((a, b) => Math.abs(b.distance) - Math.abs(a.distance) || a.day - b.day)
  const afterGap = farthestFirst.findLastIndex(({ distance }, i) => {
    const next = Math.abs(farthestFirst[i + 1]?.distance ?? 0)
    return Math.abs(distance) >= farEnough && Math.abs(distance) >= outlierGap * next
  })
  return farthestFirst.slice(0, afterGap + 1)
}

function compareWithUsual(
  window: DailySeries,
  usual: DailySeries,
  weekendOffset: number,
  entry: MetricEntry,
): Shift | null {
  const [days, usualDays] = [window.days.length, usual.days.length]
  if (days === 0 || usualDays < fewestUsualDays) return null
  const usualValues = withoutWeekend(usual, weekendOffset)
  const difference = median(withoutWeekend(window, weekendOffset)) - median(usualValues)
  const { spread, degreesOfFreedom } = spreadWithCertainty(usualValues)
  // The spread of few days may be 0 by chance. Where it is, and no scale is known, nothing can be told from chance.
  const noise = Math.max(spread, relevantChangeOf(entry, median(usualValues), spread) / 4)
  // The variance of a median is about pi / 2 that of a mean; of one or two days it is a mean.
  const varianceOfMedian = (count: number) => (count > 2 ? Math.PI / 2 : 1) / count
  const error = noise * Math.sqrt(varianceOfMedian(days) + varianceOfMedian(usualDays))
  const observed = median(window.values)
  return {
    days,
    observed,
    usual: observed - difference,
    usualDays,
    pValue: error > 0 ? studentPValue(difference / error, degreesOfFreedom) : 1,
  }
}

/** Of few days the plain standard deviation: a wild day among them makes the comparison only more careful. */
function spreadWithCertainty(values: readonly number[]): { spread: number; degreesOfFreedom: number } {
  const degreesOfFreedom = values.length - 1
  if (values.length >= fewestMadDays) {
    return { spread: robustSpread(values), degreesOfFreedom: madEfficiency * degreesOfFreedom }
  }
  return { spread: sampleStandardDeviation([...values]), degreesOfFreedom }
}
