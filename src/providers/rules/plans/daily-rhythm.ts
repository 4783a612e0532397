import type { GeneratorDataPoint } from '../../generator.ts'
import { utcDayOf } from '../utc-day.ts'
import { aroundTheClock, type ClockTime, dayMinutes } from './clock-time.ts'
import { usualDay } from './usual-day.ts'

/** When a user sleeps, moves and works, as far as the times of day of what was recorded tell; null for what they do not. */
export interface DailyRhythm {
  wake: ClockTime | null
  sleepHours: number | null
  /** The middle of the hour and a half with the most movement. */
  movement: ClockTime | null
  /** The same of concentrated work. */
  focus: ClockTime | null
  workEnd: ClockTime | null
}

/** On fewer days a time of day is an accident. */
const fewestDays = 3
/** From so many points a day on they show when something was done; a single one shows when the day's total was sent. */
const pointsThroughTheDay = 3
const peakMinutes = 90
const binMinutes = 15

/**
 * Reads sleep as recorded at waking, movement and work as recorded while or right after they happen. Points at midnight
 * exactly are of a source that knows days and no times. All times are in UTC, as the points are.
 */
export function observeRhythm(points: readonly GeneratorDataPoint[]): DailyRhythm {
  const ofMetric = (metric: string) =>
    points.filter(point => point.metric === metric && minuteOf(point) > 0 && Number.isFinite(point.value))
  const movements = ['steps', 'active_minutes', 'distance_meters'].map(ofMetric)
  const work = ofMetric('coding_seconds')
  return {
    wake: usualTime(mainPointOfEachDay(ofMetric('sleep_hours'))),
    sleepHours: usualDay(points, 'sleep_hours'),
    movement: movements.map(peakOf).find(peak => peak !== null) ?? sessionTime(ofMetric('active_minutes')),
    focus: peakOf(work),
    workEnd: usualTime(lastPointOfEachDay(work)),
  }
}

/** Minutes round the clock from one time to another, from -719 to 720. */
export function minutesBetween(from: ClockTime, to: ClockTime): number {
  const distance = aroundTheClock(to - from)
  return distance > dayMinutes / 2 ? distance - dayMinutes : distance
}

/** A session a day is recorded when it ends; late in the evening it is the day's total. */
function sessionTime(points: readonly GeneratorDataPoint[]): ClockTime | null {
  const end = usualTime(mainPointOfEachDay(points))
  return end === null || end > latestSession ? null : end
}
const latestSession = 1_230

function minuteOf({ recordedAt }: GeneratorDataPoint): number {
  return (recordedAt.getTime() / 60_000) % dayMinutes
}

/** The night and not the nap, the run and not the stroll. */
function mainPointOfEachDay(points: readonly GeneratorDataPoint[]): GeneratorDataPoint[] {
  return eachDay(points, (one, other) => (other.value > one.value ? other : one))
}

function lastPointOfEachDay(points: readonly GeneratorDataPoint[]): GeneratorDataPoint[] {
  return eachDay(points, (one, other) => (other.recordedAt > one.recordedAt ? other : one))
}

function eachDay(
  points: readonly GeneratorDataPoint[],
  choose: (one: GeneratorDataPoint, other: GeneratorDataPoint) => GeneratorDataPoint,
): GeneratorDataPoint[] {
  const byDay = Map.groupBy(points, ({ recordedAt }) => utcDayOf(recordedAt))
  return [...byDay.values()].map(ofDay => ofDay.reduce(choose))
}

/** The middle time: the one from which the others lie least far round the clock, for 23:50 and 00:10 have no mean at noon. */
function usualTime(points: readonly GeneratorDataPoint[]): ClockTime | null {
  if (points.length < fewestDays) return null
  const times = points.map(minuteOf).sort((a, b) => a - b)
  const farness = (time: number) =>
    times.reduce((sum, other) => sum + Math.abs(minutesBetween(time, other)), 0)
  const best = times.reduce((one, other) => (farness(other) < farness(one) ? other : one))
  return Math.floor(best)
}

/** Where most of the metric falls on, over all days; null where it is recorded but once or twice a day. */
function peakOf(points: readonly GeneratorDataPoint[]): ClockTime | null {
  const days = new Set(points.map(({ recordedAt }) => utcDayOf(recordedAt))).size
  if (days < fewestDays || points.length / days < pointsThroughTheDay) return null
  const bins = Array.from({ length: dayMinutes / binMinutes }, () => 0)
  for (const point of points) {
    const bin = Math.floor(minuteOf(point) / binMinutes)
    bins[bin] = (bins[bin] ?? 0) + Math.max(0, point.value)
  }
  const width = peakMinutes / binMinutes
  const sums = bins.map((_, i) =>
    Array.from({ length: width }, (_, k) => bins[(i + k) % bins.length] ?? 0).reduce((a, b) => a + b, 0),
  )
  const start = sums.indexOf(Math.max(...sums))
  return aroundTheClock(start * binMinutes + peakMinutes / 2)
}
