import { readConfig } from '../../src/config.ts'
import { type Coordination, createCoordination } from '../../src/coordination/coordination.ts'
import { createDatabaseClient, type DatabaseClient } from '../../src/database/client.ts'
import { createRunTransaction, type RunTransaction } from '../../src/database/transaction.ts'
import { createAnalysisPath } from '../../src/domain/analyses/analysis-path.ts'
import { RequestAnalysis } from '../../src/domain/analyses/request-analysis.ts'
import { GeneratePlan } from '../../src/domain/plans/generate-plan.ts'
import { startsAtOnce } from '../../src/features.ts'
import type { Generator } from '../../src/providers/generator.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { FewAtOnce } from '../../src/shared/few-at-once.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'

export interface BenchInstance {
  readonly client: DatabaseClient
  readonly transaction: RunTransaction
  readonly coordination: Coordination
  readonly requestAnalysis: RequestAnalysis
  readonly generatePlan: GeneratePlan
  close(): Promise<void>
}

/** An instance without its HTTP server: what is measured is the coalescing, not 10,000 sockets. */
export async function startBenchInstance(databaseUrl: string, generator: Generator): Promise<BenchInstance> {
  const config = readConfig({ DATABASE_URL: databaseUrl }, false)
  const logger = createLogger({ level: 'warn', format: 'json' })
  const metrics = createMetrics()
  const client = createDatabaseClient({
    url: databaseUrl,
    poolSize: config.databasePoolSize,
    lockTimeoutMs: config.lockTimeoutMs,
    logger,
    metrics,
  })
  const transaction = createRunTransaction(client, { logger, metrics })
  const coordination = await createCoordination({
    config,
    databaseUrl,
    client,
    transaction,
    clock: systemClock,
    logger,
    metrics,
  })
  const rules = {
    recentWindowMs: config.recentAnalysisMinutes * 60_000,
    dataPointThreshold: config.dataPointThreshold,
  }
  const starts = new FewAtOnce({ ...startsAtOnce(config.databasePoolSize), clock: systemClock })
  const requestAnalysis = new RequestAnalysis({
    db: client,
    starts,
    runOnce: coordination.runOnce,
    generator,
    rules,
    logger,
    metrics,
  })
  const generatePlan = new GeneratePlan({
    db: client,
    starts,
    runOnce: coordination.runOnce,
    generator,
    analyses: createAnalysisPath({ db: client, requestAnalysis, rules }),
    recentWindowMs: rules.recentWindowMs,
    eventsCommitted: () => {},
    logger,
    metrics,
  })
  return {
    client,
    transaction,
    coordination,
    requestAnalysis,
    generatePlan,
    async close() {
      await coordination.close()
      await client.close()
    },
  }
}
