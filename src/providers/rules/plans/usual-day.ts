import { median } from 'simple-statistics'
import type { GeneratorDataPoint } from '../../generator.ts'
import { recordMetric } from '../daily-series.ts'
import { findMetricEntry } from '../metric-catalogue.ts'

/** The middle value of the days with plausible points of a metric, put together as the analysis does; null without any. */
export function usualDay(points: readonly GeneratorDataPoint[], metric: string): number | null {
  const ofMetric = points.filter(point => point.metric === metric)
  const times = ofMetric.map(({ recordedAt }) => recordedAt.getTime())
  if (times.length === 0) return null
  const window = { from: new Date(Math.min(...times)), to: new Date(Math.max(...times)) }
  const { values } = recordMetric(metric, findMetricEntry(metric), ofMetric, window).series
  return values.length > 0 ? median(values) : null
}
