import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ask } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import { connectSocket } from '../support/web-socket-client.ts'

let database: TestDatabase
let gateway: TestGateway
let token: string
beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    // Nobody waits for a connection, nor gives up a lock.
    settings: { DATABASE_POOL_SIZE: '20', LOCK_TIMEOUT_MS: '20000' },
  })
  token = await tokenOf('hot')
  await ask(gateway.url, VIEWER, { token })
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})
beforeEach(() => {
  gateway.metrics.graphqlShared.reset()
})

/** Reads the user first, and then the analyses. */
const VIEWER = {
  query: 'query Viewer { viewer { email emailVerified latestAnalysis(archetype: PEAK_PERFORMER) { id } } }',
}
/** A statement of the operation's own, which is cancelled with it. */
const SEARCH = { query: '{ searchCollection(collection: "c", query: "water") { text } }' }

/** How many have joined one that was asked before. */
async function shared(): Promise<number> {
  const { values } = await gateway.metrics.graphqlShared.get()
  return values.reduce((sum, { value }) => sum + value, 0)
}
/** Statements of the gateway that wait for a lock. */
async function waiting(table: string): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_stat_activity
     WHERE application_name = 'tributary' AND datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1`,
    [`%${table}%`],
  )
  return row?.count ?? 0
}
const hold = (table: string) => holdLock(database.url, `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)

/** Sends until so many share. */
async function askUntilShared<Answer>(
  count: number,
  send: (n: number) => Promise<Answer>,
): Promise<Promise<Answer>[]> {
  const asked: Promise<Answer>[] = []
  await until(
    async () => {
      asked.push(send(asked.length))
      return (await shared()) >= count
    },
    { what: `${count} to share` },
  )
  return asked
}

test('forty who ask the same at once are answered by a few executions, whatever way they come', async () => {
  const held = await hold('analyses')
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  const socket = connectSocket(gateway.url, token)
  const body = JSON.stringify(VIEWER)
  const read = async (path: string, init: RequestInit) => {
    const text = await (await fetch(`${gateway.url}/graphql${path}`, init)).text()
    return JSON.parse(text.match(/\{.*\}/)?.[0] ?? '').data
  }
  const ways = [
    () => read('', { method: 'POST', headers, body }),
    () => read('?', { method: 'POST', headers, body }),
    () => read(`?query=${encodeURIComponent(VIEWER.query)}`, { headers }),
    () => read('', { method: 'POST', headers: { ...headers, accept: 'text/event-stream' }, body }),
    async () => (await socket.ask(VIEWER)).results[0]?.data,
  ]
  const answers = Promise.all(Array.from({ length: 40 }, (_, n) => ways[n % ways.length]?.()))
  await until(async () => (await shared()) >= 20, { what: 'half of them to share' })
  await held.release()
  expect(await answers).toEqual(
    Array(40).fill({ viewer: { email: 'hot@example.com', emailVerified: false, latestAnalysis: null } }),
  )
  expect(await gateway.metrics.registry.getSingleMetricAsString('graphql_shared_total')).toContain(
    'graphql_shared_total{operation="query viewer"}',
  )
})

test('each of them is counted', async () => {
  const count = async () => {
    const { values } = await gateway.metrics.graphqlRequests.get()
    return (
      values.find(({ labels }) => labels.operation === 'query viewer' && labels.outcome === 'success')
        ?.value ?? 0
    )
  }
  const before = await count()
  await Promise.all(Array.from({ length: 10 }, () => ask(gateway.url, VIEWER, { token })))
  expect((await count()) - before).toBe(10)
})

test('what somebody has written is in what they ask for after it, although the same was under way already', async () => {
  const own = await tokenOf('writer')
  const verified = async () => {
    const { data } = await ask(gateway.url, VIEWER, { token: own })
    return (data?.viewer as { emailVerified: boolean } | undefined)?.emailVerified
  }
  expect(await verified()).toBe(false)
  const held = await hold('analyses')
  const before: Promise<boolean | undefined>[] = []
  for (const n of [1, 2]) {
    before.push(verified())
    // It has read the user by then.
    await until(async () => (await waiting('analyses')) === n, { what: `${n} to read the analyses` })
  }
  await database.query(`UPDATE users SET email_verified = true WHERE subject = 'writer'`)
  const after = await askUntilShared(3, verified)
  await held.release()
  expect(await Promise.all(before)).toEqual([false, false])
  expect(await Promise.all(after)).toEqual(after.map(() => true))
})

