import { availableParallelism } from 'node:os'
import { z } from 'zod'
import { LONGEST_TIMER_MS } from './shared/clock.ts'
import { isKey } from './shared/sealing-keys.ts'
import { readTrustedProxies, TRUSTED_PROXIES_EXPECTED } from './shared/trusted-proxies.ts'

/**
 * Every setting, read once from the environment. This is the only file that may read `process.env`.
 * The contract's table of settings is the source of names and defaults.
 */
export interface Config {
  readonly production: boolean
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  /** Absent: an embedded PostgreSQL under `dataDir`. */
  readonly databaseUrl: string | undefined
  readonly dataDir: string
  /** Processes that serve together as one instance; 1: this one alone. */
  readonly workers: number
  /** Of each process that serves. */
  readonly databasePoolSize: number
  /** Absent: one instance on its own, or several that wake each other through PostgreSQL alone. */
  readonly redisUrl: string | undefined
  readonly jwt: {
    /** HS256 secret. Absent together with `jwksUrl`: made up and kept in `dataDir`. */
    readonly secret: string | undefined
    readonly jwksUrl: string | undefined
    readonly issuer: string | undefined
    readonly audience: string | undefined
  }
  /** 32 bytes each, base64. The first seals, all open. Absent: made up and kept in `dataDir`. */
  readonly encryptionKeys: readonly string[] | undefined
  /** Absent: mails are written under `dataDir`. */
  readonly mailUrl: string | undefined
  readonly strava: { readonly apiUrl: string; readonly client: OAuthClient | undefined }
  readonly wakatime: { readonly apiUrl: string; readonly client: OAuthClient | undefined }
  /** 0: accounts are synced when somebody asks, and never unasked. */
  readonly accountSyncMinutes: number
  readonly generator: 'rules' | 'openai'
  /** Set with `generator: 'openai'`. */
  readonly openai:
    | { readonly baseUrl: string; readonly apiKey: string | undefined; readonly model: string }
    | undefined
  /** Where texts get their vectors from. Absent: collections are searched by their words alone. */
  readonly embeddings:
    | { readonly baseUrl: string; readonly apiKey: string | undefined; readonly model: string }
    | undefined
  readonly generationTimeoutMs: number
  readonly leaseTtlMs: number
  readonly recentAnalysisMinutes: number
  readonly dataPointThreshold: number
  readonly factPromotionThreshold: number
  readonly interviewEnhanceDeadlineMs: number
  readonly lockTimeoutMs: number
  readonly ingestLockTimeoutMs: number
  readonly coordination: 'distributed' | 'local'
  readonly graphiql: boolean
  readonly corsOrigins: readonly string[] | undefined
  /** As `readTrustedProxies` reads it. Absent: the address of the socket is the client's, whatever headers say. */
  readonly trustedProxies: string | undefined
  readonly maxConnections: number
  /** How long a client may take to send a request, or to take what it is sent. */
  readonly clientTimeoutMs: number
  readonly maxBodyBytes: number
  /** What one operation may be. */
  readonly operationLimits: {
    readonly maxTokens: number
    readonly maxDepth: number
    readonly maxAliases: number
    readonly maxRootFields: number
    readonly maxDirectives: number
    readonly maxCost: number
  }
  /** How long an operation may take that has no bounds of its own, as a generation has. */
  readonly operationTimeoutMs: number
  readonly persistedOperations: {
    /** `only`: nothing but registered documents; `off`: nothing but what is sent whole. */
    readonly mode: 'allow' | 'only' | 'off'
    /** A manifest, or a folder of them. Absent: none is registered. */
    readonly path: string | undefined
  }
  /** For each minute; 0 sets no limit. */
  readonly rateLimits: { readonly principal: number; readonly address: number; readonly generations: number }
  /** Open on this instance at the same time; 0 sets no limit. */
  readonly subscriptionLimits: { readonly socket: number; readonly principal: number }
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  readonly logFormat: 'pretty' | 'json'
  readonly shutdownTimeoutMs: number
  /** Absent: spans are collected by nobody, and none is made. */
  readonly tracing:
    | {
        readonly endpoint: string
        readonly headers: Readonly<Record<string, string>>
        readonly serviceName: string
        readonly sampleRatio: number
      }
    | undefined
}

