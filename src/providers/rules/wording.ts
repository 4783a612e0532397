import type { AnalysedMetric } from './findings.ts'
import { dayMs, type UtcDay } from './utc-day.ts'

/** An amount as its user reads it: "7.4 h", "9,810", "58 bpm". */
export function amountText(metric: AnalysedMetric, value: number): string {
  const { display } = metric.record.entry
  const shown = value / display.divideBy
  const unit = display.unit || recordedUnit(metric)
  return [numberText(shown, stepOf(metric)), unit].filter(Boolean).join(' ')
}

/** What amounts are rounded to: as the catalogue has it, and finer where that would hide a change worth telling. */
function stepOf({ record, statistics }: AnalysedMetric): number {
  const { roundTo, divideBy } = record.entry.display
  const told = statistics.relevantChange / divideBy
  let step = roundTo
  while (told > smallestShown && step > told) step /= 10
  return step
}

/** How far apart two amounts are, as their user reckons it from the two as shown. */
export function differenceText(metric: AnalysedMetric, a: number, b: number): string {
  const step = stepOf(metric) * metric.record.entry.display.divideBy
  const shown = (value: number) =>
    step > 0 ? Math.round(value / step) * step : Number(value.toPrecision(significantDigits))
  return amountText(metric, Math.abs(shown(a) - shown(b)))
}

/** Smaller ones are 0 to their reader, and would be written as a row of zeros. */
const smallestShown = 1e-6

const significantDigits = 3

/** @param roundTo 0: three significant digits */
export function numberText(value: number, roundTo: number): string {
  if (Math.abs(value) < smallestShown) return '0'
  if (roundTo === 0) return format(value, { maximumSignificantDigits: significantDigits })
  const rounded = Math.round(value / roundTo) * roundTo
  return format(rounded, { maximumFractionDigits: Math.max(0, Math.ceil(-Math.log10(roundTo))) })
}

export function daysText(days: number): string {
  return days === 1 ? '1 day' : `${days} days`
}

/** "the last day", "the last 7 days". */
export function lastDaysText(days: number): string {
  return days === 1 ? 'the last day' : `the last ${days} days`
}

export function countText(count: number, noun: string): string {
  return `${numberText(count, 1)} ${count === 1 ? noun : `${noun}s`}`
}

/** 3 January 2026. */
export function dateText(day: UtcDay): string {
  const date = new Date(day * dayMs)
  return `${date.getUTCDate()} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()}`
}

/** "sleep", "sleep and mood", "sleep, mood and steps". */
export function listText(items: readonly string[]): string {
  const last = items.at(-1) ?? ''
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`
}

export function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

/** For a title that goes on a sentence. */
export function uncapitalised(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1)
}

const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

/** A unit is whatever its source wrote; a sentence takes a short one only. */
function recordedUnit(metric: AnalysedMetric): string {
  const { entry, unit } = metric.record
  return entry.nameFixesUnit || unit === null || unit.length > 12 ? '' : unit
}

function format(value: number, options: Intl.NumberFormatOptions): string {
  // Adding 0 turns -0, which would be written as "-0", into 0.
  return new Intl.NumberFormat('en-US', options).format(value + 0)
}
