import type { AnalysedMetric } from './findings.ts'
import type { WeighedInsight } from './insights.ts'
import { amountText, countText, listText, numberText } from './wording.ts'

/** More would be read by nobody. */
const mostNamed = 3
/** It is a count, and not a guess. */
const confidence = 0.95
/** A single stray value is worth a word, most of a metric's values more than most else. */
const weights = { least: 0.3, most: 0.9 }

/** Which data points could not be used, and why: one insight at most, and none where all could. */
export function tellLeftOut(metrics: readonly AnalysedMetric[]): WeighedInsight[] {
  const affected = metrics
    .filter(({ record }) => record.leftOutCount > 0)
    .sort((a, b) => shareOf(b) - shareOf(a) || b.record.leftOutCount - a.record.leftOutCount)
  const [worst] = affected
  if (!worst) return []
  const others = affected.length - mostNamed
  const named = affected.slice(0, mostNamed).map(describe)
  const all = others > 0 ? [...named, `some of ${countText(others, 'other metric')}`] : named
  return [
    {
      kind: 'RECOMMENDATION',
      title: 'Some values could not be used',
      body: `Left out of this analysis: ${listText(all)}. Look whether a sensor or a unit is wrong there.`,
      confidence,
      weight: weights.least + (weights.most - weights.least) * shareOf(worst),
      finding: null,
    },
  ]
}

function shareOf({ record }: AnalysedMetric): number {
  return record.leftOutCount / record.pointCount
}

function describe(metric: AnalysedMetric): string {
  const { entry, unit, pointCount, leftOutCount, otherUnitCount } = metric.record
  const implausible = leftOutCount - otherUnitCount
  const { from, to } = entry.plausible
  const reasons = [
    implausible > 0
      ? `${share(implausible, leftOutCount)}outside of ${amountText(metric, from)} to ${amountText(metric, to)}`
      : null,
    otherUnitCount > 0 ? `${share(otherUnitCount, leftOutCount)}in another unit than ${unit}` : null,
  ].filter(reason => reason !== null)
  return `${numberText(leftOutCount, 1)} of ${countText(pointCount, 'value')} of your ${entry.name} (${reasons.join(', ')})`
}

/** Of how many it is said, where not of all. */
function share(count: number, all: number): string {
  return count === all ? '' : `${numberText(count, 1)} `
}
