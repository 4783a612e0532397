import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ChangeFeed, PAGE_SIZE } from '../../src/coordination/change-feed.ts'
import type { Queryable } from '../../src/database/client.ts'
import {
  changeInterviewStatus,
  findChangesAfter,
  type InterviewChangeRow,
} from '../../src/database/interview-changes.ts'
import { findInterviewsByIds } from '../../src/database/interviews.ts'
import { followAllInterviews } from '../../src/schema/follow-interviews.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import {
  type ChangeEvent,
  deliverPrompt,
  followInterviews,
  type InterviewsFollowed,
  moveInterview,
  newInterview,
} from '../support/interview-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateways: TestGateway[]
let a: string
let b: string
let service: string

beforeAll(async () => {
  database = await createTestDatabase()
  const generator = new FakeGenerator()
  gateways = await Promise.all([1, 2].map(() => startTestGateway({ databaseUrl: database.url, generator })))
  a = gateways[0]?.url ?? ''
  b = gateways[1]?.url ?? ''
  service = await tokenOf('enhancer', { roles: ['SERVICE'] })
})
afterAll(async () => {
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
})

const sees = (followed: InterviewsFollowed, count: number) =>
  until(() => followed.changes.length >= count, { what: `${count} changes` })
const seen = ({ changes }: InterviewsFollowed) => changes.map(({ version, status }) => `${version} ${status}`)
const versionsOf = (changes: readonly ChangeEvent[], id: string) =>
  changes.flatMap(({ interview, version }) => (interview.id === id ? [version] : []))

const stored: Queryable = {
  query: (statement, values) => database.query(statement.text, values as unknown[]) as never,
}
const rawId = (id: string) => Buffer.from(id, 'base64url').toString().split(':')[1] ?? ''

/** Changes its status, to and fro, until it has so many versions: the statement that every change is made with. */
async function changeUntil(id: string, version: number): Promise<void> {
  const interviewId = rawId(id)
  for (;;) {
    const [interview] = await findInterviewsByIds(stored, [interviewId])
    if (!interview || interview.statusVersion >= version) return
    const to = interview.status === 'FAILED' ? 'ENHANCING' : 'FAILED'
    await changeInterviewStatus(stored, [{ interviewId, to, reason: null }])
  }
}

describe.each(['events', 'socket'] as const)('a subscription by %s', by => {
  test('gives the current status first, then each change once and in order, whichever instance made it', async () => {
    const token = await tokenOf(`anna-${by}`)
    const { id } = await newInterview(a, token)
    const followed = await followInterviews(b, { token, interviewId: id, by })
    await sees(followed, 1)
    await deliverPrompt(a, service, { interviewId: id, messageId: 'm1' })
    await moveInterview(b, token, 'startInterview', id)
    await moveInterview(a, token, 'completeInterview', id)
    await sees(followed, 4)
    expect(seen(followed)).toEqual(['1 ENHANCING', '2 READY', '3 IN_PROGRESS', '4 COMPLETED'])
    followed.leave()
  })

  test('without an id gives all of the viewer’s interviews, and nobody else’s', async () => {
    const [token, other] = await Promise.all([tokenOf(`berta-${by}`), tokenOf(`carl-${by}`)])
    const one = await newInterview(a, token)
    const two = await newInterview(a, token)
    await deliverPrompt(a, service, { interviewId: one.id, messageId: 'm' })
    const followed = await followInterviews(b, { token, by })
    await sees(followed, 2)
    // In the order of their newest changes.
    expect(followed.changes.map(({ interview, status }) => [interview.id, status])).toEqual([
      [two.id, 'ENHANCING'],
      [one.id, 'READY'],
    ])
    await newInterview(a, other)
    const three = await newInterview(b, token)
    await moveInterview(a, token, 'startInterview', one.id)
    await sees(followed, 4)
    expect(followed.changes.slice(2).map(({ interview, version }) => [interview.id, version])).toEqual([
      [three.id, 1],
      [one.id, 3],
    ])
    followed.leave()
  })

  test('gives every change after a version that the client has seen', async () => {
    const token = await tokenOf(`dora-${by}`)
    const { id } = await newInterview(a, token)
    await changeUntil(id, 51)
    const followed = await followInterviews(b, { token, interviewId: id, afterVersion: 1, by })
    await sees(followed, 50)
    expect(versionsOf(followed.changes, id)).toEqual(Array.from({ length: 50 }, (_, index) => index + 2))
    const all = await followInterviews(b, { token, afterVersion: 49, by })
    await sees(all, 2)
    expect(versionsOf(all.changes, id)).toEqual([50, 51])
    followed.leave()
    all.leave()
  })

  test('ends with its token, and says so', async () => {
    const token = await tokenOf(`emil-${by}`, { exp: Math.floor(Date.now() / 1000) + 3 })
    const { id } = await newInterview(a, await tokenOf(`emil-${by}`))
    const followed = await followInterviews(a, { token, interviewId: id, by })
    await sees(followed, 1)
    await until(() => followed.ended, { what: 'the end' })
    expect(followed.errors).toEqual([
      expect.objectContaining({
        message: 'The token has expired: get a new one and subscribe again.',
        extensions: { code: 'UNAUTHENTICATED' },
      }),
    ])
    expect(followed.completed).toBe(true)
  })

  test('that connects while changes commit sees each version once, without a gap', async () => {
    const token = await tokenOf(`fritz-${by}`)
    const { id } = await newInterview(a, token)
    const changing = changeUntil(id, 31)
    const followers: InterviewsFollowed[] = []
    for (let count = 0; count < 10; count++)
      followers.push(await followInterviews(count % 2 ? a : b, { token, interviewId: id, by }))
    await changing
    for (const followed of followers) {
      await until(() => followed.changes.at(-1)?.version === 31, { what: 'the newest version' })
      const versions = versionsOf(followed.changes, id)
      const first = versions[0] ?? 0
      expect(versions).toEqual(Array.from({ length: 32 - first }, (_, index) => first + index))
      followed.leave()
    }
  })
})

