import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  ended,
  FOLLOW,
  type Following,
  firstRun,
  followByEvents,
  followBySocket,
  openSocket,
  startRun,
} from '../support/api-follow.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import { openRawSocket } from '../support/web-socket-client.ts'

let database: TestDatabase
/** Where the runs run, and another instance over the same database that never runs one. */
let gateway: TestGateway
let other: TestGateway
const generator = new FakeGenerator()
const idle = new FakeGenerator()
/** What a test has opened and closed, to be left and opened at its end whatever came of it. */
let opened: Following[] = []
let gates: Gate[] = []
const newGate = () => {
  const gate = new Gate()
  gates.push(gate)
  return gate
}

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
  other = await startTestGateway({ databaseUrl: database.url, generator: idle })
})
beforeEach(() => {
  generator.behave = async () => {}
})
afterEach(() => {
  for (const following of opened) following.leave()
  for (const gate of gates) gate.open()
  opened = []
  gates = []
})
afterAll(async () => {
  await Promise.all([gateway?.close(), other?.close()])
  await database?.drop()
})

const active = async (of: TestGateway) => (await of.metrics.subscriptionsActive.get()).values[0]?.value ?? 0

/** How long ago an instance asked how a run stands: several times a second as long as one is watched. */
async function secondsSinceAsked(): Promise<number> {
  const [row] = await database.query<{ seconds: number | null }>(
    `SELECT extract(epoch FROM clock_timestamp() - max(query_start))::float8 AS seconds FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'tributary' AND query LIKE '%FROM generations g%'`,
  )
  return row?.seconds ?? Number.POSITIVE_INFINITY
}
const watched = () => until(async () => (await secondsSinceAsked()) < 0.5, { what: 'a run to be watched' })
/** A subscription that is left behind would be seen here, also where another statement has covered its last trace. */
async function notWatched(): Promise<void> {
  let askedAtMs = performance.now()
  await until(
    async () => {
      askedAtMs = Math.max(askedAtMs, performance.now() - (await secondsSinceAsked()) * 1000)
      return performance.now() - askedAtMs > 1000
    },
    { what: 'a second in which nobody asks how a run stands', deadlineMs: 8000 },
  )
}

describe.each([
  ['Server-Sent Events', followByEvents],
  ['a WebSocket', followBySocket],
])('over %s', (transport, open) => {
  test('a follower that leaves is cleaned up at once, while the run goes on', async () => {
    const token = await tokenOf(`restless over ${transport}`)
    const gate = newGate()
    const id = await startRun({ url: gateway.url, generator, token, gate })
    const follow: typeof open = async (url, options) => {
      const following = await open(url, options)
      opened.push(following)
      return following
    }
    const followers = await Promise.all([follow(other.url, { id, token }), follow(other.url, { id, token })])
    await Promise.all(followers.map(firstRun))
    expect(await active(other)).toBe(2)
    await watched()
    for (const following of followers) following.leave()
    await until(async () => (await active(other)) === 0, { what: 'no active subscription' })
    await notWatched()

    gate.open()
    const last = await follow(other.url, { id, token })
    await ended(last)
    expect(last.runs.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  })
})

test('an operation that cannot be read, or is refused, ends itself and neither the socket nor what else runs on it', async () => {
  const token = await tokenOf('clumsy')
  const gate = newGate()
  const id = await startRun({ url: gateway.url, generator, token, gate })
  const socket = openSocket(gateway.url, token)
  const good = socket.follow(id)
  opened.push(good)
  await firstRun(good)
  for (const [query, code] of [
    ['subscription {', 'GRAPHQL_PARSE_FAILED'],
    ['subscription { nobody }', 'GRAPHQL_VALIDATION_FAILED'],
    ['{ node(id: "x") { id } }', 'BAD_USER_INPUT'],
    ['', 'GRAPHQL_PARSE_FAILED'],
    [FOLLOW.replace('$id)', '"x")'), 'GRAPHQL_VALIDATION_FAILED'],
  ] as const) {
    const bad = socket.follow(id, query)
    await ended(bad)
    expect(
      bad.errors.map(error => error.extensions?.code),
      query,
    ).toEqual([code])
    expect(bad.errors[0]?.extensions).not.toHaveProperty('http')
  }
  expect({ opened: socket.opened, closed: socket.closed, ended: good.ended }).toEqual({
    opened: 1,
    closed: 0,
    ended: false,
  })
  const viewer = socket.follow(id, '{ viewer { email } }')
  await ended(viewer)
  expect(viewer.results).toEqual([{ data: { viewer: { email: 'clumsy@example.com' } } }])
  gate.open()
  await ended(good)
  expect(good.runs.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  await socket.close()
})

test('a socket that breaks off without a word is cleaned up', async () => {
  const token = await tokenOf('cut-off')
  const gate = newGate()
  const id = await startRun({ url: gateway.url, generator, token, gate })
  const socket = openSocket(other.url, token)
  const following = socket.follow(id)
  await firstRun(following)
  expect(await active(other)).toBe(1)
  await watched()
  socket.client.terminate()
  await until(async () => (await active(other)) === 0, { what: 'no active subscription' })
  await notWatched()
  gate.open()
})

test('an id that is used again as soon as it is completed is another operation, which ends with its socket', async () => {
  const socket = await openRawSocket(gateway.url, { token: await tokenOf('hasty') })
  const following = (id: string) => ({
    type: 'subscribe',
    id,
    payload: { query: 'subscription { interviewStatusChanged { version } }' },
  })
  const asking = { type: 'subscribe', id: 'a', payload: { query: '{ __typename }' } }
  const complete = { type: 'complete', id: 'a' }
  socket.send(following('a'))
  await until(async () => (await active(gateway)) === 1, { what: 'the subscription to open' })
  for (const message of [complete, following('a'), complete, following('a')]) socket.send(message)
  socket.send(complete)
  socket.send(asking)
  await until(() => socket.messages.at(-1)?.type === 'complete', { what: 'the answer' })
  expect(socket.messages.map(({ type, id }) => `${type} ${id}`)).toEqual(['next a', 'complete a'])
  expect(await active(gateway)).toBe(0)
  // The first of them under way, the next one waiting for it.
  socket.send(following('a'))
  await until(async () => (await active(gateway)) === 1, { what: 'the subscription to open' })
  for (const message of [complete, following('a')]) socket.send(message)
  socket.send({ ...asking, id: 'b' })
  await until(() => socket.messages.at(-1)?.id === 'b', { what: 'the answer' })
  await until(async () => (await active(gateway)) === 1, { what: 'the next one to open' })
  for (const message of [complete, following('a'), following('a')]) socket.send(message)
  await until(() => socket.closed !== undefined, { what: 'the socket to close' })
  expect(socket.closed?.code).toBe(4409)
  await until(async () => (await active(gateway)) === 0, { what: 'the end of all subscriptions' })
})
