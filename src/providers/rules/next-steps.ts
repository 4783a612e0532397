import { adviceFor } from './advice.ts'
import type { AnalysisResult } from './analysis-result.ts'
import type { ArchetypeReading } from './archetype-weights.ts'
import { isAllLeftOut } from './daily-series.ts'
import type { AnalysedMetric, Finding } from './findings.ts'
import { recommendedFindings } from './insights.ts'
import { findMetricEntry } from './metric-catalogue.ts'
import { capitalised } from './wording.ts'

const mostSteps = 5

/** What to do, each a sentence, the most important first and never none: act on what is bad, then record what is missing. */
export function nextStepsFor(
  findings: readonly Finding[],
  metrics: readonly AnalysedMetric[],
  reading: ArchetypeReading,
): AnalysisResult['nextSteps'] {
  const actions = recommendedFindings(findings).map(finding => adviceFor(finding).action)
  const unreadable = metrics
    .filter(({ record }) => isAllLeftOut(record))
    .map(({ record }) => `check in which unit your ${record.entry.name} is sent`)
  const irregular = findings
    .filter(({ type }) => type === 'regularity')
    .map(({ metric }) => `record your ${metric.record.entry.name} on most days`)
  const known = new Set(metrics.map(({ record }) => record.metric))
  const missing = reading.recordFirst
    .filter(metric => !known.has(metric))
    .map(metric => `record your ${findMetricEntry(metric).name} every day`)
  const steps = [...new Set([...actions, ...unreadable, ...irregular, ...missing])].slice(0, mostSteps)
  if (steps.length === 0) steps.push('keep recording as you do, and look again in a week')
  return steps.map(step => `${capitalised(step)}.`)
}