describe('Last-Event-ID', () => {
  test('resumes after the event it names, of one interview by version and of all by their order', async () => {
    const token = await tokenOf('greta')
    const { id } = await newInterview(a, token)
    const one = await followInterviews(a, { token, interviewId: id })
    const all = await followInterviews(a, { token })
    await changeUntil(id, 4)
    await sees(one, 4)
    await sees(all, 4)
    one.leave()
    all.leave()
    expect(one.eventIds.map(({ id }) => id)).toEqual(['1', '2', '3', '4'])
    await changeUntil(id, 6)
    for (const followed of [
      await followInterviews(b, { token, interviewId: id, lastEventId: one.eventIds.at(-1)?.id ?? '' }),
      // As a browser does it: with the arguments of the first time.
      await followInterviews(b, { token, interviewId: id, afterVersion: 0, lastEventId: '4' }),
      await followInterviews(b, { token, lastEventId: all.eventIds.at(-1)?.id ?? '' }),
    ]) {
      await sees(followed, 2)
      expect(versionsOf(followed.changes, id)).toEqual([5, 6])
      expect(followed.eventIds.map(({ event }) => event)).toEqual(['next', 'next'])
      followed.leave()
    }
  })

  test('that is none, and an afterVersion below 0, are refused by name', async () => {
    const token = await tokenOf('hans')
    const { id } = await newInterview(a, token)
    const bad = await followInterviews(a, { token, interviewId: id, lastEventId: 'x7' })
    await until(() => bad.ended, { what: 'the refusal' })
    expect(bad.errors[0]).toMatchObject({ message: expect.stringMatching(/^Last-Event-ID: /) })
    const negative = await followInterviews(a, { token, interviewId: id, afterVersion: -1 })
    await until(() => negative.ended, { what: 'the refusal' })
    expect(negative.errors[0]).toMatchObject({ message: 'afterVersion: expected 0 or more' })
  })
})

test('a consumer that stops reading is brought to the newest state when it goes on', async () => {
  const token = await tokenOf('ida')
  const { id } = await newInterview(a, token)
  const query = `subscription { interviewStatusChanged(interviewId: "${id}") { version interview { topic history { version reason } } } }`
  const response = await fetch(`${a}/graphql`, {
    method: 'POST',
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify({ query }),
  })
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  const readUntil = async (version: number) => {
    while (!text.includes(`"version":${version},"interview"`)) {
      const { value, done } = (await reader?.read()) ?? { done: true, value: undefined }
      if (done) throw new Error('the stream ended')
      text += decoder.decode(value, { stream: true })
    }
  }
  await readUntil(1)
  await changeUntil(id, 121)
  await readUntil(121)
  const versions = [...text.matchAll(/"version":(\d+),"interview"/g)].map(match => Number(match[1]))
  expect(versions).toEqual(Array.from({ length: 121 }, (_, index) => index + 1))
  await reader?.cancel()
})

