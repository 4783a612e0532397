import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ask, expectError } from '../support/api-answers.ts'
import {
  contributeFact,
  followPromotions,
  LIST_FACTS,
  listFacts,
  type PromotionsFollowed,
} from '../support/fact-client.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post } from '../support/graphql-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateway: TestGateway
let other: TestGateway

beforeAll(async () => {
  database = await createTestDatabase()
  const options = { databaseUrl: database.url, generator: new FakeGenerator() }
  ;[gateway, other] = await Promise.all([startTestGateway(options), startTestGateway(options)])
})
afterAll(async () => {
  await Promise.all([gateway?.close(), other?.close()])
  await database?.drop()
})

const contribute = async (subject: string, content: string, category?: string) =>
  contributeFact(gateway.url, await tokenOf(subject), content, category)

async function promote(content: string, category?: string) {
  for (const subject of ['promoter 1', 'promoter 2']) await contribute(subject, content, category)
  return (await contribute('promoter 3', content, category)).fact
}

describe('contributeFact', () => {
  const message = 'expected 1 to 10000 characters'
  const controls = 'expected text without control characters'
  test.each([
    ['an empty fact', '', message],
    ['white space alone', ' \t\n\u00a0\u3000', message],
    ['characters that nobody sees', '\u200b\u2060\u00ad', message],
    ['10,001 characters', 'x'.repeat(10_001), message],
    ['10,001 characters of two units each', '🏃'.repeat(10_001), message],
    ['10,000 characters that are more once they are normalised', 'ﷺ'.repeat(10_000), message],
    ['a megabyte of white space', ' '.repeat(1_000_000), message],
    ['NUL', 'a\u0000b', controls],
    ['a bell', 'a\u0007b', controls],
    ['an escape sequence', '\u001b[31mred', controls],
    ['half a surrogate pair', 'a\ud800b', controls],
  ])('refuses %s, and stores nothing', async (_what, content, expected) => {
    const before = await database.query('SELECT count(*) FROM collective_facts')
    const answer = await contribute('careless', content)
    expect(answer).toMatchObject({ __typename: 'InvalidInputError', code: 'INVALID_INPUT' })
    expect(answer.issues[0]).toEqual({ path: ['input', 'content'], message: expected })
    expect(await database.query('SELECT count(*) FROM collective_facts')).toEqual(before)
  })

  test('refuses a category that it does not know, and names those it does', async () => {
    const answer = await contribute('careless', 'Fine in itself', 'gossip')
    expect(answer.issues).toEqual([
      { path: ['input', 'category'], message: expect.stringMatching(/^expected one of .*general.*sleep/) },
    ])
    expect(await database.query("SELECT 1 FROM collective_facts WHERE content = 'Fine in itself'")).toEqual(
      [],
    )
  })

  test('names every field that does not fit', async () => {
    const { issues } = await contribute('careless', '', 'gossip')
    expect(issues.map(({ path }) => path.join('.'))).toEqual(['input.content', 'input.category'])
  })

  test('knows a category from the moment its row is there', async () => {
    await database.query("INSERT INTO fact_categories VALUES ('travel', 'On the way')")
    expect(await contribute('traveller', 'Trains are for reading', 'travel')).toMatchObject({
      fact: { category: 'travel' },
    })
  })

  test('shows a fact as it was first written, white space and width aside, and takes 10,000 characters of it', async () => {
    const { fact } = await contribute('first writer', '  Ｔｅａ \t keeps\n me AWAKE ')
    expect(fact).toMatchObject({ content: 'Tea keeps me AWAKE', category: 'general', sourceCount: 1 })
    const again = await contribute('second writer', 'tea keeps me awake', 'sleep')
    expect(again.fact).toMatchObject({ id: fact.id, content: 'Tea keeps me AWAKE', category: 'general' })
    expect((await contribute('novelist', 'y'.repeat(10_000))).fact.content).toHaveLength(10_000)
    // Characters as one sees them, of which JavaScript counts each of these twice.
    expect((await contribute('novelist', '🏃'.repeat(10_000))).fact.content).toHaveLength(20_000)
  })

  test('counts a user once, confirms by those it counts, and promotes at the third', async () => {
    const one = await contribute('one', 'Stairs beat lifts')
    expect(one).toMatchObject({ counted: true, promotedNow: false })
    expect(one.fact).toMatchObject({ sourceCount: 1, isPromoted: false, promotedAt: null })
    expect(one.fact.firstSeenAt <= one.fact.lastConfirmedAt).toBe(true)

    const repeated = await contribute('one', 'stairs BEAT lifts')
    expect(repeated).toMatchObject({ counted: false, promotedNow: false, fact: one.fact })

    const two = await contribute('two', 'Stairs beat lifts')
    expect(two).toMatchObject({ counted: true, promotedNow: false, fact: { sourceCount: 2 } })
    expect(two.fact.lastConfirmedAt > one.fact.lastConfirmedAt).toBe(true)

    const three = await contribute('three', 'Stairs beat lifts')
    expect(three).toMatchObject({
      counted: true,
      promotedNow: true,
      fact: { sourceCount: 3, isPromoted: true },
    })
    expect(three.fact.promotedAt).toBe(three.fact.lastConfirmedAt)

    const four = await contribute('four', 'Stairs beat lifts')
    expect(four).toMatchObject({ counted: true, promotedNow: false, fact: { sourceCount: 4 } })
    expect(four.fact.promotedAt).toBe(three.fact.promotedAt)
    expect(four.fact.firstSeenAt).toBe(one.fact.firstSeenAt)
  })

  test('needs a token', async () => {
    const query = 'mutation { contributeFact(input: { content: "x" }) { __typename } }'
    expectError(await ask(gateway.url, { query }), 'UNAUTHENTICATED', /token/)
  })
})

