import {
  errorFunction,
  mean,
  median,
  medianAbsoluteDeviation,
  sampleCorrelation,
  wilcoxonRankSum,
} from 'simple-statistics'

/** What makes a median absolute deviation, and a mean one, comparable with the standard deviation of normal noise. */
const sigmaPerMad = 1.4826
const sigmaPerMeanDeviation = 1.2533

/**
 * The noise of a series in the scale of a standard deviation, blind to a few wild values. Where more than half of the
 * values are equal the median deviation is 0 and says nothing; the mean deviation stands in.
 */
export function robustSpread(values: readonly number[]): number {
  if (values.length < 2) return 0
  const sample = [...values]
  const mad = medianAbsoluteDeviation(sample)
  if (mad > 0) return sigmaPerMad * mad
  const centre = median(sample)
  return sigmaPerMeanDeviation * mean(sample.map(value => Math.abs(value - centre)))
}

export interface Line {
  slope: number
  at(x: number): number
}

/**
 * The line whose slope is the median of the slopes of all pairs: up to 29 % of the values may be wild without moving
 * it far. Quadratic in the number of values. Theil 1950, Sen 1968.
 * @param xs rising, no two equal
 */
export function theilSenLine(xs: readonly number[], ys: readonly number[]): Line {
  const slopes: number[] = []
  for (const [i, x] of xs.entries()) {
    for (let j = i + 1; j < xs.length; j++) slopes.push(((ys[j] ?? 0) - (ys[i] ?? 0)) / ((xs[j] ?? 0) - x))
  }
  const slope = slopes.length > 0 ? median(slopes) : 0
  const origin = xs[0] ?? 0
  const offset = ys.length > 0 ? median(ys.map((y, i) => y - slope * ((xs[i] ?? 0) - origin))) : 0
  return { slope, at: x => offset + slope * (x - origin) }
}

/**
 * How likely a series without a trend would rise or fall as steadily as this one: two-sided, corrected for ties.
 * @param varianceFactor above 1 where neighbouring values resemble each other and so say less than their number
 */
export function mannKendallPValue(values: readonly number[], varianceFactor = 1): number {
  let score = 0
  for (const [i, earlier] of values.entries()) {
    for (let j = i + 1; j < values.length; j++) score += Math.sign((values[j] ?? 0) - earlier)
  }
  const n = values.length
  const spreadOf = (count: number) => count * (count - 1) * (2 * count + 5)
  let variance = spreadOf(n)
  for (const ties of tieSizes(values)) variance -= spreadOf(ties)
  variance = (variance / 18) * varianceFactor
  return variance > 0 ? twoSidedPValue(Math.max(0, Math.abs(score) - 1) / Math.sqrt(variance)) : 1
}

/**
 * How likely two samples of the same kind would lie as far apart as these; normal approximation, which a handful of
 * values in each already satisfies. Mann, Whitney 1947.
 */
export function rankSumPValue(sample: readonly number[], other: readonly number[]): number {
  const [n, m] = [sample.length, other.length]
  if (n === 0 || m === 0) return 1
  const distance = Math.abs(wilcoxonRankSum([...sample], [...other]) - (n * (n + m + 1)) / 2)
  return twoSidedPValue(Math.max(0, distance - 0.5) / Math.sqrt((n * m * (n + m + 1)) / 12))
}

/**
 * By how much the resemblance of neighbours inflates the variance of a trend statistic: (1 + r) / (1 - r) for a lag-one
 * correlation r of the residuals, at least 1. After Bayley and Hammersley 1946; for the trend test Hamed and Rao 1998.
 */
export function neighbourVarianceFactor(xs: readonly number[], residuals: readonly number[]): number {
  const before: number[] = []
  const after: number[] = []
  for (let i = 1; i < xs.length; i++) {
    if ((xs[i] ?? 0) - (xs[i - 1] ?? 0) !== 1) continue
    before.push(residuals[i - 1] ?? 0)
    after.push(residuals[i] ?? 0)
  }
  if (before.length < 8) return 1
  const measured = sampleCorrelation(before, after)
  if (!Number.isFinite(measured)) return 1
  // A short series understates its own correlation (Marriott and Pope 1954), and a fitted line takes some of it away.
  const correlation = Math.min(0.9, Math.max(0, measured + (2 + 4 * measured) / before.length))
  return (1 + correlation) / (1 - correlation)
}

export function twoSidedPValue(z: number): number {
  return Math.max(0, 1 - errorFunction(Math.abs(z) / Math.SQRT2))
}

/**
 * The same for a distance measured by a spread that is itself estimated, with so many degrees of freedom: Student's t,
 * by the normal approximation of Wallace 1959, good to a few percent from two degrees on.
 */
export function studentPValue(t: number, degreesOfFreedom: number): number {
  const df = degreesOfFreedom
  return twoSidedPValue(Math.sqrt(df * Math.log1p((t * t) / df)) * ((8 * df + 1) / (8 * df + 3)))
}

/**
 * Which of several tests hold while the chance of even one false one stays below alpha. In the order given. Holm 1979.
 */
export function holdsTogether(pValues: readonly number[], alpha: number): boolean[] {
  const holds = pValues.map(() => false)
  const order = pValues.map((pValue, index) => ({ pValue, index })).sort((a, b) => a.pValue - b.pValue)
  for (const [rank, { pValue, index }] of order.entries()) {
    if (pValue > alpha / (order.length - rank)) break
    holds[index] = true
  }
  return holds
}

function tieSizes(values: readonly number[]): number[] {
  const sizes = new Map<number, number>()
  for (const value of values) sizes.set(value, (sizes.get(value) ?? 0) + 1)
  return [...sizes.values()].filter(size => size > 1)
}
