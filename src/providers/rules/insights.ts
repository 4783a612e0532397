import { quantile } from 'simple-statistics'
import type { InsightDraft, InsightKind } from '../generator.ts'
import { type Advice, adviceFor, neutralAdviceFor } from './advice.ts'
import { fewestTrendDays } from './analyse-metric.ts'
import type { ArchetypeReading } from './archetype-weights.ts'
import { textOf } from './finding-text.ts'
import { type AnalysedMetric, confidenceOf, type Finding } from './findings.ts'
import { tellLeftOut } from './left-out.ts'
import { findMetricEntry } from './metric-catalogue.ts'
import { amountText, capitalised, daysText, listText, uncapitalised } from './wording.ts'

export interface WeighedInsight extends InsightDraft {
  /** How much it concerns the archetype, 0 to 1. */
  weight: number
  /** What it tells of; null where it tells of the recording as a whole. */
  finding: Finding | null
}

/** More is not read. */
const mostInsights = 12
const mostRecommendations = 3
/** The share of days with data from which recording is called steady. */
const steadyCoverage = 0.85
/** A recommendation rests on a finding and on the guess that the action helps. */
const actionDiscount = 0.9

/** Most important first: by weight times confidence. Never empty. */
export function drawInsights(
  findings: readonly Finding[],
  metrics: readonly AnalysedMetric[],
  reading: ArchetypeReading,
): WeighedInsight[] {
  const told = findings.map(tell)
  const recommended = recommendedFindings(findings).map(finding => recommend(finding, reading))
  const leftOut = tellLeftOut(metrics)
  const found = [...told, ...recommended, ...steadyRecording(metrics, reading)]
    .sort(byWeight)
    .slice(0, mostInsights - leftOut.length)
  return [...(found.length > 0 ? found : [nothingFound(metrics)]), ...leftOut].sort(byWeight)
}

function byWeight(a: WeighedInsight, b: WeighedInsight): number {
  return b.weight * b.confidence - a.weight * a.confidence
}

/** What to record, one insight a metric, where there is nothing to read yet. */
export function recommendRecording(
  metrics: readonly AnalysedMetric[],
  reading: ArchetypeReading,
): WeighedInsight[] {
  const known = new Set(metrics.map(({ record }) => record.metric))
  const missing = reading.recordFirst.filter(metric => !known.has(metric))
  return missing.slice(0, 3).map((metric, rank) => {
    const { name } = findMetricEntry(metric)
    return {
      kind: 'RECOMMENDATION',
      title: rank === 0 ? `Record your ${name} first` : `Then record your ${name}`,
      body:
        rank === 0
          ? `${reading.advise(`record your ${name} every day for a week`)} Seven days give a first reading, and from ` +
            `two weeks on a direction can be told from chance.`
          : `Beside it, nothing tells more for a ${reading.name} than your ${name}.`,
      confidence: 0.3 - 0.05 * rank,
      weight: 1,
      finding: null,
    }
  })
}

/** A direction is told as a trend, be it good or bad; a state by what it means to this archetype. */
export function kindOf({ type, judgement }: Finding): InsightKind {
  if (type === 'trend') return 'TREND'
  if (judgement === 'good') return 'STRENGTH'
  return judgement === 'bad' ? 'RISK' : 'RECOMMENDATION'
}

/** The bad ones that get an advice, the most important first, and no advice twice. */
export function recommendedFindings(findings: readonly Finding[]): Finding[] {
  const byAdvice = new Map<Advice, Finding>()
  for (const finding of findings) {
    const advice = adviceFor(finding)
    if (finding.judgement === 'bad' && !byAdvice.has(advice)) byAdvice.set(advice, finding)
  }
  return [...byAdvice.values()].slice(0, mostRecommendations)
}

function tell(finding: Finding): WeighedInsight {
  const { title, body } = textOf(finding)
  const advice = finding.judgement === 'neutral' ? neutralAdviceFor(finding.type) : null
  return {
    kind: kindOf(finding),
    title: advice ? advice.title(finding.metric.record.entry.name) : title,
    body: advice ? `${body} ${advice.sentence}` : body,
    confidence: finding.confidence,
    weight: finding.weight,
    finding,
  }
}