/** Without one, expired tokens of the provider cannot be refreshed. */
export interface OAuthClient {
  readonly id: string
  readonly secret: string
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const wholeNumber = (range: { min: number; max: number; default: number }) =>
  z
    .string()
    .regex(/^\d+$/, 'expected a whole number')
    .transform(Number)
    .refine(value => value >= range.min && value <= range.max, `expected ${range.min} to ${range.max}`)
    .default(range.default)

const number = (range: { min: number; max: number; default: number }) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?$/, 'expected a number')
    .transform(Number)
    .refine(value => value >= range.min && value <= range.max, `expected ${range.min} to ${range.max}`)
    .default(range.default)

const urlOf = (protocols: readonly string[]) =>
  z
    .string()
    .refine(
      value => URL.canParse(value) && protocols.includes(new URL(value).protocol),
      `expected an address that starts with ${protocols.map(protocol => `${protocol}//`).join(' or ')}`,
    )

const milliseconds = (defaultMs: number, min = 1) =>
  wholeNumber({ min, max: LONGEST_TIMER_MS, default: defaultMs })

/** Each is a process with a heap, a pool and a listening connection of its own: more than cores serve nobody. */
const MAX_WORKERS = 64

const Environment = z.object({
  NODE_ENV: z.string().optional(),
  HOST: z.string().default('127.0.0.1'),
  PORT: wholeNumber({ min: 0, max: 65_535, default: 4000 }),
  DATABASE_URL: urlOf(['postgresql:', 'postgres:']).optional(),
  DATA_DIR: z.string().default('.data'),
  WORKERS: z
    .string()
    .regex(/^(\d+|auto)$/, 'expected a whole number, or auto for one a core')
    .transform(value => (value === 'auto' ? Math.min(availableParallelism(), MAX_WORKERS) : Number(value)))
    .refine(value => value >= 1 && value <= MAX_WORKERS, `expected 1 to ${MAX_WORKERS}, or auto`)
    .default(1),
  DATABASE_POOL_SIZE: wholeNumber({ min: 1, max: 1000, default: 10 }),
  REDIS_URL: urlOf(['redis:', 'rediss:']).optional(),
  JWT_SECRET: z
    .string()
    .refine(value => Buffer.byteLength(value) >= 32, 'expected 32 bytes or more, as HS256 asks for')
    .optional(),
  JWT_JWKS_URL: urlOf(['https:', 'http:']).optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
  ENCRYPTION_KEY: z
    .string()
    .transform(keys => keys.split(',').map(key => key.trim()))
    .refine(
      keys => keys.every(isKey),
      'expected 32 bytes as base64; of several, with commas, the first seals',
    )
    .optional(),
  MAIL_URL: urlOf(['smtp:', 'smtps:']).optional(),
  STRAVA_API_URL: urlOf(['https:', 'http:']).default('https://www.strava.com/api/v3'),
  STRAVA_CLIENT_ID: z.string().optional(),
  STRAVA_CLIENT_SECRET: z.string().optional(),
  WAKATIME_API_URL: urlOf(['https:', 'http:']).default('https://wakatime.com/api/v1'),
  WAKATIME_CLIENT_ID: z.string().optional(),
  WAKATIME_CLIENT_SECRET: z.string().optional(),
  // Above a month a timer would not hold it.
  ACCOUNT_SYNC_MINUTES: number({ min: 0, max: 35_000, default: 60 }),
  GENERATOR: z.enum(['rules', 'openai'], 'expected rules or openai').default('rules'),
  OPENAI_BASE_URL: urlOf(['https:', 'http:']).optional(),
  OPENAI_API_KEY: z.string().optional(),
  OPENAI_MODEL: z.string().optional(),
  EMBEDDINGS_BASE_URL: urlOf(['https:', 'http:']).optional(),
  EMBEDDINGS_API_KEY: z.string().optional(),
  EMBEDDINGS_MODEL: z.string().optional(),
  GENERATION_TIMEOUT_MS: milliseconds(120_000),
  // Below 1 s a renewal every third of it is lost in the noise of a busy machine.
  LEASE_TTL_MS: milliseconds(15_000, 1000),
  RECENT_ANALYSIS_MINUTES: number({ min: 0, max: 525_600, default: 10 }),
  DATA_POINT_THRESHOLD: wholeNumber({ min: 1, max: 1_000_000, default: 50 }),
  FACT_PROMOTION_THRESHOLD: wholeNumber({ min: 1, max: 1_000_000, default: 3 }),
  INTERVIEW_ENHANCE_DEADLINE_MS: milliseconds(300_000),
  LOCK_TIMEOUT_MS: milliseconds(5000),
  INGEST_LOCK_TIMEOUT_MS: milliseconds(30_000),
  COORDINATION: z.enum(['distributed', 'local'], 'expected distributed or local').default('distributed'),
  GRAPHIQL: z.enum(['on', 'off'], 'expected on or off').optional(),
  CORS_ORIGINS: z.string().optional(),
  TRUSTED_PROXIES: z
    .string()
    .trim()
    .refine(setting => readTrustedProxies(setting) !== undefined, TRUSTED_PROXIES_EXPECTED)
    .optional(),
  MAX_CONNECTIONS: wholeNumber({ min: 1, max: 1_000_000, default: 10_000 }),
  CLIENT_TIMEOUT_MS: milliseconds(30_000, 100),
  // 10,000 data points of the longest form fit.
  MAX_BODY_BYTES: wholeNumber({ min: 1024, max: 1024 ** 3, default: 8 * 1024 ** 2 }),
  OPERATION_MAX_TOKENS: wholeNumber({ min: 1, max: 100_000, default: 2000 }),
  OPERATION_MAX_DEPTH: wholeNumber({ min: 1, max: 100, default: 16 }),
  OPERATION_MAX_ALIASES: wholeNumber({ min: 0, max: 10_000, default: 30 }),
  OPERATION_MAX_ROOT_FIELDS: wholeNumber({ min: 1, max: 10_000, default: 20 }),
  OPERATION_MAX_DIRECTIVES: wholeNumber({ min: 0, max: 10_000, default: 50 }),
  OPERATION_MAX_COST: wholeNumber({ min: 1, max: 1_000_000_000, default: 5000 }),
  OPERATION_TIMEOUT_MS: milliseconds(30_000),
  PERSISTED_OPERATIONS: z.enum(['allow', 'only', 'off'], 'expected allow, only or off').default('allow'),
  PERSISTED_OPERATIONS_PATH: z.string().optional(),
  RATE_LIMIT_PRINCIPAL: wholeNumber({ min: 0, max: 1_000_000_000, default: 30_000 }),
  RATE_LIMIT_ADDRESS: wholeNumber({ min: 0, max: 1_000_000_000, default: 120_000 }),
  RATE_LIMIT_GENERATIONS: wholeNumber({ min: 0, max: 1_000_000, default: 60 }),
  SUBSCRIPTION_LIMIT_SOCKET: wholeNumber({ min: 0, max: 1_000_000, default: 200 }),
  SUBSCRIPTION_LIMIT_PRINCIPAL: wholeNumber({ min: 0, max: 1_000_000, default: 1000 }),
  LOG_LEVEL: z
    .enum(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      'expected trace, debug, info, warn, error, fatal or silent',
    )
    .default('info'),
  LOG_FORMAT: z.enum(['pretty', 'json'], 'expected pretty or json').optional(),
  SHUTDOWN_TIMEOUT_MS: milliseconds(30_000),
  // The names that OpenTelemetry gives them everywhere.
  OTEL_EXPORTER_OTLP_ENDPOINT: urlOf(['https:', 'http:']).optional(),
  OTEL_EXPORTER_OTLP_HEADERS: z
    .string()
    .default('')
    .transform(list => list.split(',').filter(pair => pair.trim()))
    .refine(pairs => pairs.every(pair => /^[^=]+=/.test(pair)), 'expected name=value, several with commas')
    .transform(pairs =>
      Object.fromEntries(
        pairs.map(pair => [
          pair.slice(0, pair.indexOf('=')).trim(),
          decodeURIComponent(pair.slice(pair.indexOf('=') + 1).trim()),
        ]),
      ),
    ),
  OTEL_SERVICE_NAME: z.string().default('tributary'),
  OTEL_TRACES_SAMPLER_ARG: number({ min: 0, max: 1, default: 1 }),
})

