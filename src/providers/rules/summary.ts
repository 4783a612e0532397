import type { AnalysisInput } from '../generator.ts'
import { fewestTrendDays } from './analyse-metric.ts'
import type { ArchetypeReading } from './archetype-weights.ts'
import { textOf } from './finding-text.ts'
import type { AnalysedMetric, Finding } from './findings.ts'
import { countText, lastDaysText, numberText, uncapitalised } from './wording.ts'

/** Two to four sentences: what was read, what stands out, what goes well, what to do first. */
export function summarise(
  input: AnalysisInput,
  windowDays: number,
  metrics: readonly AnalysedMetric[],
  findings: readonly Finding[],
  reading: ArchetypeReading,
  firstStep: string,
): string {
  return [
    whatWasRead(input, windowDays, metrics, reading),
    ...whatWasFound(findings, metrics),
    `First step: ${firstStep}`,
  ].join(' ')
}

function whatWasRead(
  { points, mode, window }: AnalysisInput,
  windowDays: number,
  metrics: readonly AnalysedMetric[],
  reading: ArchetypeReading,
): string {
  const recorded = metrics.filter(({ record }) => record.pointCount > 0).length
  if (points.length === 0) {
    return mode === 'FOLLOW_UP' && metrics.length > 0
      ? 'No new data points have arrived since your last analysis, so what is usual for you stands as it was.'
      : `There are no data points of ${lastDaysText(windowDays)} yet to read for a ${reading.name}.`
  }
  const late = points.filter(({ recordedAt }) => recordedAt <= window.from).length
  const leftOut = metrics.reduce((count, { record }) => count + record.leftOutCount, 0)
  return [
    `Read for a ${reading.name}: ${countText(points.length, 'data point')} in ${countText(recorded, 'metric')} from ${lastDaysText(windowDays)}`,
    late > 0 ? `, ${numberText(late, 1)} of them recorded earlier and received since your last analysis` : '',
    leftOut > 0 ? `; ${numberText(leftOut, 1)} left out as implausible or in another unit` : '',
    '.',
  ].join('')
}

function whatWasFound(findings: readonly Finding[], metrics: readonly AnalysedMetric[]): string[] {
  const concern = findings.find(({ judgement }) => judgement === 'bad')
  const strength = findings.find(({ judgement }) => judgement === 'good')
  const other = findings.find(({ type, judgement }) => judgement === 'neutral' && type !== 'regularity')
  const sentences = [
    concern ? `What matters most: ${uncapitalised(textOf(concern).title)}.` : null,
    strength ? `What goes well: ${uncapitalised(textOf(strength).title)}.` : null,
    !concern && !strength && other ? `What stands out: ${uncapitalised(textOf(other).title)}.` : null,
  ].filter(sentence => sentence !== null)
  const recorded = metrics.filter(({ statistics }) => statistics.windowDays.days.length > 0)
  if (sentences.length > 0 || recorded.length === 0) return sentences
  const days = Math.max(...recorded.map(({ statistics }) => statistics.series.days.length))
  return [
    days < fewestTrendDays
      ? 'That is early days, and nothing stands out yet.'
      : 'Nothing stands out from your usual ups and downs.',
  ]
}
