import { readConfig } from '../src/config.ts'
import { ensureUser } from '../src/database/users.ts'
import { recordDataPoints } from '../src/domain/data-points/record-data-points.ts'
import { explainFailure } from '../src/explain-failure.ts'
import { DEMO_USER } from '../src/http/token.ts'
import { openDatabase } from '../src/open-database.ts'
import { createLogger } from '../src/shared/logger.ts'
import { createMetrics } from '../src/shared/metrics.ts'
import { createDemoDataPoints } from './demo-data.ts'

/** `npm run seed`: 90 days of data points for the user of the development token. Run again, it adds what is new. */
let databaseUrl: string | undefined
try {
  await seed()
} catch (error) {
  const known = explainFailure(error, databaseUrl)
  if (known === undefined) throw error
  console.error(`\n${known}\n`)
  process.exitCode = 1
}

async function seed(): Promise<void> {
  const config = readConfig()
  databaseUrl = config.databaseUrl
  const logger = createLogger({ level: 'warn', format: config.logFormat })
  const metrics = createMetrics()
  await using database = await openDatabase(config, { poolSize: 1, logger, metrics })
  const { db, transaction } = database
  const user = await ensureUser(db, config.jwt.issuer ?? '', DEMO_USER.subject, DEMO_USER.email)
  const now = () => new Date()
  const outcome = await recordDataPoints(
    { transaction, now },
    user.id,
    createDemoDataPoints({ until: now() }),
  )
  if (outcome.type === 'invalid-input') throw new Error(JSON.stringify(outcome.issues))
  console.log(
    `${outcome.stored} data points stored for ${user.email}, ${outcome.duplicates} were there before`,
  )
}