test('what changes twice while the current states are still being read is seen in both, after them', async () => {
  const token = await tokenOf('jana')
  const interviews = [await newInterview(a, token), await newInterview(a, token)]
  const [one = '', two = ''] = interviews.map(({ id }) => id)
  const [row] = await findInterviewsByIds(stored, [rawId(one)])
  const userId = row?.userId ?? ''
  const feed = new ChangeFeed<InterviewChangeRow>({
    name: 'interviews',
    read: requests =>
      findChangesAfter(
        stored,
        requests.map(({ after }) => ({ of: 'user', id: userId, after })),
        PAGE_SIZE,
      ),
    cursorOf: change => change.position,
    clock: systemClock,
    logger: createLogger({ level: 'silent', format: 'json' }),
  })
  const changes = followAllInterviews(stored, feed, userId)
  const seen: string[] = []
  const next = async () => {
    const { interviewId, version } = (await changes.next()).value
    seen.push(`${interviewId === rawId(one) ? 'one' : 'two'} ${version}`)
  }
  await next()
  await changeUntil(one, 3)
  await changeUntil(two, 2)
  for (let count = 0; count < 4; count++) await next()
  expect(seen).toEqual(['one 1', 'two 1', 'one 2', 'one 3', 'two 2'])
  await changes.return?.()
  feed.close()
})

const activeSubscriptions = async () => {
  const figures = await Promise.all(gateways.map(gateway => gateway.metrics.subscriptionsActive.get()))
  return figures.reduce((sum, { values }) => sum + (values[0]?.value ?? 0), 0)
}

describe.each(['events', 'socket'] as const)('by %s', by => {
  test('an event that cannot be made ends its subscription without its id; who comes again gets it', async () => {
    const token = await tokenOf(`karl-${by}`)
    const { id } = await newInterview(a, token)
    const followed = await followInterviews(a, { token, interviewId: id, by })
    await sees(followed, 1)
    // Its change is there, and its interview cannot be read.
    await database.query(`
      DO $$ BEGIN
        WITH changed AS (UPDATE interviews SET status = 'FAILED', status_version = 2 WHERE id = '${rawId(id)}' RETURNING *),
          moved AS (UPDATE interview_feeds f SET position = 2 FROM changed c WHERE f.user_id = c.user_id)
        INSERT INTO interview_status_changes (interview_id, version, user_id, position, status, changed_at)
        SELECT id, 2, user_id, 2, 'FAILED', now() FROM changed;
        PERFORM pg_notify('tributary_changes', 'interviews:${rawId(id)} x');
        ALTER TABLE interviews RENAME TO interviews_away;
      END $$`)
    try {
      await until(() => followed.ended, { what: 'the end' })
    } finally {
      await database.query('ALTER TABLE interviews_away RENAME TO interviews')
    }
    expect(followed.errors.map(error => error.extensions?.code)).toEqual(['INTERNAL'])
    const lastEventId = followed.eventIds.at(-1)?.id
    if (by === 'events') expect(lastEventId).toBe('1')
    const again = await followInterviews(a, {
      token,
      interviewId: id,
      by,
      ...(lastEventId ? { lastEventId } : { afterVersion: 1 }),
    })
    await sees(again, 1)
    expect(seen(again)).toEqual(['2 FAILED'])
    again.leave()
  })

  test('a subscription whose reads fail says nothing of the database, and is not counted any more', async () => {
    const token = await tokenOf(`lena-${by}`)
    await newInterview(a, token)
    await until(async () => (await activeSubscriptions()) === 0, { what: 'no active subscription' })
    await database.query('ALTER TABLE interview_feeds RENAME TO interview_feeds_away')
    try {
      const followed = await followInterviews(a, { token, by })
      await until(() => followed.ended, { what: 'the end' })
      expect(JSON.stringify(followed.errors)).not.toContain('interview_feeds')
      if (by === 'socket') expect(followed.errors[0]?.extensions?.code).toBe('INTERNAL')
    } finally {
      await database.query('ALTER TABLE interview_feeds_away RENAME TO interview_feeds')
    }
    await until(async () => (await activeSubscriptions()) === 0, { what: 'no active subscription' })
  })

  test('a change whose notification is lost is brought by the poll', async () => {
    const token = await tokenOf(`mara-${by}`)
    const { id } = await newInterview(a, token)
    const followed = await followInterviews(a, { token, interviewId: id, by })
    await sees(followed, 1)
    // As a change looks whose notification nobody has heard.
    await database.query(`
      WITH changed AS (UPDATE interviews SET status = 'FAILED', status_version = 2 WHERE id = '${rawId(id)}' RETURNING *),
        moved AS (UPDATE interview_feeds f SET position = 2 FROM changed c WHERE f.user_id = c.user_id)
      INSERT INTO interview_status_changes (interview_id, version, user_id, position, status, changed_at)
      SELECT id, 2, user_id, 2, 'FAILED', now() FROM changed`)
    await sees(followed, 2)
    expect(seen(followed)).toEqual(['1 ENHANCING', '2 FAILED'])
    followed.leave()
    await until(async () => (await activeSubscriptions()) === 0, { what: 'no active subscription' })
  })
})
