import { dayMs, type UtcDay, utcDayOf } from './utc-day.ts'

/** How regularly a metric was recorded over the window. */
export interface Recording {
  daysRecorded: number
  daysInWindow: number
  /** daysRecorded / daysInWindow, 0 to 1. */
  coverage: number
  /** Days in a row without a value, also before the first and after the last. */
  longestGapDays: number
}

/**
 * The window begins and ends within a day: a value on such a cut day counts, the lack of one is no gap.
 * @param days rising
 */
export function measureRecording(days: readonly UtcDay[], window: { from: Date; to: Date }): Recording {
  const daysInWindow = Math.max(1, Math.round((window.to.getTime() - window.from.getTime()) / dayMs))
  const firstWhole = Math.ceil(window.from.getTime() / dayMs)
  const afterLastWhole = utcDayOf(window.to)
  let longestGapDays = 0
  let previous = firstWhole - 1
  for (const day of [...days, afterLastWhole]) {
    longestGapDays = Math.max(longestGapDays, day - previous - 1)
    previous = day
  }
  const daysRecorded = Math.min(daysInWindow, days.length)
  return { daysRecorded, daysInWindow, coverage: daysRecorded / daysInWindow, longestGapDays }
}
