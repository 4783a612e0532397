import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { delay } from '../../src/shared/abort.ts'
import { FakeAccountProviders } from '../support/fake-account-providers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { post } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let providers: FakeAccountProviders
let gateways: TestGateway[] = []
let token: string

beforeEach(async () => {
  database = await createTestDatabase()
  providers = await FakeAccountProviders.start()
  token = await tokenOf('rider')
})
afterEach(async () => {
  await Promise.all(gateways.splice(0).map(gateway => gateway.close()))
  providers.close()
  await database.drop()
})

async function start(count = 2, settings: Record<string, string> = {}) {
  gateways = await Promise.all(
    Array.from({ length: count }, () =>
      startTestGateway({
        databaseUrl: database.url,
        generator: new FakeGenerator(),
        settings: { ...providers.settings, ...settings },
      }),
    ),
  )
}
const url = (on = 0) => gateways[on % gateways.length]?.url ?? ''

const HOUR_MS = 3_600_000
async function connect(input: Record<string, unknown> = {}, as = token) {
  const query = 'mutation($input: ConnectAccountInput!) { connectAccount(input: $input) { __typename } }'
  const variables = {
    input: {
      provider: 'STRAVA',
      athleteId: '4711',
      accessToken: providers.accessToken,
      refreshToken: providers.refreshToken,
      expiresAt: new Date(Date.now() + HOUR_MS).toISOString(),
      ...input,
    },
  }
  expect((await post(url(), { query, variables, token: as })).data).toEqual({
    connectAccount: { __typename: 'ConnectAccountPayload' },
  })
}
const EXPIRED = { expiresAt: '2026-01-01T00:00:00.000Z' }

interface Outcome {
  __typename: string
  stats: { statsType: string; data: unknown }[]
  newDataPoints: number
  tokenRefreshed: boolean
  code: string
  message: string
  retryAt: string | null
}
async function sync(on = 0, provider = 'STRAVA', signal?: AbortSignal): Promise<Outcome> {
  const query = `mutation($provider: StatsProvider!) { syncAccount(provider: $provider) { __typename
    ... on SyncAccountPayload { stats { provider statsType data } newDataPoints tokenRefreshed }
    ... on Error { code message } ... on UnavailableError { retryAt } } }`
  const variables = { provider }
  const answer = await post<{ syncAccount: Outcome }>(url(on), {
    query,
    variables,
    token,
    ...(signal && { signal }),
  })
  if (!answer.data) throw new Error(JSON.stringify(answer.errors))
  return answer.data.syncAccount
}
const points = () =>
  database.query<{ metric: string; value: number; externalId: string }>(
    'SELECT metric, value, external_id AS "externalId" FROM data_points ORDER BY external_id',
  )

/** Lets the time of all pauses pass. */
async function endPauses() {
  await database.query('DELETE FROM provider_pauses')
  await database.query(
    `UPDATE connected_accounts SET sync_outcome = sync_outcome || '{"retryAt": "2026-01-01T00:00:00Z"}'
     WHERE sync_outcome->>'retryAt' IS NOT NULL`,
  )
}
async function reconnectReasons(as = token) {
  const query = '{ viewer { accounts { reconnectReason } } }'
  const { data } = await post<{ viewer: { accounts: { reconnectReason: string | null }[] } }>(url(1), {
    query,
    token: as,
  })
  return data?.viewer.accounts.map(({ reconnectReason }) => reconnectReason)
}
/** The query that waits for a row's lock, by when it was sent. */
async function waitsForLock(text: string) {
  const rows = await database.query<{ at: string }>(
    `SELECT query_start::text AS at FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1`,
    [`%${text}%`],
  )
  return rows[0]?.at
}