test('nobody shares with another user, nor with the same one under other roles', async () => {
  const held = await hold('users')
  const query = '{ viewer { email } operations { runningGenerations { id } } }'
  const names = ['hot', 'cold', 'hot admin']
  const tokens = await Promise.all([tokenOf('hot'), tokenOf('cold'), tokenOf('hot', { roles: ['ADMIN'] })])
  const send = async (n: number) => {
    const { data, errors } = await ask(gateway.url, { query: query }, { token: tokens[n % 3] ?? '' })
    return [names[n % 3], data, errors?.map(({ extensions }) => extensions.code)]
  }
  const asked = await askUntilShared(20, send)
  await held.release()
  for (const [who, data, codes] of await Promise.all(asked))
    if (who === 'hot admin')
      expect(data).toEqual({ viewer: { email: 'hot@example.com' }, operations: { runningGenerations: [] } })
    else expect([data, codes]).toEqual([null, ['FORBIDDEN']])
})

test('nobody shares with who asks for something else; in another order the same variables are the same', async () => {
  const held = await hold('users')
  const query = 'query ($a: ID!, $b: [ID!]!) { node(id: $a) { id } nodes(ids: $b) { id } }'
  const id = async (n: number) =>
    Buffer.from(`User:00000000-0000-4000-8000-00000000000${n}`).toString('base64url')
  const [one, two] = [await id(1), await id(2)]
  const sent = [
    { a: one, b: [two] },
    { b: [two], a: one },
    { a: two, b: [one, two, one] },
  ]
  const asked = await askUntilShared(20, async n => {
    const { data } = await ask(gateway.url, { query, variables: sent[n % 3] }, { token })
    return [n % 3, (data?.nodes as unknown[] | undefined)?.length]
  })
  await held.release()
  for (const [which, nodes] of await Promise.all(asked)) expect(nodes).toBe(which === 2 ? 3 : 1)
})

test('each has a failure under the id of its own request', async () => {
  // They fail when they get on.
  const held = await holdLock(database.url, 'ALTER TABLE documents RENAME TO elsewhere')
  const asked = await askUntilShared(3, n =>
    ask(gateway.url, SEARCH, { token, headers: { 'x-request-id': `request-${n}` } }),
  )
  await held.commit()
  for (const [n, answer] of (await Promise.all(asked)).entries())
    expect(answer.errors).toMatchObject([
      {
        message: expect.stringContaining(`request-${n}.`),
        extensions: { code: 'INTERNAL', requestId: `request-${n}` },
      },
    ])
  await database.query('ALTER TABLE elsewhere RENAME TO documents')
})

test('who leaves takes nothing from those who wait with them', async () => {
  const held = await hold('documents')
  const socket = connectSocket(gateway.url, token)
  const leaving = new AbortController()
  // Sent together: two begin, two gather.
  const asked = [undefined, undefined, leaving.signal, undefined].map(signal => socket.ask(SEARCH, signal))
  await until(async () => (await shared()) === 1 && (await waiting('documents')) === 3, {
    what: 'two, and one for the other two, to be at it',
  })
  leaving.abort()
  // Known there before this is answered.
  await socket.ask({ query: '{ __typename }' })
  await held.release()
  for (const n of [0, 1, 3]) expect((await asked[n])?.results).toEqual([{ data: { searchCollection: [] } }])
})

test('what all have left stops in the database', async () => {
  const held = await hold('documents')
  const socket = connectSocket(gateway.url, token)
  const leaving = new AbortController()
  const asked = [undefined, undefined, leaving.signal, leaving.signal].map(signal =>
    socket.ask(SEARCH, signal),
  )
  await until(async () => (await shared()) === 1 && (await waiting('documents')) === 3, {
    what: 'two, and one for the other two, to be at it',
  })
  leaving.abort()
  await until(async () => (await waiting('documents')) === 2, { what: 'theirs to be cancelled' })
  await held.release()
  for (const n of [0, 1]) expect((await asked[n])?.results).toEqual([{ data: { searchCollection: [] } }])
})
