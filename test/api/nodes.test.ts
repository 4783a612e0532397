import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { type Answer, post, requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let gateway: TestGateway
/** One id of each type that has ids, of two users. */
let mine: Ids
let theirs: Ids

interface Ids {
  token: string
  user: string
  analysis: string
  insight: string
  generation: string
}

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })
  ;[mine, theirs] = await Promise.all([idsOf('me'), idsOf('them')])
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

async function idsOf(subject: string): Promise<Ids> {
  const token = await tokenOf(subject)
  const { analysis, generation } = await requestAnalysis(gateway.url, token)
  const query = '{ viewer { id latestAnalysis(archetype: FOUNDATION_BUILDER) { insights { id } } } }'
  const { data } = await post<{ viewer: { id: string; latestAnalysis: { insights: { id: string }[] } } }>(
    gateway.url,
    { query, token },
  )
  return {
    token,
    user: data?.viewer.id ?? '',
    analysis: analysis.id,
    insight: data?.viewer.latestAnalysis.insights[0]?.id ?? '',
    generation: generation?.id ?? '',
  }
}

const NODES = `query ($ids: [ID!]!) {
  nodes(ids: $ids) {
    __typename id
    ... on User { email emailVerified createdAt }
    ... on Analysis { summary user { id } insights { id } }
    ... on Insight { insightKind: kind title confidence analysis { id } }
    ... on Generation { kind state phase progress epoch error result { __typename id } }
  }
}`
type Nodes = Answer<{ nodes: ({ __typename: string; id: string } | null)[] }>
const nodes = (ids: string[], token: string): Promise<Nodes> =>
  post(gateway.url, { query: NODES, variables: { ids }, token })
const node = (id: string, token?: string) =>
  post(gateway.url, {
    query: 'query ($id: ID!) { node(id: $id) { __typename id } }',
    variables: { id },
    ...(token && { token }),
  })
const encoded = (type: string, id: string) => Buffer.from(`${type}:${id}`).toString('base64url')

test('nodes finds what the viewer owns, of every type that has ids', async () => {
  const answer = await nodes([mine.user, mine.analysis, mine.insight, mine.generation], mine.token)
  expect(answer.errors).toBeUndefined()
  expect(answer.data?.nodes).toEqual([
    {
      __typename: 'User',
      id: mine.user,
      email: 'me@example.com',
      emailVerified: false,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    },
    {
      __typename: 'Analysis',
      id: mine.analysis,
      summary: expect.stringMatching(/^answer \d$/),
      user: { id: mine.user },
      insights: [{ id: mine.insight }],
    },
    {
      __typename: 'Insight',
      id: mine.insight,
      insightKind: 'TREND',
      title: expect.stringMatching(/^insight \d$/),
      confidence: 0.5,
      analysis: { id: mine.analysis },
    },
    {
      __typename: 'Generation',
      id: mine.generation,
      kind: 'BEHAVIOR_ANALYSIS',
      state: 'SUCCEEDED',
      phase: 'DONE',
      progress: 1,
      epoch: 1,
      error: null,
      result: { __typename: 'Analysis', id: mine.analysis },
    },
  ])
})

test('node finds one of each type', async () => {
  for (const [type, id] of [
    ['User', mine.user],
    ['Analysis', mine.analysis],
    ['Insight', mine.insight],
    ['Generation', mine.generation],
  ] as const)
    expect((await node(id, mine.token)).data).toEqual({ node: { __typename: type, id } })
})

test("another user's objects are null, as are ids that nothing has, and say no more than that", async () => {
  const unknown = ['User', 'Analysis', 'Insight', 'Generation'].map(type => encoded(type, randomUUID()))
  const foreign = [theirs.user, theirs.analysis, theirs.insight, theirs.generation]
  for (const id of [...foreign, ...unknown]) {
    const { data, errors } = await node(id, mine.token)
    expect({ data, errors }).toEqual({ data: { node: null }, errors: undefined })
  }
  const { data, errors } = await nodes(
    [theirs.user, mine.user, ...unknown, theirs.analysis, theirs.insight, mine.insight, theirs.generation],
    mine.token,
  )
  expect(errors).toBeUndefined()
  expect(data?.nodes.map(found => found?.id ?? null)).toEqual([
    null,
    mine.user,
    ...unknown.map(() => null),
    null,
    null,
    mine.insight,
    null,
  ])
})

test('the id of one type with the name of another finds nothing', async () => {
  const [, uuid = ''] = Buffer.from(mine.analysis, 'base64url').toString().split(':')
  const { data } = await nodes([encoded('Insight', uuid), encoded('User', uuid)], mine.token)
  expect(data).toEqual({ nodes: [null, null] })
})

test('nodes keeps order and duplicates', async () => {
  const ids = [mine.insight, mine.user, mine.analysis, mine.insight, mine.generation, mine.user, mine.insight]
  const { data } = await nodes(ids, mine.token)
  expect(data?.nodes.map(found => found?.id)).toEqual(ids)
})

test('nodes takes none and up to 100 ids, and refuses more, duplicates or not', async () => {
  expect((await nodes([], mine.token)).data).toEqual({ nodes: [] })
  const hundred = Array.from({ length: 100 }, () => mine.user)
  expect((await nodes(hundred, mine.token)).data?.nodes).toHaveLength(100)
  const { data, errors } = await nodes([...hundred, mine.user], mine.token)
  expect(data ?? null).toBeNull()
  expect(errors?.[0]).toMatchObject({
    extensions: { code: 'BAD_USER_INPUT' },
    message: expect.stringMatching(/^ids: /),
  })
})

test('a hundred ids of one type cost one statement', async () => {
  const statements = async () => {
    const { values } = await gateway.metrics.loaderQueries.get()
    return values.find(({ labels }) => labels.loader === 'analysis')?.value ?? 0
  }
  const before = await statements()
  const ids = Array.from({ length: 99 }, () => encoded('Analysis', randomUUID()))
  const { data } = await nodes([...ids, mine.analysis], mine.token)
  expect(data?.nodes.filter(found => found !== null)).toHaveLength(1)
  // The insight's way back to its analysis is not asked for here.
  expect((await statements()) - before).toBe(1)
})
