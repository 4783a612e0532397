import { SignJWT } from 'jose'
import { type Config, readConfig } from '../../src/config.ts'
import { type Gateway, startGateway } from '../../src/gateway.ts'
import type { Generator } from '../../src/providers/generator.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics, type Metrics } from '../../src/shared/metrics.ts'
import { SealingKeys } from '../../src/shared/sealing-keys.ts'

export const TEST_SECRET = 'a secret that is long enough for HS256'

/** 32 bytes as base64. */
export const TEST_KEY = Buffer.alloc(32, 'k').toString('base64')

export interface TestGateway extends Gateway {
  readonly metrics: Metrics
}

/** A gateway in this process, on a free port, with the settings that the test names. Several may share one database. */
export async function startTestGateway(options: {
  databaseUrl: string
  generator: Generator
  /** Where its log goes; nowhere where the level is silent. */
  logTo?: NodeJS.WritableStream
  settings?: Record<string, string>
  config?: Partial<Config>
}): Promise<TestGateway> {
  const settings = {
    PORT: '0',
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
    JWT_SECRET: TEST_SECRET,
    ENCRYPTION_KEY: TEST_KEY,
    // Nobody's: a test that wants a provider brings one.
    STRAVA_API_URL: 'http://127.0.0.1:1',
    WAKATIME_API_URL: 'http://127.0.0.1:1',
    ACCOUNT_SYNC_MINUTES: '0',
    // Thousands of callers come from one address here: a test that wants limits sets them.
    RATE_LIMIT_PRINCIPAL: '0',
    RATE_LIMIT_ADDRESS: '0',
    RATE_LIMIT_GENERATIONS: '0',
    ...options.settings,
  }
  const config = {
    ...readConfig({ ...settings, DATABASE_URL: options.databaseUrl }, false),
    ...options.config,
  }
  const metrics = createMetrics()
  const gateway = await startGateway({
    config,
    openDatabase: async () => ({ url: options.databaseUrl }),
    jwtSecret: config.jwt.jwksUrl === undefined ? TEST_SECRET : undefined,
    sealingKeys: await SealingKeys.load(async () => config.encryptionKeys ?? []),
    generator: options.generator,
    logger: createLogger({
      level: config.logLevel,
      format: 'json',
      ...(options.logTo && { destination: options.logTo }),
    }),
    metrics,
  })
  return Object.assign(gateway, { metrics })
}

/** A token of a user who may be new; `claims` override. */
export function tokenOf(subject: string, claims: Record<string, unknown> = {}): Promise<string> {
  const token = new SignJWT({ email: `${subject}@example.com`, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
  if (claims.exp === undefined) token.setExpirationTime('1h')
  return token.sign(new TextEncoder().encode(TEST_SECRET))
}