describe('collectiveFacts', () => {
  test('come newest confirmation first, by category and promotion, and tell each viewer what is theirs', async () => {
    const a = await promote('Listed fact a', 'training')
    await contribute('lister', 'Listed fact b', 'training')
    await contribute('lister', 'Listed fact c', 'recovery')
    await contribute('confirmer', 'Listed fact b', 'training')
    const token = await tokenOf('lister')
    const contents = async (variables: Record<string, unknown>) =>
      (await listFacts(other.url, token, variables)).edges.map(({ node }) => node.content)
    expect(await contents({ category: 'training' })).toEqual(['Listed fact b', 'Listed fact a'])
    expect(await contents({ category: 'training', promoted: true })).toEqual(['Listed fact a'])
    expect(await contents({ category: 'training', promoted: false })).toEqual(['Listed fact b'])
    expect(await contents({ promoted: true, first: 1 })).toEqual(['Listed fact a'])
    expect((await contents({ first: 3 })).slice(0, 2)).toEqual(['Listed fact b', 'Listed fact c'])

    const page = await listFacts(gateway.url, token, { category: 'training', first: 1 })
    expect(page).toMatchObject({
      totalCount: 2,
      pageInfo: { hasNextPage: true, hasPreviousPage: false, startCursor: page.edges[0]?.cursor },
      edges: [{ node: { contributedByViewer: true } }],
    })
    const next = await listFacts(gateway.url, token, {
      category: 'training',
      first: 1,
      after: page.pageInfo.endCursor,
    })
    expect(next).toMatchObject({
      pageInfo: { hasNextPage: false, hasPreviousPage: true },
      edges: [{ node: { id: a.id, contributedByViewer: false } }],
    })
  })

  test('stay where they were for one who reads page by page, however long ago the first page was', async () => {
    const token = await tokenOf('slow reader')
    for (const letter of 'abcdef') await contribute('ager', `Aged fact ${letter}`, 'mind')
    // Confirmed long ago, so that the pages are read by the list's own index.
    await database.query(`
      UPDATE collective_facts SET last_confirmed_at = last_confirmed_at - interval '1 hour' WHERE category = 'mind';
      UPDATE fact_sources SET contributed_at = contributed_at - interval '1 hour'
      WHERE fact_id IN (SELECT id FROM collective_facts WHERE category = 'mind')`)
    const first = await listFacts(gateway.url, token, { category: 'mind', first: 2 })
    await contribute('late confirmer', 'Aged fact f', 'mind')
    await contribute('late confirmer', 'Aged fact b', 'mind')
    await contribute('late confirmer', 'New fact', 'mind')
    const rest = await listFacts(gateway.url, token, { category: 'mind', after: first.pageInfo.endCursor })
    expect([...first.edges, ...rest.edges].map(({ node }) => node.content.at(-1))).toEqual([...'fedcba'])
    // What is told of a fact is how it stands now.
    expect(rest.edges.at(-2)?.node).toMatchObject({ content: 'Aged fact b', sourceCount: 2 })
    const anew = await listFacts(gateway.url, token, { category: 'mind', first: 3 })
    expect(anew.edges.map(({ node }) => node.content)).toEqual(['New fact', 'Aged fact b', 'Aged fact f'])
  })

  test('are nodes that whoever is signed in may see', async () => {
    const { id } = (await contribute('giver', 'Shared by all')).fact
    const query =
      'query($id: ID!) { node(id: $id) { ... on CollectiveFact { content contributedByViewer } } }'
    const answer = await post(gateway.url, { query, variables: { id }, token: await tokenOf('looker') })
    expect(answer.data).toEqual({ node: { content: 'Shared by all', contributedByViewer: false } })
    expectError(await ask(gateway.url, { query, variables: { id } }), 'UNAUTHENTICATED', /token/)
  })

  test.each([
    ['a category that nobody knows', { category: 'gossip' }, /^category: expected one of .*general/],
    ['a page of none', { first: 0 }, /^first: expected 1 to 100/],
    ['a page of too many', { first: 101 }, /^first: expected 1 to 100/],
    ['a cursor that is none', { after: 'zzz' }, /^after: expected a cursor/],
    ['a cursor of another list', { after: forged('') }, /^after: expected a cursor/],
    ['a cursor with a snapshot that is none', { after: forged(' 9:3:') }, /^after: expected a cursor/],
    ['transactions before the snapshot', { after: forged(' 5:9:4') }, /^after: expected a cursor/],
    ['transactions in no order', { after: forged(' 5:9:7,6') }, /^after: expected a cursor/],
    ['a number too many', { after: forged(` 5:${'9'.repeat(20)}:`) }, /^after: expected a cursor/],
    ['an instant that is none', { after: forged(' 5:9:', '2026-13-31T10:00:00.000Z') }, /^after: expected/],
  ])('refuse %s', async (_what, variables, names) => {
    const answer = await ask(
      gateway.url,
      { query: LIST_FACTS, variables },
      { token: await tokenOf('reader') },
    )
    expectError(answer, 'BAD_USER_INPUT', names)
  })

  function forged(rest: string, at = '2026-01-31T10:00:00.000Z'): string {
    const text = `${at} 00000000-0000-4000-8000-000000000000${rest && ` 2026-01-31T10:00:00.000Z${rest}`}`
    return Buffer.from(text).toString('base64url')
  }

  test('take a cursor that names transactions in progress', async () => {
    const { edges } = await listFacts(gateway.url, await tokenOf('reader'), { after: forged(' 5:9:5,7') })
    expect(edges).toEqual([])
  })
})