describe('a sync', () => {
  test('stores stats and activities, each once, however often it runs', async () => {
    await start(1)
    await connect({}, await tokenOf('somebody-else'))
    await database.query(
      `INSERT INTO provider_stats (user_id, provider, stats_type, data, updated_at)
       SELECT user_id, 'STRAVA', 'theirs', '{}', now() FROM connected_accounts`,
    )
    await connect()
    const first = await sync()
    expect(first).toMatchObject({
      __typename: 'SyncAccountPayload',
      newDataPoints: 11,
      tokenRefreshed: false,
    })
    expect(first.stats).toEqual([
      {
        provider: 'STRAVA',
        statsType: 'all_time',
        data: { ride_totals: { count: 300 }, biggest_ride_distance: 3000 },
      },
      { provider: 'STRAVA', statsType: 'recent', data: { ride_totals: { count: 3 } } },
      { provider: 'STRAVA', statsType: 'ytd', data: { ride_totals: { count: 30 } } },
    ])
    expect(await points()).toContainEqual({
      metric: 'active_minutes',
      value: 30,
      externalId: '3:active_minutes',
    })
    expect(await sync()).toMatchObject({ newDataPoints: 0 })
    expect(await points()).toHaveLength(11)
  })

  test('of WakaTime stores the days that are over', async () => {
    await start(1)
    await connect({ provider: 'WAKATIME', athleteId: 'anna' })
    const { stats, newDataPoints } = await sync(0, 'WAKATIME')
    expect(newDataPoints).toBe(3)
    expect(stats.map(({ statsType }) => statsType)).toEqual(['all_time', 'last_30_days', 'last_7_days'])
    expect(new Set((await points()).map(({ metric, value }) => `${metric} ${value}`))).toEqual(
      new Set(['coding_seconds 60']),
    )
  })

  test('of no account is NOT_FOUND', async () => {
    await start(1)
    await connect({}, await tokenOf('somebody-else'))
    expect(await sync()).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' })
    expect(providers.calls).toEqual([])
  })

  test('that ten callers on two gateways want at the same time is one fetch, and all get what it brought', async () => {
    await start()
    await connect()
    const gate = new Gate()
    providers.behave = () => gate.pass()
    // The fields of a mutation run one after the other: the first tells that its caller has come.
    const query = `mutation { updatePreferences(input: {}) { __typename }
      syncAccount(provider: STRAVA) { __typename ... on SyncAccountPayload { newDataPoints } } }`
    const outcomes = Promise.all(
      Array.from({ length: 10 }, (_, n) => post<{ syncAccount: Outcome }>(url(n), { query, token })),
    )
    await gate.arrived(1)
    await until(
      async () => {
        const [row] = await database.query<{ version: number }>('SELECT version FROM preferences')
        return row?.version === 10
      },
      { what: 'ten callers' },
    )
    gate.open()
    expect((await outcomes).map(({ data }) => data?.syncAccount)).toEqual(
      Array(10).fill({ __typename: 'SyncAccountPayload', newDataPoints: 11 }),
    )
    expect(providers.count('/strava/athletes')).toBe(1)
  })

  test('fetches a season until one has succeeded, and then all since that one', async () => {
    await start(1)
    const ago = (days: number) =>
      new Date(Date.now() - days * 24 * HOUR_MS).toISOString().replace(/\.\d+Z/, 'Z')
    const [ride] = providers.activities
    if (!ride) throw new Error('there are rides')
    providers.activities.push({ ...ride, id: 60, start_date: ago(60) })
    await connect()
    providers.refusals.push({ status: 503 })
    expect((await sync()).code).toBe('UNAVAILABLE')
    await endPauses()
    expect(await sync()).toMatchObject({ newDataPoints: 15 })
    // Nobody could sync for a month; in it there was a ride, and before it one that came late.
    await database.query("UPDATE connected_accounts SET synced_at = now() - interval '30 days'")
    providers.activities.push(
      { ...ride, id: 20, start_date: ago(20) },
      { ...ride, id: 40, start_date: ago(40) },
      { ...ride, id: 50, start_date: ago(50) },
    )
    expect(await sync()).toMatchObject({ newDataPoints: 8 })
  })

  test('of an athlete whose account has become another’s stores nothing', async () => {
    await start()
    await connect()
    const gate = new Gate()
    providers.behave = () => gate.pass()
    const syncing = sync()
    await gate.arrived(1)
    await connect({ athleteId: '815' })
    gate.open()
    expect(await syncing).toMatchObject({ code: 'UNAVAILABLE' })
    expect(await points()).toEqual([])
    expect(await database.query('SELECT 1 FROM provider_stats')).toEqual([])
    const [row] = await database.query('SELECT synced_at, sync_until, sync_outcome FROM connected_accounts')
    expect(row).toEqual({ synced_at: null, sync_until: null, sync_outcome: null })
  })

  test('of an instance that stops is given up to whoever waits for it on another', async () => {
    await start()
    await connect()
    const gate = new Gate()
    providers.behave = () => gate.pass()
    const leave = new AbortController()
    const given = sync(0, 'STRAVA', leave.signal).catch(() => 'left')
    await gate.arrived(1)
    const waiting = sync(1)
    leave.abort()
    await given
    await gateways.shift()?.close()
    await gate.arrived(2)
    gate.open()
    expect(await waiting).toMatchObject({ __typename: 'SyncAccountPayload', newDataPoints: 11 })
  })

  test('goes on when whoever asked for it leaves', async () => {
    await start(1)
    await connect()
    const gate = new Gate()
    providers.behave = () => gate.pass()
    const leave = new AbortController()
    const asked = sync(0, 'STRAVA', leave.signal)
    await gate.arrived(1)
    leave.abort()
    await expect(asked).rejects.toThrow()
    gate.open()
    await until(async () => (await points()).length === 11, { what: 'the points' })
  })
})

