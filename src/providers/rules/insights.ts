import type { InsightDraft, InsightKind } from '../generator.ts'
import { type Advice, adviceFor, neutralAdviceFor } from './advice.ts'
import { fewestTrendDays } from './analyse-metric.ts'
import type { ArchetypeReading } from './archetype-weights.ts'
import { textOf } from './finding-text.ts'
import { type AnalysedMetric, confidenceOf, type Finding } from './findings.ts'
import { findMetricEntry } from './metric-catalogue.ts'
import { daysText, listText, uncapitalised } from './wording.ts'

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
  const insights = [...told, ...recommended, ...steadyRecording(metrics, reading)]
    .sort((a, b) => b.weight * b.confidence - a.weight * a.confidence)
    .slice(0, mostInsights)
  return insights.length > 0 ? insights : [nothingFound(metrics)]
}

/** What to record, one insight a metric, where there is nothing to read yet. */
export function recommendRecording(reading: ArchetypeReading): WeighedInsight[] {
  return reading.recordFirst.slice(0, 3).map((metric, rank) => {
    const { name } = findMetricEntry(metric)
    return {
      kind: 'RECOMMENDATION',
      title: rank === 0 ? `Record your ${name} first` : `Then record your ${name}`,
      body:
        rank === 0
          ? `${reading.advise(`record your ${name} every day for a week`)} Seven days give a first reading, and from ` +
            `two weeks on a direction can be told from chance.`
          : `Beside it, your ${name} tells the most for a ${reading.name}.`,
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
      body: `Your ${listText(names)} ${names.length === 1 ? 'has' : 'have'} data on at least ${fewestDays} of ${daysText(daysInWindow)}. The steadier the record, the surer its reading.`,
      confidence: confidenceOf(fewestDays),
      weight: 0.5 * reading.findings.regularity,
      finding: null,
    },
  ]
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
  return {
    kind: 'STRENGTH',
    title: 'Steady, nothing out of the ordinary',
    body: `Your ${names} stayed within the usual ups and downs over ${daysText(days)} with data.`,
    confidence: confidenceOf(days),
    ...whole,
  }
}
