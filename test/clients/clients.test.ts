import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { createApollo } from './apollo.ts'
import * as operations from './generated/operations.ts'
import { createPlain } from './plain.ts'
import type { ClientOptions, TypedClient } from './typed-client.ts'
import { createUrql } from './urql.ts'

let database: TestDatabase
let gateway: TestGateway
const generator = new FakeGenerator()
let opened: TypedClient[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
})
beforeEach(() => {
  generator.behave = async () => {}
  generator.behavePrompt = async () => {}
})
afterEach(async () => {
  await Promise.all(opened.map(client => client.close()))
  opened = []
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

async function open<Made extends TypedClient>(
  create: (options: ClientOptions) => Made,
  token?: string,
): Promise<Made> {
  const client = create({ url: gateway.url, token: token ?? (await tokenOf(`client-${randomUUID()}`)) })
  opened.push(client)
  return client
}

async function all<Event>(events: AsyncIterable<Event>): Promise<Event[]> {
  const seen: Event[] = []
  for await (const event of events) seen.push(event)
  return seen
}

const FIVE = ['one', 'two', 'three', 'four', 'five']

async function saveFive(client: TypedClient): Promise<string> {
  const { saveConversation } = await client.mutate(operations.SaveConversationDocument, {
    input: { messages: FIVE.map(content => ({ role: 'USER' as const, content })) },
  })
  expect(saveConversation).toMatchObject({ __typename: 'SaveConversationPayload', messagesSaved: 5 })
  if (saveConversation.__typename !== 'SaveConversationPayload') throw new Error('not saved')
  return saveConversation.conversation.sessionId
}

describe.each([
  ['Apollo Client', createApollo],
  ['urql', createUrql],
  ['graphql-request and graphql-sse', createPlain],
] as const)('%s', (_, create: (options: ClientOptions) => TypedClient) => {
  test('records data points, gets an analysis and finds it again', async () => {
    const client = await open(create)
    const { recordDataPoints } = await client.mutate(operations.RecordDataPointsDocument, {
      points: [1, 2, 3].map(day => ({
        metric: 'sleep_hours',
        value: 6 + day / 2,
        recordedAt: new Date(Date.now() - day * 86_400_000).toISOString(),
        source: 'test',
        externalId: `night-${day}`,
      })),
    })
    expect(recordDataPoints).toEqual({ __typename: 'RecordDataPointsPayload', stored: 3, duplicates: 0 })
    const { requestAnalysis } = await client.mutate(operations.RequestAnalysisDocument, {
      input: { archetype: 'PEAK_PERFORMER' },
    })
    if (requestAnalysis.__typename !== 'RequestAnalysisPayload') throw new Error(requestAnalysis.__typename)
    expect(requestAnalysis.source).toBe('FRESH')
    const { viewer } = await client.query(operations.OverviewDocument, { archetype: 'PEAK_PERFORMER' })
    expect(viewer?.latestAnalysis).toEqual(requestAnalysis.analysis)
    expect(viewer?.tracking).toMatchObject([
      { archetype: 'PEAK_PERFORMER', analysisCount: 1, newDataPoints: 0 },
    ])
  })

  test('follows a run that it does not wait for, to its result', async () => {
    const client = await open(create)
    const gate = new Gate()
    generator.behave = () => gate.pass()
    const { requestAnalysis } = await client.mutate(operations.RequestAnalysisDocument, {
      input: { archetype: 'FOUNDATION_BUILDER', waitMs: 0 },
    })
    if (requestAnalysis.__typename !== 'GenerationPending') throw new Error(requestAnalysis.__typename)
    const runs: operations.FollowRunSubscription['generationChanged'][] = []
    for await (const { generationChanged } of client.subscribe(operations.FollowRunDocument, {
      id: requestAnalysis.generation.id,
    })) {
      runs.push(generationChanged)
      gate.open()
    }
    expect(runs[0]?.state).toBe('RUNNING')
    expect(runs.at(-1)).toMatchObject({ state: 'SUCCEEDED', phase: 'DONE', progress: 1 })
    expect(runs.at(-1)?.result?.__typename).toBe('Analysis')
  })

  test('follows an interview until its prompt is there', async () => {
    const client = await open(create)
    const gate = new Gate()
    generator.behavePrompt = () => gate.pass()
    const { createInterview } = await client.mutate(operations.CreateInterviewDocument, {
      input: { topic: 'morning routines' },
    })
    if (createInterview.__typename !== 'CreateInterviewPayload') throw new Error(createInterview.__typename)
    const versions: number[] = []
    for await (const { interviewStatusChanged } of client.subscribe(operations.FollowInterviewDocument, {
      interviewId: createInterview.interview.id,
    })) {
      versions.push(interviewStatusChanged.version)
      gate.open()
      if (interviewStatusChanged.status !== 'READY') continue
      expect(interviewStatusChanged.interview.enhancedPrompt?.text).toContain('morning routines')
      break
    }
    expect(versions).toEqual([1, 2])
  })

  test('turns the pages of a conversation', async () => {
    const client = await open(create)
    const sessionId = await saveFive(client)
    const contents: string[] = []
    let after: string | null = null
    do {
      const { viewer } = (await client.query(operations.ConversationPageDocument, {
        sessionId,
        first: 2,
        after,
      })) as operations.ConversationPageQuery
      const messages = viewer?.conversation?.messages
      // A cache that keeps pages together hands out all of them.
      for (const { node } of messages?.edges ?? [])
        if (!contents.includes(node.content)) contents.push(node.content)
      expect(messages?.totalCount).toBe(5)
      after = messages?.pageInfo.hasNextPage ? (messages.pageInfo.endCursor ?? null) : null
    } while (after !== null)
    expect(contents).toEqual(FIVE)
  })

  test('is told what is wrong with its input, as data that has a type', async () => {
    const client = await open(create)
    const { saveConversation } = await client.mutate(operations.SaveConversationDocument, {
      input: { messages: [] },
    })
    expect(saveConversation).toMatchObject({ __typename: 'InvalidInputError', code: 'INVALID_INPUT' })
  })

  test('throws what is no answer: a token that is refused, over HTTP and in a subscription', async () => {
    const client = await open(create, 'not.a.token')
    await expect(client.query(operations.OverviewDocument, { archetype: 'PEAK_PERFORMER' })).rejects.toThrow()
    await expect(all(client.subscribe(operations.FollowInterviewDocument, {}))).rejects.toBeDefined()
  })
})

test('a client that takes JSON as well as event streams gets what is no stream as JSON', async () => {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json, application/json, text/event-stream, multipart/mixed',
    },
    body: JSON.stringify({ query: '{ __typename }' }),
  })
  expect(response.headers.get('content-type')).toMatch(/^application\/graphql-response\+json/)
  expect(await response.json()).toEqual({ data: { __typename: 'Query' } })
})