function recommend(finding: Finding, reading: ArchetypeReading): WeighedInsight {
  const { title, action } = adviceFor(finding)
  return {
    kind: 'RECOMMENDATION',
    title,
    body: `${reading.advise(action)} The reason: ${uncapitalised(textOf(finding).title)}.`,
    confidence: actionDiscount * finding.confidence,
    weight: finding.weight,
    finding,
  }
}

function steadyRecording(metrics: readonly AnalysedMetric[], reading: ArchetypeReading): WeighedInsight[] {
  const daily = metrics.filter(
    ({ record, recording }) => record.entry.everyDay && recording.daysInWindow >= 7,
  )
  const steady = daily.filter(({ recording }) => recording.coverage >= steadyCoverage)
  if (steady.length === 0 || steady.length < daily.length) return []
  const names = steady.map(({ record }) => record.entry.name).sort()
  const fewestDays = Math.min(...steady.map(({ recording }) => recording.daysRecorded))
  const daysInWindow = Math.max(...steady.map(({ recording }) => recording.daysInWindow))
  return [
    {
      kind: 'STRENGTH',
      title: 'You record steadily',
      body: `Your ${listText(names)} came in on at least ${fewestDays} of ${daysText(daysInWindow)}. The steadier the record, the surer its reading.`,
      confidence: confidenceOf(fewestDays),
      weight: 0.5 * reading.findings.regularity,
      finding: null,
    },
  ]
}

/** Where single wild days hardly count. */
const usualRange = [0.1, 0.9]
/** What differs by so many changes worth telling from one day to the next is not steady. */
const restlessFrom = 2

function isRestless(metric: AnalysedMetric): boolean {
  return restlessness(metric) > restlessFrom
}

function restlessness({ record: { entry }, statistics: { spread, median } }: AnalysedMetric): number {
  const { amount, share } = entry.relevantChange
  const worthTelling = Math.max(amount, share * Math.abs(median))
  return spread === 0 ? 0 : spread / worthTelling
}

function nothingFound(metrics: readonly AnalysedMetric[]): WeighedInsight {
  const recorded = metrics.filter(({ statistics }) => statistics.windowDays.days.length > 0)
  const days = Math.max(0, ...recorded.map(({ statistics }) => statistics.series.days.length))
  const names = listText(
    (recorded.length > 0 ? recorded : metrics).slice(0, 3).map(({ record }) => record.entry.name),
  )
  const whole = { weight: 1, finding: null }
  if (recorded.length === 0) {
    return {
      kind: 'RECOMMENDATION',
      title: 'Pick up recording again',
      body: `Nothing new has come in since your last analysis. What is usual for your ${names} stays known for when it does.`,
      confidence: 0.2,
      ...whole,
    }
  }
  if (days < fewestTrendDays) {
    return {
      kind: 'RECOMMENDATION',
      title: 'Keep recording',
      body:
        `So far there ${days === 1 ? 'is' : 'are'} ${daysText(days)} of data on your ${names}. ` +
        `From two weeks on a direction can be told from chance.`,
      confidence: Math.min(0.3, confidenceOf(days)),
      ...whole,
    }
  }
  const [restless] = recorded.filter(isRestless).sort((a, b) => restlessness(b) - restlessness(a))
  if (restless) {
    const { series } = restless.statistics
    const [low, high] = quantile([...series.values], usualRange)
    return {
      kind: 'RECOMMENDATION',
      title: `${capitalised(restless.record.entry.name)} up and down, without a direction`,
      body:
        `Over ${daysText(series.days.length)} with data your ${restless.record.entry.name} came to anything from ` +
        `${amountText(restless, low ?? 0)} to ${amountText(restless, high ?? 0)}, without rising or falling. Look for ` +
        `what the high days have in common, and what the low ones.`,
      confidence: confidenceOf(series.days.length),
      ...whole,
    }
  }
  return {
    kind: 'STRENGTH',
    title: 'Steady, nothing out of the ordinary',
    body: `Your ${names} stayed within the usual ups and downs over ${daysText(days)} with data.`,
    confidence: confidenceOf(days),
    ...whole,
  }
}