describe('an expired access token', () => {
  test('is refreshed once by 12 callers on two gateways, and the rotated tokens are stored', async () => {
    await start()
    providers.accessToken = 'rotated away'
    await connect({ ...EXPIRED, accessToken: 'access-old' })
    const outcomes = await Promise.all(Array.from({ length: 12 }, (_, n) => sync(n)))
    expect(outcomes.map(({ __typename }) => __typename)).toEqual(outcomes.map(() => 'SyncAccountPayload'))
    expect(outcomes.some(({ tokenRefreshed }) => tokenRefreshed)).toBe(true)
    expect(providers.count('/strava/oauth/token')).toBe(1)
    expect(providers.refreshToken).toBe('refresh-1')
    // The next time what was stored is used.
    await database.query("UPDATE connected_accounts SET expires_at = now() - interval '1 s'")
    expect(await sync(1)).toMatchObject({ __typename: 'SyncAccountPayload', tokenRefreshed: true })
    expect(providers.refreshToken).toBe('refresh-2')
  })

  test('that the provider took back before its time is refreshed too', async () => {
    await start(1)
    await connect({ provider: 'WAKATIME', athleteId: 'anna', accessToken: 'taken back' })
    expect(await sync(0, 'WAKATIME')).toMatchObject({ newDataPoints: 3, tokenRefreshed: true })
    expect(providers.count('/oauth/token')).toBe(1)
  })

  test('whose refresh token is refused marks the account, which is then left alone until it is connected anew', async () => {
    await start()
    await connect({ ...EXPIRED, refreshToken: 'used before' })
    expect(await sync()).toMatchObject({
      code: 'UNAVAILABLE',
      retryAt: null,
      message: expect.stringContaining('connect it again'),
    })
    const calls = providers.calls.length
    await Promise.all([sync(0), sync(1), sync(0)])
    expect(providers.calls).toHaveLength(calls)
    await connect()
    // Whatever is said of their end: the ones before do not work.
    await connect({ expiresAt: '2025-01-01T00:00:00.000Z' })
    expect(await sync(1)).toMatchObject({ __typename: 'SyncAccountPayload', newDataPoints: 11 })
  })

  test('that was taken back leaves tokens that end before it would have', async () => {
    await start()
    await connect({ provider: 'WAKATIME', accessToken: 'taken back', expiresAt: '2031-01-01T00:00:00.000Z' })
    expect(await sync(0, 'WAKATIME')).toMatchObject({ tokenRefreshed: true })
    // Taken back once more: were the first refresh not stored, its token would be used a second time.
    providers.accessToken = 'another'
    expect(await sync(1, 'WAKATIME')).toMatchObject({ tokenRefreshed: true, newDataPoints: 0 })
    expect(providers.refreshToken).toBe('refresh-2')
  })

  test('whose successor is refused too marks the account', async () => {
    await start()
    await connect()
    providers.refusals.push({ status: 401 }, { status: 401 })
    expect(await sync()).toMatchObject({ code: 'UNAVAILABLE', retryAt: null })
    expect(await reconnectReasons()).toEqual(['REFUSED'])
    const calls = providers.calls.length
    await sync(1)
    expect(providers.calls).toHaveLength(calls)
  })

  test('is stored as soon as it can be, where the database does not take it at once', async () => {
    await start(2, { LOCK_TIMEOUT_MS: '100' })
    await connect(EXPIRED)
    const gate = new Gate()
    providers.behaveRefresh = () => gate.pass()
    const syncing = sync()
    await gate.arrived(1)
    const holder = new pg.Client(database.url)
    await holder.connect()
    try {
      await holder.query('BEGIN; SELECT 1 FROM connected_accounts FOR UPDATE')
      gate.open()
      const tries = new Set<string>()
      await until(async () => tries.add((await waitsForLock('SET access_token')) ?? '').size > 2, {
        what: 'a second try',
      })
      await holder.query('COMMIT')
    } finally {
      await holder.end()
    }
    expect(await syncing).toMatchObject({ __typename: 'SyncAccountPayload', tokenRefreshed: true })
    await database.query("UPDATE connected_accounts SET expires_at = now() - interval '1 s'")
    expect(await sync(1)).toMatchObject({ __typename: 'SyncAccountPayload', tokenRefreshed: true })
  })

  test('that is being refreshed when its instance stops is stored before', async () => {
    await start()
    await connect(EXPIRED)
    const gate = new Gate()
    providers.behaveRefresh = () => gate.pass()
    const leave = new AbortController()
    const left = sync(0, 'STRAVA', leave.signal).catch(() => 'left')
    await gate.arrived(1)
    leave.abort()
    await left
    const closed = gateways.shift()?.close()
    // Were it not waited for, closing would be over by then.
    await Promise.race([closed, delay(2000)])
    gate.open()
    await closed
    await database.query("UPDATE connected_accounts SET expires_at = now() - interval '1 s'")
    expect(await sync()).toMatchObject({ __typename: 'SyncAccountPayload', tokenRefreshed: true })
    expect(providers.refreshToken).toBe('refresh-2')
  })

  test('whose refresh was sent and never answered is tried once more, and then the account says what happened', async () => {
    await start()
    await connect(EXPIRED)
    providers.behaveRefresh = () => Promise.reject(new Error('cut off'))
    expect(await sync()).toMatchObject({ code: 'UNAVAILABLE', retryAt: expect.any(String) })
    expect(await reconnectReasons()).toEqual([null])
    await endPauses()
    expect(await sync(1)).toMatchObject({
      code: 'UNAVAILABLE',
      retryAt: null,
      message: expect.stringContaining('lost while it was being renewed'),
    })
    expect(await reconnectReasons()).toEqual(['REFRESH_LOST'])
    const calls = providers.calls.length
    await sync(0)
    expect(providers.calls).toHaveLength(calls)
    providers.behaveRefresh = async () => {}
    await connect()
    expect(await reconnectReasons()).toEqual([null])
    // What was in doubt is not any more: refused now means refused.
    await database.query("UPDATE connected_accounts SET expires_at = now() - interval '1 s'")
    providers.refreshToken = 'taken back by the user'
    await sync(1)
    expect(await reconnectReasons()).toEqual(['REFUSED'])
  })

  test('whose refresh was answered with a pause is not in doubt', async () => {
    await start()
    await connect(EXPIRED)
    providers.refreshRefusals.push({ status: 429 })
    expect(await sync()).toMatchObject({ code: 'UNAVAILABLE', retryAt: expect.any(String) })
    await endPauses()
    providers.refreshToken = 'taken back by the user'
    await sync(1)
    expect(await reconnectReasons()).toEqual(['REFUSED'])
  })

  test('is not lost when the account is connected anew while it is being refreshed', async () => {
    await start()
    await connect(EXPIRED)
    const gate = new Gate()
    providers.behaveRefresh = () => gate.pass()
    const syncing = sync()
    await gate.arrived(1)
    await connect({ accessToken: providers.accessToken, expiresAt: '2027-01-01T00:00:00.000Z' })
    gate.open()
    expect(await syncing).toMatchObject({ __typename: 'SyncAccountPayload' })
    const [row] = await database.query<{ year: number }>(
      'SELECT extract(year FROM expires_at)::int AS year FROM connected_accounts',
    )
    expect(row?.year).toBe(2027)
  })
})

