import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  FOLLOW,
  type Following,
  type FollowOptions,
  followByEvents,
  openSocket,
  type Socket,
} from '../support/api-follow.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { requestAnalysis } from '../support/graphql-client.ts'
import { newInterview } from '../support/interview-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const OF_SOCKET = 3
const OF_PRINCIPAL = 5

let database: TestDatabase
let gateway: TestGateway
let url: string
/** Of a user of the test's own who has an interview, so that a subscription gives something at once. */
let subject: string
let token: string
let interviewId: string
let users = 0
const sockets: Socket[] = []
const opened: Following[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings: {
      SUBSCRIPTION_LIMIT_SOCKET: String(OF_SOCKET),
      SUBSCRIPTION_LIMIT_PRINCIPAL: String(OF_PRINCIPAL),
    },
  })
  url = gateway.url
})
beforeEach(async () => {
  subject = `subscriber-${users++}`
  token = await tokenOf(subject)
  interviewId = (await newInterview(url, token)).id
})
afterEach(async () => {
  for (const following of opened.splice(0)) following.leave()
  await Promise.all(sockets.splice(0).map(socket => socket.close()))
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

const ALL = 'subscription { interviewStatusChanged { version } }'
const ONE = 'subscription ($id: ID!) { interviewStatusChanged(interviewId: $id) { version } }'

const newSocket = (by = token) => {
  const socket = openSocket(url, by)
  sockets.push(socket)
  return socket
}
const onSocket = (socket: Socket) => {
  const following = socket.follow('', ALL, {})
  opened.push(following)
  return following
}
const byEvents = async (options: Partial<FollowOptions> = {}) => {
  const following = await followByEvents(url, { id: '', token, query: ALL, variables: {}, ...options })
  opened.push(following)
  return following
}
const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make)

/** @returns those that have something to tell, and the errors of the others */
async function decided(followings: readonly Following[]) {
  await until(() => followings.every(({ results, errors }) => results.length + errors.length > 0), {
    what: 'each to be open or refused',
  })
  return {
    open: followings.filter(({ errors }) => errors.length === 0),
    errors: followings.flatMap(({ errors }) => errors),
  }
}

/** The principal has all its places: as many can be opened, and one more cannot. */
async function expectAllFree(): Promise<void> {
  await until(
    async () => {
      const followings = await Promise.all(times(OF_PRINCIPAL, byEvents))
      const { open } = await decided(followings)
      if (open.length === OF_PRINCIPAL) return true
      for (const following of followings) following.leave()
      return false
    },
    { what: 'all places of the principal to be free' },
  )
  expect((await decided([await byEvents()])).errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED' } }])
}

test('a socket has so many open, however many come at once; one that ends makes room for another', async () => {
  const socket = newSocket()
  const { open, errors } = await decided(times(10, () => onSocket(socket)))
  expect(open).toHaveLength(OF_SOCKET)
  expect(errors).toHaveLength(10 - OF_SOCKET)
  for (const error of errors) {
    expect(error.message).toMatch(/^This socket has 3 subscriptions open/)
    expect(error.extensions).toEqual({ code: 'RATE_LIMITED', limit: 3, retryAfterMs: 10_000 })
  }
  expect(socket.closed).toBe(0)
  expect((await gateway.metrics.rateLimited.get()).values).toContainEqual(
    expect.objectContaining({ labels: { scope: 'socket_subscriptions' }, value: 7 }),
  )

  open[0]?.leave()
  let another: Following[] = []
  await until(
    async () => {
      another = (await decided([onSocket(socket)])).open
      return another.length === 1
    },
    { what: 'room for another' },
  )
  // Those that were open before have heard nothing of all this, and go on.
  const before = open.slice(1).map(({ results }) => results.length)
  await newInterview(url, token)
  await until(() => open.slice(1).every(({ results }, n) => results.length > (before[n] ?? 0)), {
    what: 'news on the others',
  })
  // What is not a subscription needs no place.
  const query = socket.follow('', '{ viewer { email } }', {})
  await until(() => query.ended, { what: 'the answer to a query' })
  expect(query.results).toEqual([{ data: { viewer: { email: `${subject}@example.com` } } }])
})

test('a principal has so many open, over all sockets and event streams; another one is not concerned', async () => {
  const [one, two] = [newSocket(), newSocket()]
  const first = await decided([...times(2, () => onSocket(one)), ...times(2, () => onSocket(two))])
  expect(first.errors).toEqual([])
  const [stream, more] = [await byEvents(), await byEvents()]
  expect((await decided([stream])).errors).toEqual([])
  for (const refused of [more, onSocket(one), await byEvents({ method: 'GET' })])
    expect((await decided([refused])).errors).toMatchObject([
      {
        message: expect.stringMatching(/^You have 5 subscriptions open/),
        extensions: { code: 'RATE_LIMITED', limit: 5, retryAfterMs: 10_000 },
      },
    ])

  const another = await tokenOf(`${subject}-another`)
  await newInterview(url, another)
  expect((await decided([onSocket(newSocket(another)), await byEvents({ token: another })])).errors).toEqual(
    [],
  )
  stream.leave()
  await until(async () => (await decided([onSocket(one)])).open.length === 1, {
    what: 'the place of the stream',
  })
})

describe('a place is free again after a subscription', () => {
  const WAYS: [string, () => Promise<void>][] = [
    [
      'that its client completes on a socket',
      async () => {
        const socket = newSocket()
        const following = onSocket(socket)
        await decided([following])
        following.leave()
      },
    ],
    [
      'whose socket breaks off without a word',
      async () => {
        const socket = newSocket()
        await decided(times(2, () => onSocket(socket)))
        socket.client.terminate()
      },
    ],
    [
      'whose event stream is left',
      async () => {
        const following = await byEvents()
        await decided([following])
        following.leave()
      },
    ],
    [
      'that ends by itself',
      async () => {
        const { generation } = await requestAnalysis(url, token, { forceRefresh: true })
        const id = generation?.id ?? ''
        const followings = [newSocket().follow(id), await byEvents({ query: FOLLOW, variables: { id } })]
        await until(() => followings.every(({ completed }) => completed), { what: 'both to end' })
      },
    ],
    [
      'that turns out not to begin',
      async () => {
        const socket = newSocket()
        const unknown = { id: Buffer.from(`Interview:${crypto.randomUUID()}`).toString('base64url') }
        const refused = [
          socket.follow('', ONE, unknown),
          await byEvents({ query: ONE, variables: unknown }),
          await byEvents({ query: ONE, variables: { id: 'x' } }),
        ]
        expect((await decided(refused)).open).toEqual([])
      },
    ],
    [
      'whose token ends',
      async () => {
        const short = await tokenOf(subject, { exp: Math.floor(Date.now() / 1000) + 2 })
        const followings = [await byEvents({ token: short }), onSocket(newSocket(short))]
        await until(() => followings.every(({ ended }) => ended), { what: 'the end of the token' })
        expect(followings.flatMap(({ errors }) => errors.map(({ extensions }) => extensions?.code))).toEqual([
          'UNAUTHENTICATED',
          'UNAUTHENTICATED',
        ])
      },
    ],
  ]

  test.each(WAYS)('%s', async (_way, end) => {
    // One after the other: a place that is kept would be missed.
    await end()
    await end()
    await expectAllFree()
  })

  const LEAVING: [string, () => () => void][] = [
    [
      'an event stream',
      () => {
        const leaving = new AbortController()
        const headers = {
          'content-type': 'application/json',
          accept: 'text/event-stream',
          authorization: `Bearer ${token}`,
        }
        const body = JSON.stringify({ query: ONE, variables: { id: interviewId } })
        void fetch(`${url}/graphql`, { method: 'POST', headers, body, signal: leaving.signal }).catch(
          () => {},
        )
        return () => leaving.abort()
      },
    ],
    ['a socket', () => newSocket().follow('', ONE, { id: interviewId }).leave],
    [
      'a socket that breaks off',
      () => {
        const socket = newSocket()
        socket.follow('', ONE, { id: interviewId })
        return () => socket.client.terminate()
      },
    ],
  ]
  test.each(LEAVING)('whose client leaves before it has begun, over %s', async (_transport, subscribe) => {
    const holder = new pg.Client(database.url)
    await holder.connect()
    try {
      await holder.query('BEGIN')
      await holder.query('LOCK TABLE interviews IN ACCESS EXCLUSIVE MODE')
      const leave = subscribe()
      await until(
        async () => {
          const waiting = `SELECT FROM pg_locks WHERE relation = 'interviews'::regclass AND NOT granted`
          return (await holder.query(waiting)).rowCount !== 0
        },
        { what: 'it to wait for what it reads first' },
      )
      leave()
    } finally {
      await holder.query('ROLLBACK')
      await holder.end()
    }
    await expectAllFree()
  })
})