test('a count that is not that of the sources is found by the consistency check, and mended', async () => {
  const { fact } = await contribute('counter', 'Counted facts')
  await database.query("UPDATE collective_facts SET source_count = 7 WHERE content = 'Counted facts'")
  const check = async (repair: boolean) =>
    post<{ runConsistencyCheck: { findings: { check: string; count: number; repaired: number }[] } }>(
      gateway.url,
      {
        query: `mutation { runConsistencyCheck(repair: ${repair}) { findings { check count sampleIds repaired } } }`,
        token: await tokenOf('admin', { roles: ['ADMIN'] }),
      },
    ).then(answer => answer.data?.runConsistencyCheck.findings)
  const id = Buffer.from(fact.id, 'base64url').toString().split(':')[1]
  const finding = { check: 'fact_count_mismatch', count: 1, sampleIds: [id] }
  expect(await check(false)).toEqual([{ ...finding, repaired: 0 }])
  expect(await check(true)).toEqual([{ ...finding, repaired: 1 }])
  expect(await check(false)).toEqual([])
  const { edges } = await listFacts(gateway.url, await tokenOf('reader'), { first: 100 })
  expect(edges.find(({ node }) => node.id === fact.id)?.node.sourceCount).toBe(1)
})

describe('factPromoted', () => {
  const followed: PromotionsFollowed[] = []
  const follow = async (url: string, options: Omit<Parameters<typeof followPromotions>[1], 'token'> = {}) => {
    const following = await followPromotions(url, { ...options, token: await tokenOf('follower') })
    followed.push(following)
    return following
  }
  afterEach(() => {
    for (const following of followed.splice(0)) following.leave()
  })
  const contents = ({ promoted }: PromotionsFollowed) => promoted.map(fact => fact.content)
  const hears = (following: PromotionsFollowed, ...expected: string[]) =>
    until(() => following.promoted.length >= expected.length, { what: expected.join(', ') }).then(() =>
      expect(contents(following)).toEqual(expected),
    )

  test('tells of promotions of the category that was asked for, and only of those after it was asked', async () => {
    await promote('Promoted before', 'health')
    const [healthy, everything] = [
      await follow(other.url, { category: 'health' }),
      await follow(other.url, { by: 'socket' }),
    ]
    // A socket's subscription is there once it has been heard: repeat until it is.
    let round = 0
    while (everything.promoted.length === 0) await promote(`Promoted for the socket ${round++}`, 'work')
    await promote('Promoted work', 'work')
    await promote('Promoted health', 'health')
    await hears(healthy, 'Promoted health')
    await until(() => contents(everything).includes('Promoted health'), { what: 'the socket to hear it too' })
    expect(new Set(contents(everything)).size).toBe(everything.promoted.length)
    expect(contents(everything)).not.toContain('Promoted before')
  })

  test('resumes after the event that was seen last, with nothing lost and nothing twice', async () => {
    const first = await follow(gateway.url)
    await promote('Promoted in sight')
    await hears(first, 'Promoted in sight')
    const [event] = first.eventIds
    first.leave()
    await promote('Promoted while away')
    const second = await follow(other.url, { lastEventId: event?.id ?? '' })
    await promote('Promoted after')
    await hears(second, 'Promoted while away', 'Promoted after')
  })

  test('tells of a promotion whose message was lost', async () => {
    const following = await follow(gateway.url)
    const { fact } = await contribute('silent', 'Promoted in silence')
    // What another instance commits, without the notification.
    await database.query(
      `WITH feed AS (UPDATE fact_feed SET position = position + 1 RETURNING position)
       INSERT INTO fact_promotions SELECT feed.position, f.id, f.category FROM feed, collective_facts f WHERE f.content = $1`,
      [fact.content],
    )
    await hears(following, 'Promoted in silence')
  })

  test('a promotion that commits late is before those that come after it, and is not skipped', async () => {
    const following = await follow(gateway.url)
    await contribute('tardy', 'Promoted slowly')
    const held = await holdLock(
      database.url,
      `WITH feed AS (UPDATE fact_feed SET position = position + 1 RETURNING position)
       INSERT INTO fact_promotions SELECT feed.position, f.id, f.category FROM feed, collective_facts f
       WHERE f.content = 'Promoted slowly'`,
    )
    const overtaking = promote('Promoted quickly')
    await held.waitedFor()
    expect(following.promoted).toEqual([])
    await held.commit()
    await overtaking
    await hears(following, 'Promoted slowly', 'Promoted quickly')
  })

  test.each([
    ['a category that nobody knows', { category: 'gossip' }, {}, 'BAD_USER_INPUT', /expected one of/],
    ['an event id that no stream gave', {}, { 'last-event-id': 'x' }, 'BAD_USER_INPUT', /Last-Event-ID/],
  ])('refuses %s', async (_what, variables, headers, code, names) => {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${await tokenOf('follower')}`,
        ...headers,
      },
      body: JSON.stringify({
        query: 'subscription($category: String) { factPromoted(category: $category) { id } }',
        variables,
      }),
    })
    const text = await response.text()
    expect(text).toContain(`"code":"${code}"`)
    expect(text).toMatch(names)
  })
})