describe('a provider that', () => {
  test('asks for a pause gets it: nobody is sent there before Retry-After is over', async () => {
    await start()
    await connect()
    providers.refusals.push({ status: 429, headers: { 'retry-after': '3600' } })
    const { code, retryAt } = await sync()
    expect(code).toBe('UNAVAILABLE')
    const waitMs = new Date(retryAt ?? 0).getTime() - Date.now()
    expect(waitMs).toBeGreaterThan(3_590_000)
    expect(waitMs).toBeLessThanOrEqual(3_600_000)
    const calls = providers.calls.length
    const outcomes = await Promise.all(Array.from({ length: 6 }, (_, n) => sync(n)))
    expect(outcomes.map(outcome => outcome.retryAt)).toEqual(outcomes.map(() => retryAt))
    expect(providers.calls).toHaveLength(calls)
    await endPauses()
    expect(await sync()).toMatchObject({ __typename: 'SyncAccountPayload', newDataPoints: 11 })
  })

  test('is away for an athlete is left alone for as long as it wants, and asked for another one at once', async () => {
    await start()
    await connect()
    providers.refusals.push({ status: 503, headers: { 'retry-after': '3600' } })
    const { retryAt } = await sync()
    await connect({ accessToken: providers.accessToken, expiresAt: '2027-01-01T00:00:00.000Z' })
    // It is looked at by the schedule again, which may not ask either.
    expect(await database.query('SELECT 1 FROM connected_accounts WHERE sync_after <= now()')).toHaveLength(1)
    const calls = providers.calls.length
    expect((await sync(1)).retryAt).toBe(retryAt)
    expect(providers.calls).toHaveLength(calls)
    await connect({ athleteId: '815' })
    await sync(1)
    expect(providers.count('/strava/athletes/815')).toBe(1)
  })

  test('asks for a pause gets it from every account, the schedule too: it counts the requests of them all', async () => {
    await start(2, { ACCOUNT_SYNC_MINUTES: '0.02' })
    const other = await tokenOf('rider-2')
    providers.behave = async () =>
      void providers.refusals.push({ status: 429, headers: { 'retry-after': '60' } })
    await connect({}, other)
    await until(async () => (await database.query('SELECT 1 FROM provider_pauses')).length === 1, {
      what: 'the pause',
    })
    const calls = providers.calls.length
    await connect()
    const { retryAt } = await sync(1)
    expect(new Date(retryAt ?? 0).getTime()).toBeGreaterThan(Date.now() + 50_000)
    // The other provider is asked, and by then the schedule has come round for both.
    await connect({ provider: 'WAKATIME', athleteId: 'anna' })
    await until(() => providers.count('/wakatime') > 0, { what: 'a turn of the schedule' })
    expect(providers.count('/strava')).toBe(calls)
    // Nor is one that is asked for before the pause is known.
    expect(
      await database.query(
        "SELECT 1 FROM connected_accounts WHERE provider = 'STRAVA' AND sync_until IS NOT NULL",
      ),
    ).toEqual([])
    providers.behave = async () => {}
    providers.refusals.length = 0
    await endPauses()
    expect(await sync(1)).toMatchObject({ __typename: 'SyncAccountPayload' })
  })

  test.each(['STRAVA', 'WAKATIME'])(
    '%s does not know our client any more costs no account its connection',
    async provider => {
      await start()
      await connect({ ...EXPIRED, provider })
      providers.clientSecret = 'changed by the operator'
      const { retryAt, message } = await sync(0, provider)
      expect(message).toContain('operator')
      expect(new Date(retryAt ?? 0).getTime()).toBeGreaterThan(Date.now())
      expect(await reconnectReasons()).toEqual([null])
      providers.clientSecret = 'client-secret'
      await endPauses()
      expect(await sync(1, provider)).toMatchObject({
        __typename: 'SyncAccountPayload',
        tokenRefreshed: true,
      })
    },
  )

  test.each([
    ['breaks', { status: 503 }],
    ['answers with a page', { status: 200, body: '<html>maintenance</html>' }],
    ['answers with something else', { status: 200, body: '[1, 2]' }],
    ['sends elsewhere', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }],
  ])('%s is asked again later; nothing of it is stored', async (_what, refusal) => {
    await start(1)
    await connect()
    providers.refusals.push(refusal)
    const { code, retryAt } = await sync()
    expect(code).toBe('UNAVAILABLE')
    expect(new Date(retryAt ?? 0).getTime()).toBeGreaterThan(Date.now())
    expect(await points()).toEqual([])
    expect(await database.query('SELECT 1 FROM provider_stats')).toEqual([])
  })
})

