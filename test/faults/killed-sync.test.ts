import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeAccountProviders } from '../support/fake-account-providers.ts'
import { Gate } from '../support/gate.ts'
import { post } from '../support/graphql-client.ts'
import { startProcessGateway } from '../support/process-gateway.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let providers: FakeAccountProviders

beforeEach(async () => {
  database = await createTestDatabase()
  providers = await FakeAccountProviders.start()
})
afterEach(async () => {
  providers.close()
  await database.drop()
})

const SYNC = `mutation { syncAccount(provider: STRAVA) { __typename ... on SyncAccountPayload { newDataPoints } } }`

async function startTwo() {
  const [owner, follower] = await Promise.all(
    ['owner', 'follower'].map(name =>
      startProcessGateway({
        name,
        databaseUrl: database.url,
        providerUrl: 'http://127.0.0.1:1',
        settings: { ...providers.settings, ACCOUNT_SYNC_MINUTES: '0' },
      }),
    ),
  )
  if (!owner || !follower) throw new Error('two gateways are needed')
  return { owner, follower, token: await tokenOf('rider') }
}

async function connect(url: string, token: string, expiresAt: Date) {
  const input = {
    provider: 'STRAVA',
    athleteId: '4711',
    accessToken: providers.accessToken,
    refreshToken: providers.refreshToken,
    expiresAt: expiresAt.toISOString(),
  }
  const query = 'mutation($input: ConnectAccountInput!) { connectAccount(input: $input) { __typename } }'
  await post(url, { query, variables: { input }, token })
}

test.each([
  { what: 'still takes the token', grace: true, typename: 'SyncAccountPayload', reason: null },
  { what: 'does not', grace: false, typename: 'UnavailableError', reason: 'REFRESH_LOST' },
])(
  'an instance that is killed before a refresh is answered costs the account nothing where the provider $what',
  async ({ grace, typename, reason }) => {
    const { owner, follower, token } = await startTwo()
    const before = providers.refreshToken
    await connect(owner.url, token, new Date('2026-01-01T00:00:00Z'))
    const gate = new Gate()
    providers.behaveRefresh = () => gate.pass()
    const lost = post(owner.url, { query: SYNC, token }).catch(() => 'cut off')
    await gate.arrived(1)
    if (grace) providers.graceToken = before
    const waiting = post<{ syncAccount: { __typename: string } }>(follower.url, { query: SYNC, token })
    await owner.kill()
    gate.open()
    expect((await waiting).data?.syncAccount.__typename).toBe(typename)
    expect(await lost).toBe('cut off')
    // Once by each of the two.
    expect(providers.count('/strava/oauth/token')).toBe(2)
    const query = '{ viewer { accounts { reconnectReason } } }'
    const { data } = await post(follower.url, { query, token })
    expect(data).toEqual({ viewer: { accounts: [{ reconnectReason: reason }] } })
  },
)

test('a sync whose instance is killed is taken over at once by whoever waits for it on another', async () => {
  const { owner, follower, token } = await startTwo()
  await connect(owner.url, token, new Date(Date.now() + 3_600_000))
  const gate = new Gate()
  providers.behave = () => gate.pass()
  const lost = post(owner.url, { query: SYNC, token }).catch(() => 'cut off')
  await gate.arrived(1)
  const waiting = post(follower.url, { query: SYNC, token })
  const killedAt = performance.now()
  await owner.kill()
  await gate.arrived(2)
  gate.open()
  expect((await waiting).data).toEqual({
    syncAccount: { __typename: 'SyncAccountPayload', newDataPoints: 11 },
  })
  // The claim itself would have lasted for two minutes.
  expect(performance.now() - killedAt).toBeLessThan(30_000)
  expect(await lost).toBe('cut off')
  const [row] = await database.query('SELECT sync_epoch, sync_until, sync_owner FROM connected_accounts')
  expect(row).toEqual({ sync_epoch: 2, sync_until: null, sync_owner: null })
})
