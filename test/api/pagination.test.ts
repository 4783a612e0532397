import { afterAll, beforeAll, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post, requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let gateway: TestGateway

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

interface Page {
  edges: { cursor: string; node: { id: string; createdAt: string; archetype: string } }[]
  nodes: { id: string }[]
  pageInfo: {
    hasNextPage: boolean
    hasPreviousPage: boolean
    startCursor: string | null
    endCursor: string | null
  }
  totalCount: number
}

const PAGE = `query ($first: Int, $after: String, $archetype: Archetype) {
  viewer {
    analyses(first: $first, after: $after, archetype: $archetype) {
      edges { cursor node { id createdAt archetype } }
      nodes { id }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      totalCount
    }
  }
}`

async function page(token: string, variables: Record<string, unknown> = {}): Promise<Page> {
  const { data, errors } = await post<{ viewer: { analyses: Page } }>(gateway.url, {
    query: PAGE,
    variables,
    token,
  })
  if (!data) throw new Error(`no page: ${JSON.stringify(errors)}`)
  return data.viewer.analyses
}

/** Every page, as a frontend that follows endCursor gets them. */
async function allPages(token: string, first: number, archetype?: string): Promise<Page[]> {
  const pages: Page[] = []
  for (let after: string | null = null; ; ) {
    const next: Page = await page(token, { first, after, archetype })
    pages.push(next)
    if (!next.pageInfo.hasNextPage) return pages
    after = next.pageInfo.endCursor
  }
}

const idsOf = (...pages: Page[]) => pages.flatMap(({ edges }) => edges.map(edge => edge.node.id))

/** Makes analyses one after another. @returns their ids, newest first. */
async function analyse(token: string, count: number, archetype = 'FOUNDATION_BUILDER'): Promise<string[]> {
  const ids: string[] = []
  for (let made = 0; made < count; made++) {
    const { analysis } = await requestAnalysis(gateway.url, token, { archetype, forceRefresh: true })
    ids.unshift(analysis.id)
  }
  return ids
}

test('a list without analyses is one empty page', async () => {
  expect(await page(await tokenOf('empty'))).toEqual({
    edges: [],
    nodes: [],
    pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    totalCount: 0,
  })
})

test('analyses come newest first, 20 where nothing is said, and each page tells the truth about where it is', async () => {
  const token = await tokenOf('reader')
  const ids = await analyse(token, 21)
  const whole = await page(token, { first: 100 })
  expect(idsOf(whole)).toEqual(ids)
  expect(whole.edges.map(edge => edge.node.createdAt)).toEqual(
    whole.edges
      .map(edge => edge.node.createdAt)
      .sort()
      .reverse(),
  )
  expect(whole.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false })
  expect(idsOf(await page(token))).toEqual(ids.slice(0, 20))

  const pages = await allPages(token, 7)
  expect(pages.map(({ edges }) => edges.length)).toEqual([7, 7, 7])
  expect(idsOf(...pages)).toEqual(ids)
  expect(pages.map(({ pageInfo }) => [pageInfo.hasPreviousPage, pageInfo.hasNextPage])).toEqual([
    [false, true],
    [true, true],
    [true, false],
  ])
  for (const { edges, nodes, pageInfo, totalCount } of pages) {
    expect(nodes).toEqual(edges.map(edge => ({ id: edge.node.id })))
    expect(pageInfo.startCursor).toBe(edges[0]?.cursor)
    expect(pageInfo.endCursor).toBe(edges.at(-1)?.cursor)
    expect(totalCount).toBe(21)
  }
  expect(new Set(pages.flatMap(({ edges }) => edges.map(edge => edge.cursor))).size).toBe(21)
})

