/**
 * A gateway as a process of its own, for tests that kill and pause one: `src/main.ts` with a generator that asks the
 * test. Its argument holds the settings as JSON; it prints a line of JSON when it is ready, drains on SIGTERM, and ends
 * when its input does, which is when the test's process is gone.
 */
import { flushCompileCache } from 'node:module'
import { readConfig } from '../../src/config.ts'
import { startGateway } from '../../src/gateway.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { SealingKeys } from '../../src/shared/sealing-keys.ts'
import { HttpGenerator } from './process-http-generator.ts'

export interface ProcessGatewayArgument {
  instance: string
  providerUrl: string
  settings: Record<string, string>
}

export interface ProcessGatewayReady {
  url: string
  /** The clock of the process, which may be a wrong one. */
  now: number
}

process.stdin.resume()
process.stdin.once('end', () => process.exit(1))

const { instance, providerUrl, settings } = JSON.parse(process.argv[2] ?? '{}') as ProcessGatewayArgument
const config = readConfig(settings, false)
const stopping = new Promise<void>(resolve => process.once('SIGTERM', () => resolve()))
const gateway = await startGateway({
  config,
  openDatabase: async () => ({ url: config.databaseUrl ?? '' }),
  jwtSecret: config.jwt.secret,
  sealingKeys: await SealingKeys.load(
    async () => config.encryptionKeys ?? [Buffer.alloc(32, 'k').toString('base64')],
  ),
  generator: new HttpGenerator({ url: providerUrl, instance }),
  logger: createLogger({ level: config.logLevel, format: 'json', destination: process.stderr }),
  metrics: createMetrics(),
})
const ready: ProcessGatewayReady = { url: gateway.url, now: Date.now() }
process.stdout.write(`${JSON.stringify(ready)}\n`)
// Otherwise written at the end, which a process that is killed does not come to.
flushCompileCache()
await stopping
await gateway.close()
process.exit(0)
