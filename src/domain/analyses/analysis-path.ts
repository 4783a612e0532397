import { type AnalysisRow, readDecisionFacts } from '../../database/analyses.ts'
import type { Queryable } from '../../database/client.ts'
import { DatabaseAwayError } from '../../database/postgres-errors.ts'
import { GenerationError } from '../../providers/generator.ts'
import type { Archetype } from '../../shared/archetype.ts'
import { type AnalysisRules, decideAnalysis } from './decide-analysis.ts'
import type { RequestAnalysis, RequestAnalysisOutcome } from './request-analysis.ts'

type Source = Extract<RequestAnalysisOutcome, { type: 'result' }>['source']

/** The way of other features to an analysis: the very path of requestAnalysis, with its coalescing and its fallback. */
export function createAnalysisPath(options: {
  db: Queryable
  requestAnalysis: RequestAnalysis
  rules: AnalysisRules
}) {
  const { db, requestAnalysis, rules } = options
  return {
    /** @throws GenerationError where there is no analysis and none could be made. */
    async get(userId: string, archetype: Archetype): Promise<{ analysis: AnalysisRow; source: Source }> {
      const request = {
        ...{ userId, archetype, forceRefresh: false, waitMs: null, idempotencyKey: null },
        isPartOfRun: true,
      }
      const outcome = await requestAnalysis.execute(request)
      switch (outcome.type) {
        case 'result':
          return { analysis: outcome.analysis, source: outcome.source }
        case 'failed':
          throw new GenerationError(outcome.message, { retryable: outcome.retryable })
        case 'unavailable':
          throw new DatabaseAwayError('the database was away while an analysis was asked for')
        default:
          throw new Error(`an analysis was asked for in a way that ends in ${outcome.type}`)
      }
    },

    /** The analysis that `get` would reuse now; undefined where it would make a new one. */
    async peek(
      userId: string,
      archetype: Archetype,
    ): Promise<{ analysisId: string; source: 'RECENT' | 'CACHED' } | undefined> {
      const facts = await readDecisionFacts(db, userId, archetype)
      const decision = decideAnalysis(facts, false, rules)
      return decision.type === 'reuse' && facts.latest
        ? { analysisId: facts.latest.id, source: decision.source }
        : undefined
    },
  }
}
