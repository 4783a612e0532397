import type { AnalysisMode } from '../../providers/generator.ts'

/** What decides, read in one statement from the analyses of one user and archetype. */
export interface AnalysisFacts {
  now: Date
  latest: { createdAt: Date; newDataPoints: number } | null
}

export interface AnalysisRules {
  /** An analysis no older than this is reused. */
  recentWindowMs: number
  /** So many new data points make a new analysis due. */
  dataPointThreshold: number
}

export type AnalysisDecision =
  | { type: 'new'; mode: AnalysisMode; trigger: 'scheduled' | 'threshold_exceeded' | 'forced' }
  | { type: 'reuse'; source: 'RECENT' | 'CACHED' }

/**
 * Whether a request makes a new analysis. The first row that fits decides:
 *
 * | forced | latest analysis      | new data points | decision                              |
 * | ------ | -------------------- | --------------- | ------------------------------------- |
 * | yes    | none                 | any             | new, INITIAL, forced                  |
 * | yes    | any                  | any             | new, FOLLOW_UP, forced                |
 * | no     | none                 | any             | new, INITIAL, scheduled               |
 * | no     | in the recent window | any             | reuse, RECENT                         |
 * | no     | older                | threshold       | new, FOLLOW_UP, threshold_exceeded    |
 * | no     | older                | fewer           | reuse, CACHED: the latest one         |
 */
export function decideAnalysis(
  facts: AnalysisFacts,
  forced: boolean,
  rules: AnalysisRules,
): AnalysisDecision {
  const { now, latest } = facts
  const mode = latest ? 'FOLLOW_UP' : 'INITIAL'
  if (forced) return { type: 'new', mode, trigger: 'forced' }
  if (!latest) return { type: 'new', mode, trigger: 'scheduled' }
  if (now.getTime() - latest.createdAt.getTime() <= rules.recentWindowMs)
    return { type: 'reuse', source: 'RECENT' }
  if (latest.newDataPoints >= rules.dataPointThreshold)
    return { type: 'new', mode, trigger: 'threshold_exceeded' }
  return { type: 'reuse', source: 'CACHED' }
}

/** `scheduled`, or the decision's name and the time of day in UTC: threshold_exceeded_HHMMSS, forced_HHMMSS. */
export function triggerName(trigger: 'scheduled' | 'threshold_exceeded' | 'forced', at: Date): string {
  return trigger === 'scheduled'
    ? trigger
    : `${trigger}_${at.toISOString().slice(11, 19).replaceAll(':', '')}`
}

const DAY_MS = 86_400_000
const INITIAL_DAYS = 7

/** Where the data of an analysis begins: 7 days back, or at the analysis before it and 1 day back at least. */
export function windowStart(now: Date, previousAt: Date | null): Date {
  if (!previousAt) return new Date(now.getTime() - INITIAL_DAYS * DAY_MS)
  return new Date(Math.min(previousAt.getTime(), now.getTime() - DAY_MS))
}