/**
 * @throws ConfigError with one message that names every bad setting.
 */
export function readConfig(
  environment: Record<string, string | undefined> = process.env,
  terminal: boolean = process.stdout.isTTY === true,
): Config {
  // An empty setting, as `PORT= npm start` or an empty line of an env file gives, counts as absent.
  const present = Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()))
  const parsed = Environment.safeParse(present)
  const problems = parsed.success
    ? []
    : parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`)
  const production = present.NODE_ENV === 'production'
  if (production && !present.JWT_SECRET && !present.JWT_JWKS_URL)
    problems.push('JWT_SECRET or JWT_JWKS_URL: expected in production, where a made-up secret is refused')
  if (production && !present.ENCRYPTION_KEY)
    problems.push('ENCRYPTION_KEY: expected in production, where a made-up key is refused')
  if (present.JWT_SECRET && present.JWT_JWKS_URL)
    problems.push('JWT_SECRET, JWT_JWKS_URL: expected one of the two')
  if (present.GENERATOR === 'openai') {
    for (const name of ['OPENAI_BASE_URL', 'OPENAI_MODEL'] as const)
      if (!present[name]) problems.push(`${name}: expected with GENERATOR=openai`)
  }
  if (!present.EMBEDDINGS_BASE_URL !== !present.EMBEDDINGS_MODEL)
    problems.push('EMBEDDINGS_BASE_URL, EMBEDDINGS_MODEL: expected both or neither')
  for (const provider of ['STRAVA', 'WAKATIME'])
    if (!present[`${provider}_CLIENT_ID`] !== !present[`${provider}_CLIENT_SECRET`])
      problems.push(`${provider}_CLIENT_ID, ${provider}_CLIENT_SECRET: expected both or neither`)
  const origins = present.CORS_ORIGINS?.split(',')
    .map(origin => origin.trim())
    .filter(Boolean)
  for (const origin of origins ?? []) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      problems.push(
        `CORS_ORIGINS: expected origins such as https://app.example.com, not ${JSON.stringify(origin)}`,
      )
  }
  if (parsed.data && parsed.data.WORKERS > 1 && parsed.data.COORDINATION === 'local')
    problems.push(
      'WORKERS, COORDINATION: expected WORKERS=1 with COORDINATION=local, under which each process coalesces for itself alone',
    )
  if (present.PERSISTED_OPERATIONS === 'only' && !present.PERSISTED_OPERATIONS_PATH)
    problems.push('PERSISTED_OPERATIONS_PATH: expected with PERSISTED_OPERATIONS=only')
  for (const name of ['RATE_LIMIT_PRINCIPAL', 'RATE_LIMIT_ADDRESS'] as const) {
    const limit = parsed.data?.[name] ?? 0
    if (parsed.data && limit > 0 && limit < parsed.data.OPERATION_MAX_COST)
      problems.push(
        `${name}: expected OPERATION_MAX_COST (${parsed.data.OPERATION_MAX_COST}) or more, or 0 for no limit`,
      )
  }
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(`These settings do not fit:\n${problems.map(problem => `  ${problem}`).join('\n')}`)
  }
  const env = parsed.data
  return {
    production,
    host: env.HOST,
    port: env.PORT,
    databaseUrl: env.DATABASE_URL,
    dataDir: env.DATA_DIR,
    workers: env.WORKERS,
    databasePoolSize: env.DATABASE_POOL_SIZE,
    redisUrl: env.REDIS_URL,
    jwt: {
      secret: env.JWT_SECRET,
      jwksUrl: env.JWT_JWKS_URL,
      issuer: env.JWT_ISSUER,
      audience: env.JWT_AUDIENCE,
    },
    encryptionKeys: env.ENCRYPTION_KEY,
    mailUrl: env.MAIL_URL,
    strava: { apiUrl: env.STRAVA_API_URL, client: client(env.STRAVA_CLIENT_ID, env.STRAVA_CLIENT_SECRET) },
    wakatime: {
      apiUrl: env.WAKATIME_API_URL,
      client: client(env.WAKATIME_CLIENT_ID, env.WAKATIME_CLIENT_SECRET),
    },
    accountSyncMinutes: env.ACCOUNT_SYNC_MINUTES,
    generator: env.GENERATOR,
    openai:
      env.GENERATOR === 'openai'
        ? {
            baseUrl: env.OPENAI_BASE_URL ?? '',
            apiKey: env.OPENAI_API_KEY,
            model: env.OPENAI_MODEL ?? '',
          }
        : undefined,
    embeddings:
      env.EMBEDDINGS_BASE_URL !== undefined && env.EMBEDDINGS_MODEL !== undefined
        ? {
            baseUrl: env.EMBEDDINGS_BASE_URL,
            apiKey: env.EMBEDDINGS_API_KEY,
            model: env.EMBEDDINGS_MODEL,
          }
        : undefined,
    generationTimeoutMs: env.GENERATION_TIMEOUT_MS,
    leaseTtlMs: env.LEASE_TTL_MS,
    recentAnalysisMinutes: env.RECENT_ANALYSIS_MINUTES,
    dataPointThreshold: env.DATA_POINT_THRESHOLD,
    factPromotionThreshold: env.FACT_PROMOTION_THRESHOLD,
    interviewEnhanceDeadlineMs: env.INTERVIEW_ENHANCE_DEADLINE_MS,
    lockTimeoutMs: env.LOCK_TIMEOUT_MS,
    ingestLockTimeoutMs: env.INGEST_LOCK_TIMEOUT_MS,
    coordination: env.COORDINATION,
    graphiql: env.GRAPHIQL === undefined ? !production : env.GRAPHIQL === 'on',
    corsOrigins: origins,
    trustedProxies: env.TRUSTED_PROXIES,
    maxConnections: env.MAX_CONNECTIONS,
    clientTimeoutMs: env.CLIENT_TIMEOUT_MS,
    maxBodyBytes: env.MAX_BODY_BYTES,
    operationLimits: {
      maxTokens: env.OPERATION_MAX_TOKENS,
      maxDepth: env.OPERATION_MAX_DEPTH,
      maxAliases: env.OPERATION_MAX_ALIASES,
      maxRootFields: env.OPERATION_MAX_ROOT_FIELDS,
      maxDirectives: env.OPERATION_MAX_DIRECTIVES,
      maxCost: env.OPERATION_MAX_COST,
    },
    operationTimeoutMs: env.OPERATION_TIMEOUT_MS,
    persistedOperations: { mode: env.PERSISTED_OPERATIONS, path: env.PERSISTED_OPERATIONS_PATH },
    rateLimits: {
      principal: env.RATE_LIMIT_PRINCIPAL,
      address: env.RATE_LIMIT_ADDRESS,
      generations: env.RATE_LIMIT_GENERATIONS,
    },
    subscriptionLimits: {
      socket: env.SUBSCRIPTION_LIMIT_SOCKET,
      principal: env.SUBSCRIPTION_LIMIT_PRINCIPAL,
    },
    logLevel: env.LOG_LEVEL,
    logFormat: env.LOG_FORMAT ?? (terminal ? 'pretty' : 'json'),
    shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT_MS,
    tracing:
      env.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
        ? undefined
        : {
            endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT,
            headers: env.OTEL_EXPORTER_OTLP_HEADERS,
            serviceName: env.OTEL_SERVICE_NAME,
            sampleRatio: env.OTEL_TRACES_SAMPLER_ARG,
          },
  }
}

function client(id: string | undefined, secret: string | undefined): OAuthClient | undefined {
  return id !== undefined && secret !== undefined ? { id, secret } : undefined
}
