import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openTokens, sealTokens } from '../../src/domain/accounts/account-tokens.ts'
import { SealingKeys } from '../../src/shared/sealing-keys.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
const ROTATE_KEY = fileURLToPath(new URL('../../src/rotate-key.ts', import.meta.url))
const ACCOUNTS = 150
const LAST = 'ffffffff-ffff-4fff-bfff-ffffffffffff'
const key = (letter: string) => Buffer.alloc(32, letter).toString('base64')
const keysOf = (...keys: string[]) => SealingKeys.load(async () => keys)

let database: TestDatabase
beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(() => database.drop())

/** As an operator runs it. */
function startRotation() {
  const env = { ...process.env, DATABASE_URL: database.url, ENCRYPTION_KEY: `${key('n')},${key('o')}` }
  const child = spawn(NODE, [ROTATE_KEY], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
  })
  const over = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout }))
  return { child, over }
}

test('a rotation of the key that is killed in the middle has lost no token, and run again it seals the rest', async () => {
  const [old, next] = [await keysOf(key('o')), await keysOf(key('n'))]
  const ids = [...Array.from({ length: ACCOUNTS - 1 }, () => crypto.randomUUID()), LAST]
  const accounts = ids.map(userId => {
    const owner = { userId, provider: 'STRAVA' as const }
    const tokens = { accessToken: `access ${userId}`, refreshToken: `refresh ${userId}` }
    return { ...owner, ...sealTokens(old, owner, tokens) }
  })
  await database.query(
    `WITH made AS (
      INSERT INTO users (id, issuer, subject, email)
      SELECT "userId", '', "userId"::text, "userId" || '@example.com' FROM jsonb_to_recordset($1::jsonb) AS a ("userId" uuid)
    )
    INSERT INTO connected_accounts (user_id, provider, athlete_id, access_token, refresh_token, key_id, expires_at, updated_at)
    SELECT "userId", 'STRAVA', '4711', "accessToken", "refreshToken", "keyId", now(), now()
    FROM jsonb_to_recordset($1::jsonb) AS a ("userId" uuid, "accessToken" text, "refreshToken" text, "keyId" text)`,
    [JSON.stringify(accounts)],
  )
  const tokensOf = async (keys: SealingKeys) => {
    const rows = await database.query<(typeof accounts)[number]>(
      `SELECT user_id AS "userId", provider, access_token AS "accessToken", refresh_token AS "refreshToken", key_id AS "keyId"
       FROM connected_accounts`,
    )
    for (const row of rows)
      expect(await openTokens(keys, row, row)).toEqual({
        accessToken: `access ${row.userId}`,
        refreshToken: `refresh ${row.userId}`,
      })
    return rows.filter(({ keyId }) => keyId === next.keyId).length
  }
  // The rotation stands still before the last account, in the middle of its last batch.
  await database.query(`
    CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
    CREATE TRIGGER stand_still BEFORE UPDATE ON connected_accounts FOR EACH ROW WHEN (NEW.user_id = '${LAST}')
    EXECUTE FUNCTION stand_still()`)
  const held = await holdLock(database.url, 'SELECT pg_advisory_xact_lock(4711)')
  const killed = startRotation()
  const batch = () => database.query('SELECT 1 FROM connected_accounts WHERE key_id = $1', [next.keyId])
  await until(async () => (await batch()).length > 0, { what: 'the first batch', deadlineMs: 60_000 })
  const backend = await held.waitedFor()
  killed.child.kill('SIGKILL')
  expect((await killed.over).signal).toBe('SIGKILL')
  await held.release()
  await until(
    async () =>
      (await database.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [backend])).length === 0,
    { what: 'its session to end' },
  )
  const sealed = await tokensOf(await keysOf(key('n'), key('o')))
  // A whole batch, and nothing of the next.
  expect(sealed).toBe(100)
  const { code, stdout } = await startRotation().over
  expect([code, stdout]).toEqual([
    0,
    `${ACCOUNTS - sealed} accounts are sealed with the key ${next.keyId} now.\n`,
  ])
  expect(await tokensOf(next)).toBe(ACCOUNTS)
}, 150_000)
