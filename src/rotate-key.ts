import { readConfig } from './config.ts'
import { rotateKey } from './domain/accounts/rotate-key.ts'
import { explainFailure } from './explain-failure.ts'
import { addKeptKey, loadSealingKeys } from './load-sealing-keys.ts'
import { openDatabase } from './open-database.ts'
import { createLogger } from './shared/logger.ts'
import { createMetrics } from './shared/metrics.ts'
import { UnknownKeyError } from './shared/sealing-keys.ts'

/**
 * `npm run rotate-key`: seals all stored tokens with the newest key, which is the first of ENCRYPTION_KEY; without that
 * setting, one that is made here and kept in DATA_DIR. Gateways may be at work. docs/operating.md tells the steps.
 */
let databaseUrl: string | undefined

try {
  await main()
} catch (error) {
  const known = error instanceof UnknownKeyError ? unknownKey(error) : explainFailure(error, databaseUrl)
  console.error(known ?? error)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const config = readConfig()
  databaseUrl = config.databaseUrl
  const logger = createLogger({ level: config.logLevel, format: config.logFormat })
  const metrics = createMetrics()
  await using database = await openDatabase(config, { poolSize: 2, logger, metrics })
  const { db, transaction } = database
  if (!config.encryptionKeys) await addKeptKey(config.dataDir)
  const keys = await loadSealingKeys(config)
  const { resealed, left } = await rotateKey({ db, transaction, keys })
  console.log(`${resealed} accounts are sealed with the key ${keys.keyId} now.`)
  if (left > 0)
    console.log(`${left} were sealed with an older one meanwhile: restart the gateways and run this again.`)
}

function unknownKey(error: UnknownKeyError): string {
  return `A token cannot be opened: ${error.message}. Put the older key behind the newest in ENCRYPTION_KEY, with a comma.`
}
