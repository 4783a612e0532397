import { setImmediate } from 'node:timers/promises'
import { weightedMean } from 'simple-statistics'
import type { AnalysisDraft, AnalysisInput, GenerationContext, Generator } from '../generator.ts'
import { analyseMetric } from './analyse-metric.ts'
import {
  type AnalysisResult,
  type CarriedMetric,
  mostMetrics,
  readCarried,
  toJsonNumber,
} from './analysis-result.ts'
import { type ArchetypeReading, archetypeReadings } from './archetype-weights.ts'
import { chooseMetrics } from './choose-metrics.ts'
import { type MetricRecord, recordMetric } from './daily-series.ts'
import { type AnalysedMetric, confidenceOf, type Finding, findAll } from './findings.ts'
import { drawInsights, kindOf, recommendRecording, type WeighedInsight } from './insights.ts'
import { generateInterviewPrompt } from './interview-prompt.ts'
import { tellLeftOut } from './left-out.ts'
import { createRulesMemory } from './memory/extract-facts.ts'
import { findMetricEntry } from './metric-catalogue.ts'
import { metricResult } from './metric-result.ts'
import { nextStepsFor } from './next-steps.ts'
import { createRulesPlans } from './plans/rules-plans.ts'
import { measureRecording } from './recording.ts'
import { createRulesReplies } from './replies/reply-by-extraction.ts'
import { summarise } from './summary.ts'
import { dayMs, utcDayOf } from './utc-day.ts'

/** Shares of the way: the points sorted out, every metric analysed; what is left is judging and wording. */
const progressAt = { sortedOut: 0.1, analysed: 0.9, done: 1 }

/**
 * The built-in generator: computed from the user's own data points, without a call to anybody. The same input gives the
 * same output, whatever the order of the points; no clock but the window's, no chance.
 */
export function createRulesGenerator(): Generator {
  return {
    name: 'rules',
    generateAnalysis,
    generateInterviewPrompt,
    ...createRulesPlans(),
    ...createRulesMemory(),
    ...createRulesReplies(),
  }
}

async function generateAnalysis(input: AnalysisInput, context: GenerationContext): Promise<AnalysisDraft> {
  context.signal.throwIfAborted()
  const reading = archetypeReadings[input.archetype]
  const carried = carriedInto(input)
  const { chosen, leftOutCount } = chooseMetrics(input.points, reading)
  context.reportProgress(progressAt.sortedOut)

  const silent = [...carried.keys()].filter(metric => !chosen.some(([name]) => name === metric)).sort()
  const records = [...chosen, ...silent.map(metric => [metric, []] as const)].slice(0, mostMetrics)
  const metrics: AnalysedMetric[] = []
  for (const [metric, points] of records) {
    // Other requests get their turn between two metrics, and an abort is seen.
    await setImmediate()
    context.signal.throwIfAborted()
    const record = recordMetric(metric, findMetricEntry(metric), points, input.window)
    metrics.push(analyse(record, carried.get(metric), input))
    const { sortedOut, analysed } = progressAt
    context.reportProgress(sortedOut + (analysed - sortedOut) * (metrics.length / records.length))
  }

  const findings = findAll(metrics, reading)
  const draft = draftOf(input, metrics, findings, reading, leftOutCount)
  context.reportProgress(progressAt.done)
  return draft
}

function carriedInto({ mode, previous, window }: AnalysisInput): Map<string, CarriedMetric> {
  return mode === 'FOLLOW_UP' && previous ? readCarried(previous.result, utcDayOf(window.to)) : new Map()
}

function analyse(
  record: MetricRecord,
  carried: CarriedMetric | undefined,
  { window }: AnalysisInput,
): AnalysedMetric {
  const sameUnit =
    record.entry.nameFixesUnit || !record.unit || !carried?.unit || carried.unit === record.unit
  const usual = carried && sameUnit ? carried.series : { days: [], values: [] }
  return {
    record: { ...record, unit: record.unit ?? carried?.unit ?? null },
    recording: measureRecording(record.recordedDays, window),
    statistics: analyseMetric(record.series, usual, record.entry),
  }
}

function draftOf(
  input: AnalysisInput,
  metrics: readonly AnalysedMetric[],
  findings: readonly Finding[],
  reading: ArchetypeReading,
  metricsLeftOut: number,
): AnalysisDraft {
  const { archetype, mode, window, points } = input
  const windowDays = Math.max(1, Math.round((window.to.getTime() - window.from.getTime()) / dayMs))
  const hasData = metrics.some(({ statistics }) => statistics.series.days.length > 0)
  const insights = hasData
    ? drawInsights(findings, metrics, reading)
    : [...tellLeftOut(metrics), ...recommendRecording(metrics, reading)]
  const nextSteps = nextStepsFor(findings, metrics, reading)
  const byMetric = Map.groupBy(findings, ({ metric }) => metric)
  const result: AnalysisResult = {
    engine: 'rules',
    version: 1,
    archetype,
    mode,
    window: { from: window.from.toISOString(), to: window.to.toISOString(), days: windowDays },
    dataPointCount: points.length,
    overallConfidence: toJsonNumber(overallConfidence(metrics, reading)),
    metrics: Object.fromEntries(
      metrics.map(metric => [
        metric.record.metric,
        metricResult(metric, byMetric.get(metric) ?? [], reading),
      ]),
    ),
    metricsLeftOut,
    focus: findings.map(finding => ({
      metric: finding.metric.record.metric,
      finding: finding.type,
      kind: kindOf(finding),
      judgement: finding.judgement,
      side: finding.side,
      weight: toJsonNumber(finding.weight),
      confidence: toJsonNumber(finding.confidence),
    })),
    nextSteps,
  }
  return {
    summary: summarise(input, windowDays, metrics, findings, reading, nextSteps[0] ?? ''),
    result,
    insights: insights.map(insightDraft),
  }
}

/** How far the window's data carry at all: days per metric, weighed, and whether the archetype's own metrics are there. */
function overallConfidence(metrics: readonly AnalysedMetric[], reading: ArchetypeReading): number {
  const recorded = metrics.filter(({ statistics }) => statistics.windowDays.days.length > 0)
  if (recorded.length === 0) return 0.1
  const known = new Set(recorded.map(({ record }) => record.metric))
  const covered = reading.recordFirst.filter(metric => known.has(metric)).length / reading.recordFirst.length
  const perMetric = recorded.map(({ statistics }) => confidenceOf(statistics.series.days.length))
  const weights = recorded.map(({ record }) => reading.families[record.entry.family])
  return weightedMean(perMetric, weights) * (0.7 + 0.3 * covered)
}

function insightDraft({ kind, title, body, confidence }: WeighedInsight) {
  return { kind, title, body, confidence: Math.round(confidence * 100) / 100 }
}
