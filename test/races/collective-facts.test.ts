import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  type ContributionAnswer,
  contributeFact,
  followPromotions,
  listFacts,
} from '../support/fact-client.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateways: TestGateway[]
const url = (index: number) => gateways[index % gateways.length]?.url ?? ''

beforeAll(async () => {
  database = await createTestDatabase()
  // What waits for a lock of the test must not give up on a slow machine.
  const options = {
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings: { LOCK_TIMEOUT_MS: '20000', DATABASE_POOL_SIZE: '6' },
  }
  gateways = await Promise.all([1, 2, 3].map(() => startTestGateway(options)))
})
afterAll(async () => {
  await Promise.all((gateways ?? []).map(gateway => gateway.close()))
  await database?.drop()
})

const tokens = (name: string, count: number) =>
  Promise.all(Array.from({ length: count }, (_, index) => tokenOf(`${name} ${index}`)))

const stored = (pattern: string) =>
  database.query<{ id: string; content: string; count: number; sources: number; promotions: number }>(
    `SELECT id, content, source_count AS count,
       (SELECT count(*)::int FROM fact_sources s WHERE s.fact_id = f.id) AS sources,
       (SELECT count(*)::int FROM fact_promotions p WHERE p.fact_id = f.id) AS promotions
     FROM collective_facts f WHERE content ILIKE $1 ORDER BY content`,
    [pattern],
  )

/** Nobody gets on until all have come: they wait before the table, or gather behind who does. */
async function allAtOnce(
  users: string,
  count: number,
  contribute: () => Promise<ContributionAnswer>[],
): Promise<ContributionAnswer[]> {
  const held = await holdLock(database.url, 'LOCK TABLE collective_facts IN EXCLUSIVE MODE')
  const answers = Promise.all(contribute())
  await held.waitedFor()
  await until(
    async () =>
      (
        await database.query<{ count: number }>(
          'SELECT count(*)::int AS count FROM users WHERE subject LIKE $1',
          [`${users} %`],
        )
      )[0]?.count === count,
    { what: `${count} users to have come` },
  )
  await held.release()
  return answers
}

test('60 users who contribute one fact in several spellings on three instances make one, promoted once, and each subscriber hears of it once', async () => {
  const spellings = [
    'Sleep beats caffeine',
    '  sleep   BEATS\tcaffeine ',
    'ＳＬＥＥＰ beats caffeine',
    'sleep beats\n caﬀeine',
  ]
  const [watcher, ...users] = await tokens('sleeper', 61)
  const subscribers = await Promise.all(
    gateways.map(gateway => followPromotions(gateway.url, { token: watcher ?? '' })),
  )
  onTestFinished(() => {
    for (const subscriber of subscribers) subscriber.leave()
  })
  const answers = await allAtOnce('sleeper', 61, () =>
    users.map((token, index) => contributeFact(url(index), token, spellings[index % spellings.length] ?? '')),
  )

  expect(answers.filter(answer => answer.counted)).toHaveLength(60)
  expect(answers.filter(answer => answer.promotedNow)).toHaveLength(1)
  expect(new Set(answers.map(answer => answer.fact.id)).size).toBe(1)
  const facts = await stored('%beats%')
  expect(facts).toMatchObject([{ count: 60, sources: 60, promotions: 1 }])
  expect(spellings.map(text => text.normalize('NFKC').replaceAll(/\s+/g, ' ').trim())).toContain(
    facts[0]?.content,
  )
  const outbox = await database.query('SELECT 1 FROM outbox WHERE key = $1', [
    `fact:${facts[0]?.id}:promoted`,
  ])
  expect(outbox).toHaveLength(1)
  // Each instance has one transaction at the door and all others behind it.
  expect(await transactions('commit')).toBeLessThanOrEqual(9)

  await until(() => subscribers.every(subscriber => subscriber.promoted.length > 0), {
    what: 'every subscriber to hear of the promotion',
  })
  // A second fact after it: what comes twice would have come by then.
  for (const [index, token] of users.slice(0, 3).entries())
    await contributeFact(url(index), token, 'Walking counts')
  await until(() => subscribers.every(subscriber => subscriber.promoted.length > 1), {
    what: 'every subscriber to hear of the second promotion',
  })
  for (const { promoted } of subscribers)
    expect(promoted.map(({ content, isPromoted }) => [content, isPromoted])).toEqual([
      [facts[0]?.content, true],
      ['Walking counts', true],
    ])
})

