import { afterAll, beforeAll, expect, test } from 'vitest'
import { clearAttempts } from '../../src/database/attempts.ts'
import { createDatabaseClient, type DatabaseClient } from '../../src/database/client.ts'
import { clearEmailTokens } from '../../src/database/email-tokens.ts'
import { clearSessions } from '../../src/database/sessions.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
let client: DatabaseClient

beforeAll(async () => {
  database = await createTestDatabase()
  client = createDatabaseClient({
    url: database.url,
    poolSize: 1,
    lockTimeoutMs: 1000,
    logger: createLogger({ level: 'silent', format: 'json' }),
    metrics: createMetrics(),
  })
  await database.query("INSERT INTO users (issuer, subject, email) VALUES ('', 'anna', 'anna@example.com')")
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

test('attempts are forgotten when their window has ended, and not before', async () => {
  await database.query(
    "INSERT INTO attempt_windows (key, count, ends_at) VALUES ('over', 1, now() - interval '1 s'), ('open', 1, now() + interval '1 min')",
  )
  await clearAttempts(client, 100)
  expect(await database.query('SELECT key FROM attempt_windows')).toEqual([{ key: 'open' }])
})

test('tokens of mails, and sessions with theirs, a day after they have expired', async () => {
  const ages = ['- 25 hours', '- 23 hours', '+ 1 hour']
  for (const age of ages) {
    await database.query(
      `INSERT INTO email_tokens (token_hash, user_id, purpose, expires_at)
       SELECT '${age}', id, 'VERIFY_EMAIL', now() ${age.replace(/ (\d+) (\w+)/, " interval '$1 $2'")} FROM users`,
    )
    await database.query(
      `WITH session AS (
         INSERT INTO sessions (user_id, expires_at) SELECT id, now() ${age.replace(/ (\d+) (\w+)/, " interval '$1 $2'")} FROM users RETURNING id)
       INSERT INTO refresh_tokens (token_hash, session_id) SELECT '${age}', id FROM session`,
    )
  }
  await clearEmailTokens(client, 100)
  await clearSessions(client, 100)
  const left = ages.slice(1).map(token_hash => ({ token_hash }))
  expect(await database.query('SELECT token_hash FROM email_tokens ORDER BY expires_at')).toEqual(left)
  expect(await database.query('SELECT token_hash FROM refresh_tokens ORDER BY token_hash DESC')).toEqual(
    expect.arrayContaining(left),
  )
  expect(await database.query('SELECT 1 FROM refresh_tokens')).toHaveLength(2)
})