describe("Apollo Client's cache", () => {
  test('holds each object once under its global id, and pages of a connection as one list', async () => {
    const apollo = await open(createApollo)
    const { requestAnalysis } = await apollo.mutate(operations.RequestAnalysisDocument, {
      input: { archetype: 'PEAK_PERFORMER' },
    })
    if (requestAnalysis.__typename !== 'RequestAnalysisPayload') throw new Error(requestAnalysis.__typename)
    await apollo.query(operations.OverviewDocument, { archetype: 'PEAK_PERFORMER' })
    const cached = apollo.client.cache.extract() as Record<string, unknown>
    expect(Object.keys(cached).filter(key => key.startsWith('Analysis:'))).toEqual([
      `Analysis:${requestAnalysis.analysis.id}`,
    ])

    const sessionId = await saveFive(apollo)
    const page = { sessionId, first: 2 }
    const watched = apollo.client.watchQuery({
      query: operations.ConversationPageDocument,
      variables: page,
    })
    const contentsOf = (data: operations.ConversationPageQuery | undefined) =>
      data?.viewer?.conversation?.messages.edges.map(({ node }) => node.content)
    const first = (await watched.refetch()).data
    expect(contentsOf(first)).toEqual(['one', 'two'])
    const after = first?.viewer?.conversation?.messages.pageInfo.endCursor ?? null
    await watched.fetchMore({ variables: { after } })
    expect(
      contentsOf(
        apollo.client.readQuery({ query: operations.ConversationPageDocument, variables: page }) ?? undefined,
      ),
    ).toEqual(['one', 'two', 'three', 'four'])
  })
})