test('the same user 20 times at once is counted once', async () => {
  const [opener = '', echo = ''] = await tokens('echo', 2)
  const contribute = (token: string, index: number) =>
    contributeFact(url(index), token, 'Echoes are one voice')
  const answers = await allAtOnce('echo', 2, () => [
    // On each instance somebody else is first, and the others gather behind.
    ...gateways.map((_, index) => contribute(opener, index)),
    ...Array.from({ length: 20 }, (_, index) => contribute(echo, index)),
  ])
  expect(answers.slice(0, 3).filter(answer => answer.counted)).toHaveLength(1)
  expect(answers.slice(3).filter(answer => answer.counted)).toHaveLength(1)
  expect(answers.filter(answer => answer.promotedNow)).toHaveLength(0)
  expect(await stored('echoes%')).toMatchObject([{ count: 2, sources: 2, promotions: 0 }])
})

const transactions = async (outcome: string) => {
  let sum = 0
  for (const { metrics } of gateways) {
    const { values } = await metrics.transactions.get()
    sum +=
      values.find(({ labels }) => labels.name === 'contribute-facts' && labels.outcome === outcome)?.value ??
      0
  }
  return sum
}

test('contributions to many facts at once, each brought in another order, lose none, and promote each once', async () => {
  const users = await tokens('crowd', 20)
  const facts = Array.from({ length: 12 }, (_, index) => `Crowded fact ${String(index).padStart(2, '0')}`)
  const answers = await Promise.all(
    users.flatMap((token, user) =>
      facts.map((_, index) =>
        contributeFact(
          url(user + index),
          token,
          // Half of them from the last to the first: rows that were locked as they come would deadlock.
          (user % 2 ? facts.toReversed() : facts)[index] ?? '',
        ),
      ),
    ),
  )
  expect(answers.every(answer => answer.counted)).toBe(true)
  expect(answers.filter(answer => answer.promotedNow)).toHaveLength(12)
  expect(await stored('crowded%')).toEqual(
    facts.map(content => expect.objectContaining({ content, count: 20, sources: 20, promotions: 1 })),
  )
  const positions = await database.query<{ position: number }>(
    'SELECT position FROM fact_promotions ORDER BY position',
  )
  expect(positions.map(({ position }) => position)).toEqual(positions.map((_, index) => index + 1))
})

test('one who reads page by page while facts are confirmed sees each fact that was there exactly once', async () => {
  const [reader, ...users] = await tokens('pager', 21)
  const facts = Array.from({ length: 60 }, (_, index) => `Paged fact ${index}`)
  for (const [index, content] of facts.entries())
    await contributeFact(url(index), users[0] ?? '', content, 'habits')
  let reading = true
  let confirmed = 0
  const confirming = users.slice(1).map(async (token, user) => {
    for (let round = 0; reading; round++) {
      await contributeFact(url(user), token, facts[(user * 7 + round * 11) % facts.length] ?? '', 'habits')
      confirmed++
      if (round % 5 === 4)
        await contributeFact(url(user), token, `New while paging ${user} ${round}`, 'habits')
    }
  })
  for (let pagination = 0; pagination < 3; pagination++) {
    const before = confirmed
    const seen: string[] = []
    for (let after: string | null = null; ; ) {
      const { edges, pageInfo } = await listFacts(url(seen.length), reader ?? '', {
        category: 'habits',
        first: 7,
        after,
      })
      seen.push(...edges.map(edge => edge.node.content))
      if (!pageInfo.hasNextPage) break
      after = pageInfo.endCursor
      // Somebody has confirmed something since the page before.
      const sofar = confirmed
      await until(() => confirmed > sofar, { what: 'a confirmation between two pages' })
    }
    expect(confirmed).toBeGreaterThan(before)
    expect(new Set(seen).size).toBe(seen.length)
    expect(facts.filter(fact => !seen.includes(fact))).toEqual([])
  }
  reading = false
  await Promise.all(confirming)
})
