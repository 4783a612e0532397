import { parseArgs } from 'node:util'
import { readConfig } from './config.ts'
import { LocalConversationCache } from './domain/conversations/local-conversation-cache.ts'
import {
  type ConsistencyFinding,
  type ConsistencyReport,
  RunConsistencyCheck,
} from './domain/operations/run-consistency-check.ts'
import { explainFailure } from './explain-failure.ts'
import { openDatabase } from './open-database.ts'
import { connectRedis, untilReady } from './redis/client.ts'
import { RedisConversationCache } from './redis/conversation-cache.ts'
import { createLogger } from './shared/logger.ts'
import { createMetrics } from './shared/metrics.ts'

/**
 * `npm run check:consistency`: whether what is stored is whole, beside gateways at work. A line for each thing that is not.
 * Exit code 0: all is well, or was repaired with `--repair`. 1: something is left. 2: it could not be looked.
 */
/** Whoever waits for the answer is at a terminal. */
const REDIS_TIMEOUT_MS = 5000
const USAGE = 'Usage: npm run check:consistency [-- --repair]'

let databaseUrl: string | undefined
try {
  const { repair } = readArguments()
  const report = await check(repair)
  for (const finding of report.findings) console.log(line(finding))
  const left = report.findings.filter(({ count, repaired }) => repaired < count).length
  if (report.findings.length === 0) console.log('ok: nothing is wrong')
  else if (left === 0) console.log('ok: all of it was repaired')
  else
    console.log(
      repair ? 'What is left is for a person to look at.' : 'With --repair, what can be is repaired.',
    )
  process.exitCode = report.healthy ? 0 : 1
} catch (error) {
  console.error(explainFailure(error, databaseUrl) ?? error)
  process.exitCode = 2
}

function readArguments(): { repair: boolean } {
  try {
    const { values } = parseArgs({ options: { repair: { type: 'boolean', default: false } } })
    return values
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`)
    process.exit(2)
  }
}

async function check(repair: boolean): Promise<ConsistencyReport> {
  const config = readConfig()
  databaseUrl = config.databaseUrl
  const logger = createLogger({ level: 'warn', format: config.logFormat })
  const metrics = createMetrics()
  await using database = await openDatabase(config, { poolSize: 2, logger, metrics })
  const { db, transaction } = database
  const redis = config.redisUrl ? connectRedis(config.redisUrl, { role: 'commands', logger }) : undefined
  try {
    if (redis)
      await untilReady(redis, REDIS_TIMEOUT_MS, new AbortController().signal).catch(() =>
        console.error('Redis does not answer: cached conversations are not looked at.'),
      )
    return await new RunConsistencyCheck({
      db,
      transaction,
      conversationCache: redis ? new RedisConversationCache(redis) : new LocalConversationCache(),
      interviewDeadlineMs: config.interviewEnhanceDeadlineMs,
      // A gateway relays them at its next look.
      eventsCommitted: () => {},
      now: () => new Date(),
      metrics,
    }).execute({ repair })
  } finally {
    redis?.disconnect()
  }
}

function line({ check, count, repaired, sampleIds }: ConsistencyFinding): string {
  const ids = sampleIds.length > 0 ? `, such as ${sampleIds.join(', ')}` : ''
  return `${check}: ${count}${repaired > 0 ? `, ${repaired} repaired` : ''}${ids}`
}