test('every connected account is synced by the schedule, once a turn by one of two gateways, a revoked one never', async () => {
  await start(2, { ACCOUNT_SYNC_MINUTES: '0.05' })
  const others = await Promise.all([1, 2, 3].map(n => tokenOf(`rider-${n}`)))
  for (const other of others) await connect({}, other)
  await until(async () => (await points()).length === 33, { what: 'three syncs' })
  await until(() => providers.count('/strava/athletes') >= 6, { what: 'the next turn' })
  // Three accounts every three seconds: were each synced by both gateways, it would be twice as many by now.
  const rows = await database.query<{ epoch: number }>('SELECT sync_epoch AS epoch FROM connected_accounts')
  expect(Math.max(...rows.map(({ epoch }) => epoch))).toBeLessThanOrEqual(3)
  await database.query('UPDATE connected_accounts SET revoked_at = now()')
  await until(
    async () =>
      (
        await database.query(
          "SELECT 1 FROM tributary_jobs.job WHERE name = 'account-sync' AND state < 'completed'",
        )
      ).length === 0,
    { what: 'the jobs to end' },
  )
  const calls = providers.calls.length
  await database.query("UPDATE connected_accounts SET sync_after = now() - interval '1 h'")
  const [user] = await database.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM connected_accounts WHERE revoked_at IS NULL',
  )
  expect(user?.n).toBe(0)
  await connect({}, token)
  await until(() => providers.calls.length > calls, { what: 'the new account to be synced' })
  expect((await database.query('SELECT 1 FROM connected_accounts WHERE sync_after < now()')).length).toBe(3)
})
