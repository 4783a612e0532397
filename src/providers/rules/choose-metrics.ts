import type { GeneratorDataPoint } from '../generator.ts'
import { mostMetrics } from './analysis-result.ts'
import type { ArchetypeReading } from './archetype-weights.ts'
import { findMetricEntry } from './metric-catalogue.ts'

export interface ChosenMetrics {
  /** Metric and its points, the most telling metric first. */
  chosen: [metric: string, points: GeneratorDataPoint[]][]
  leftOutCount: number
}

/** Sorts out the metrics worth a closer look: those that concern the archetype and have the points to tell something. */
export function chooseMetrics(
  points: readonly GeneratorDataPoint[],
  reading: ArchetypeReading,
): ChosenMetrics {
  const byMetric = Map.groupBy(points.filter(isMeasured), point => point.metric)
  const ranked = [...byMetric]
    .map(([metric, own]) => ({
      metric,
      own,
      // By the logarithm of the points: 30 of sleep weigh more than 3,000 of an unknown metric.
      score: reading.families[findMetricEntry(metric).family] * Math.log10(1 + own.length),
    }))
    .sort((a, b) => b.score - a.score || (a.metric < b.metric ? -1 : 1))
  return {
    chosen: ranked.slice(0, mostMetrics).map(({ metric, own }) => [metric, own]),
    leftOutCount: Math.max(0, ranked.length - mostMetrics),
  }
}

function isMeasured(point: GeneratorDataPoint): boolean {
  return Number.isFinite(point.value) && Number.isFinite(point.recordedAt.getTime())
}
