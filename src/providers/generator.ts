import type { Archetype } from '../shared/archetype.ts'
import type { JsonValue } from '../shared/json.ts'
import type { InterviewPromptGenerator } from './interview-prompt.ts'
import type { MemoryGenerator } from './memory.ts'
import type { PlanGenerator } from './plan.ts'
import type { ReplyGenerator } from './reply.ts'

/** INITIAL: the first analysis of a user and archetype. FOLLOW_UP: a later one. */
export const analysisModes = ['INITIAL', 'FOLLOW_UP'] as const
export type AnalysisMode = (typeof analysisModes)[number]

export const insightKinds = ['STRENGTH', 'RISK', 'TREND', 'RECOMMENDATION'] as const
export type InsightKind = (typeof insightKinds)[number]

/** One measurement of the user, as recorded by a source. */
export interface GeneratorDataPoint {
  metric: string
  value: number
  unit: string | null
  recordedAt: Date
}

export interface AnalysisInput {
  archetype: Archetype
  mode: AnalysisMode
  /** What the points were selected by; `to` is the instant of the read, by the database's clock. */
  window: { from: Date; to: Date }
  /** Ordered by metric, then recordedAt. */
  points: readonly GeneratorDataPoint[]
  /** The analysis before this one, of the same user and archetype; its `result` is what a generator once returned. */
  previous: { result: JsonValue; createdAt: Date } | null
}

export interface InsightDraft {
  kind: InsightKind
  title: string
  body: string
  /** 0 to 1. */
  confidence: number
}

export interface AnalysisDraft {
  summary: string
  result: { [key: string]: JsonValue }
  insights: InsightDraft[]
}

export interface GenerationContext {
  /** Aborted when the run has lost its lease or the gateway shuts down; work after that is thrown away. */
  signal: AbortSignal
  /** How far the generation is, 0 to 1; a lower value than before is ignored. */
  reportProgress(fraction: number): void
}

/**
 * The port to whatever makes the expensive answers. One call of a method is one provider call: it is counted, paid
 * for, and never made inside a database transaction.
 * @throws GenerationError where the provider failed; any other error is treated as not retryable.
 */
export interface Generator extends PlanGenerator, InterviewPromptGenerator, MemoryGenerator, ReplyGenerator {
  readonly name: string
  /**
   * How long a generation may take in all, where one provider call may take `callTimeoutMs`: retries and corrections come
   * on top. Left out: as long as one call.
   */
  longestGenerationMs?(callTimeoutMs: number): number
  generateAnalysis(input: AnalysisInput, context: GenerationContext): Promise<AnalysisDraft>
}

/** A provider's failure, in words its user may read. */
export class GenerationError extends Error {
  override readonly name = 'GenerationError'
  readonly retryable: boolean
  constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.retryable = options.retryable
  }
}
