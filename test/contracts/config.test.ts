import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import { ConfigError, readConfig } from '../../src/config.ts'

const KEY = Buffer.alloc(32, 'k').toString('base64')

test('defaults are those of the contract', () => {
  expect(readConfig({}, false)).toEqual({
    production: false,
    host: '127.0.0.1',
    port: 4000,
    databaseUrl: undefined,
    dataDir: '.data',
    workers: 1,
    databasePoolSize: 10,
    redisUrl: undefined,
    jwt: { secret: undefined, jwksUrl: undefined, issuer: undefined, audience: undefined },
    encryptionKeys: undefined,
    mailUrl: undefined,
    strava: { apiUrl: 'https://www.strava.com/api/v3', client: undefined },
    wakatime: { apiUrl: 'https://wakatime.com/api/v1', client: undefined },
    accountSyncMinutes: 60,
    generator: 'rules',
    openai: undefined,
    embeddings: undefined,
    generationTimeoutMs: 120_000,
    leaseTtlMs: 15_000,
    interviewEnhanceDeadlineMs: 300_000,
    recentAnalysisMinutes: 10,
    dataPointThreshold: 50,
    lockTimeoutMs: 5000,
    ingestLockTimeoutMs: 30_000,
    factPromotionThreshold: 3,
    coordination: 'distributed',
    graphiql: true,
    corsOrigins: undefined,
    trustedProxies: undefined,
    maxConnections: 10_000,
    clientTimeoutMs: 30_000,
    maxBodyBytes: 8 * 1024 * 1024,
    operationLimits: {
      maxTokens: 2000,
      maxDepth: 16,
      maxAliases: 30,
      maxRootFields: 20,
      maxDirectives: 50,
      maxCost: 5000,
    },
    operationTimeoutMs: 30_000,
    persistedOperations: { mode: 'allow', path: undefined },
    rateLimits: { principal: 30_000, address: 120_000, generations: 60 },
    subscriptionLimits: { socket: 200, principal: 1000 },
    logLevel: 'info',
    logFormat: 'json',
    shutdownTimeoutMs: 30_000,
  })
})

test('one message names every bad setting', () => {
  const read = () =>
    readConfig(
      {
        PORT: '70000',
        DATABASE_URL: 'mysql://x',
        LEASE_TTL_MS: '-1',
        COORDINATION: 'maybe',
        CORS_ORIGINS: 'https://a.example/path',
        TRUSTED_PROXIES: 'proxy.example.com',
      },
      false,
    )
  expect(read).toThrow(ConfigError)
  for (const name of [
    'PORT',
    'DATABASE_URL',
    'LEASE_TTL_MS',
    'COORDINATION',
    'CORS_ORIGINS',
    'TRUSTED_PROXIES',
  ])
    expect(read).toThrow(name)
})

test('a model provider needs its address and a model; its key may be left out', () => {
  expect(() => readConfig({ GENERATOR: 'openai', OPENAI_BASE_URL: 'nowhere' }, false)).toThrow(
    /OPENAI_BASE_URL: expected an address[\s\S]*OPENAI_MODEL/,
  )
  const settings = {
    GENERATOR: 'openai',
    OPENAI_BASE_URL: 'http://127.0.0.1:1/v1',
    OPENAI_API_KEY: 'k',
    OPENAI_MODEL: 'm',
  }
  expect(readConfig(settings, false).openai).toEqual({
    baseUrl: 'http://127.0.0.1:1/v1',
    apiKey: 'k',
    model: 'm',
  })
})

test('vectors need an address and a model; the key may be left out', () => {
  for (const half of [{ EMBEDDINGS_BASE_URL: 'http://127.0.0.1:1/v1' }, { EMBEDDINGS_MODEL: 'm' }])
    expect(() => readConfig(half, false)).toThrow('EMBEDDINGS_BASE_URL, EMBEDDINGS_MODEL: expected both')
  expect(() => readConfig({ EMBEDDINGS_BASE_URL: 'nowhere', EMBEDDINGS_MODEL: 'm' }, false)).toThrow(
    'EMBEDDINGS_BASE_URL: expected an address',
  )
  const settings = { EMBEDDINGS_BASE_URL: 'http://127.0.0.1:1/v1', EMBEDDINGS_MODEL: 'm' }
  expect(readConfig(settings, false).embeddings).toEqual({
    baseUrl: 'http://127.0.0.1:1/v1',
    apiKey: undefined,
    model: 'm',
  })
})

test('so many processes serve as are asked for, or one a core; what is no number of them is refused', () => {
  expect(readConfig({ WORKERS: '2' }, false).workers).toBe(2)
  expect(readConfig({ WORKERS: 'auto' }, false).workers).toBe(Math.min(availableParallelism(), 64))
  for (const WORKERS of ['0', '65', '-1', '1.5', 'two', 'AUTO'])
    expect(() => readConfig({ WORKERS }, false), WORKERS).toThrow(/WORKERS: expected .*auto/)
})

test('several processes of one instance coalesce in the database, or not at all', () => {
  expect(() => readConfig({ WORKERS: '2', COORDINATION: 'local' }, false)).toThrow(
    'WORKERS, COORDINATION: expected WORKERS=1 with COORDINATION=local',
  )
  expect(readConfig({ WORKERS: '1', COORDINATION: 'local' }, false).coordination).toBe('local')
})

test('an empty setting counts as absent', () => {
  expect(readConfig({ PORT: '', DATABASE_URL: ' ' }, false)).toMatchObject({
    port: 4000,
    databaseUrl: undefined,
  })
})

test('production refuses made-up secrets, and has no GraphiQL unless it is switched on', () => {
  expect(() => readConfig({ NODE_ENV: 'production' }, false)).toThrow('JWT_SECRET or JWT_JWKS_URL')
  expect(() => readConfig({ NODE_ENV: 'production', JWT_SECRET: 'x'.repeat(32) }, false)).toThrow(
    'ENCRYPTION_KEY',
  )
  const secret = { NODE_ENV: 'production', JWT_SECRET: 'x'.repeat(32), ENCRYPTION_KEY: KEY }
  expect(readConfig(secret, false).graphiql).toBe(false)
  expect(readConfig({ ...secret, GRAPHIQL: 'on' }, false).graphiql).toBe(true)
})

test('a key that is not 32 bytes is refused, alone or among others, and is not shown', () => {
  const short = Buffer.alloc(31).toString('base64')
  for (const ENCRYPTION_KEY of [short, `${KEY},${short}`, `${KEY},`, 'k'.repeat(32)]) {
    expect(() => readConfig({ ENCRYPTION_KEY }, false)).toThrow('ENCRYPTION_KEY: expected 32 bytes as base64')
    expect(() => readConfig({ ENCRYPTION_KEY }, false)).not.toThrow(short)
  }
  expect(readConfig({ ENCRYPTION_KEY: `${KEY}, ${KEY}` }, false).encryptionKeys).toEqual([KEY, KEY])
})

test('a secret too short for HS256 is refused, and its value is not shown', () => {
  expect(() => readConfig({ JWT_SECRET: 'hunter2' }, false)).toThrow('JWT_SECRET: expected 32 bytes')
  expect(() => readConfig({ JWT_SECRET: 'hunter2' }, false)).not.toThrow('hunter2')
})

test('the log is pretty on a terminal alone', () => {
  expect(readConfig({}, true).logFormat).toBe('pretty')
  expect(readConfig({ LOG_FORMAT: 'json' }, true).logFormat).toBe('json')
})