test('any cursor of an edge leads to what comes after it, and the last one to an empty page', async () => {
  const token = await tokenOf('jumper')
  const ids = await analyse(token, 4)
  const { edges } = await page(token)
  for (const [index, { cursor }] of edges.entries()) {
    const rest = await page(token, { after: cursor, first: 2 })
    expect(idsOf(rest)).toEqual(ids.slice(index + 1, index + 3))
    expect(rest.pageInfo).toMatchObject({ hasPreviousPage: true, hasNextPage: index === 0 })
  }
})

test('analyses that are stored between two pages neither repeat nor hide one', async () => {
  const token = await tokenOf('patient')
  const ids = await analyse(token, 5)
  const first = await page(token, { first: 2 })
  const newer = await analyse(token, 3)
  const second = await page(token, { first: 2, after: first.pageInfo.endCursor })
  const third = await page(token, { first: 2, after: second.pageInfo.endCursor })
  expect(idsOf(first, second, third)).toEqual(ids)
  expect(third.totalCount).toBe(8)
  expect(idsOf(await page(token))).toEqual([...newer, ...ids])
})

test('the filter by archetype pages through that archetype alone, and counts it', async () => {
  const token = await tokenOf('versatile')
  const [a1, b1, a2, b2, a3] = [
    ...(await analyse(token, 1, 'PEAK_PERFORMER')),
    ...(await analyse(token, 1, 'RESILIENCE_REBUILDER')),
    ...(await analyse(token, 1, 'PEAK_PERFORMER')),
    ...(await analyse(token, 1, 'RESILIENCE_REBUILDER')),
    ...(await analyse(token, 1, 'PEAK_PERFORMER')),
  ]
  const peak = await allPages(token, 2, 'PEAK_PERFORMER')
  expect(idsOf(...peak)).toEqual([a3, a2, a1])
  expect(peak.map(({ totalCount }) => totalCount)).toEqual([3, 3])
  const resilient = await allPages(token, 2, 'RESILIENCE_REBUILDER')
  expect(resilient).toHaveLength(1)
  expect(idsOf(...resilient)).toEqual([b2, b1])
  expect((await page(token, { archetype: 'SYSTEMATIC_IMPROVER' })).totalCount).toBe(0)
  expect((await page(token)).totalCount).toBe(5)
  expect((await page(token, { archetype: null })).totalCount).toBe(5)
})

test('analyses of one instant are neither lost nor doubled, whatever the size of a page', async () => {
  const token = await tokenOf('simultaneous')
  const ids = await analyse(token, 7)
  await database.query(
    `UPDATE analyses SET created_at = '2026-01-31T10:00:00.123Z'
     WHERE user_id = (SELECT id FROM users WHERE subject = 'simultaneous')`,
  )
  const inOrder = idsOf(await page(token))
  expect([...inOrder].sort()).toEqual([...ids].sort())
  for (const first of [1, 2, 3, 6, 7]) expect(idsOf(...(await allPages(token, first)))).toEqual(inOrder)
})

test('another user sees none of them', async () => {
  const token = await tokenOf('owner')
  await analyse(token, 2)
  const { pageInfo } = await page(token, { first: 1 })
  const stranger = await tokenOf('stranger')
  expect(idsOf(await page(stranger))).toEqual([])
  expect(idsOf(await page(stranger, { after: pageInfo.endCursor }))).toEqual([])
})

test('the count is asked of the database only when it is selected, and once a list', async () => {
  const token = await tokenOf('frugal')
  await analyse(token, 2)
  const counts = async () => {
    const { values } = await gateway.metrics.loaderQueries.get()
    return values.find(({ labels }) => labels.loader === 'analysisCount')?.value ?? 0
  }
  const before = await counts()
  const query = '{ viewer { analyses(first: 1) { edges { cursor } nodes { id } pageInfo { hasNextPage } } } }'
  expect((await post(gateway.url, { query, token })).data).toMatchObject({
    viewer: { analyses: { pageInfo: { hasNextPage: true } } },
  })
  expect(await counts()).toBe(before)
  expect((await page(token, { first: 1 })).totalCount).toBe(2)
  expect(await counts()).toBe(before + 1)
})
