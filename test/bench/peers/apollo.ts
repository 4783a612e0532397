import { readFileSync } from 'node:fs'
import { ApolloServer } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'
import DataLoader from 'dataloader'
import { GraphQLScalarType } from 'graphql'
import {
  fromGlobalId,
  globalId,
  keysetCursor,
  messageCursor,
  once,
  page,
  seqOfCursor,
  THRESHOLD,
  verify,
} from './environment.ts'
import type { Archetype } from './generated/client/enums.ts'
import { createNewDataPointsLoader, prisma, recordDataPoints, type TrackedSince } from './prisma.ts'

/**
 * Apollo Server 5 as its documentation begins, https://www.apollographql.com/docs/apollo-server/getting-started, with loaders of
 * a request in the context, https://www.apollographql.com/docs/apollo-server/data/fetching-data#batching-and-caching.
 */
async function createContext(authorization: string | undefined) {
  const { subject, email } = await verify(authorization)
  const viewer = once(async () => {
    const user = await prisma.user.findUnique({ where: { issuer_subject: { issuer: '', subject } } })
    if (!user || user.email !== email) throw new Error('there is no such user')
    return user
  })
  const lists = <Row>(find: (ids: string[]) => Promise<Row[]>, idOf: (row: Row) => string) =>
    new DataLoader<string, Row[]>(async ids => {
      const rows = Map.groupBy(await find([...ids]), idOf)
      return ids.map(id => rows.get(id) ?? [])
    })
  return {
    viewer,
    newDataPoints: createNewDataPointsLoader(),
    insights: lists(
      ids =>
        prisma.insight.findMany({
          where: { analysisId: { in: ids } },
          orderBy: [{ analysisId: 'asc' }, { position: 'asc' }],
        }),
      row => row.analysisId,
    ),
    plans: lists(
      ids =>
        prisma.plan.findMany({
          where: { analysisId: { in: ids } },
          orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
          omit: { items: true, metadata: true, notes: true },
        }),
      row => row.analysisId,
    ),
    prompts: lists(
      ids => prisma.enhancedPrompt.findMany({ where: { interviewId: { in: ids } } }),
      row => row.interviewId,
    ),
    history: lists(
      ids =>
        prisma.interviewStatusChange.findMany({
          where: { interviewId: { in: ids } },
          orderBy: [{ interviewId: 'asc' }, { version: 'asc' }],
        }),
      row => row.interviewId,
    ),
    contributed: new DataLoader<string, boolean>(async ids => {
      const { id: userId } = await viewer()
      const rows = await prisma.factSource.findMany({
        where: { userId, factId: { in: [...ids] } },
        select: { factId: true },
      })
      const known = new Set(rows.map(row => row.factId))
      return ids.map(id => known.has(id))
    }),
  }
}
type Context = Awaited<ReturnType<typeof createContext>>

interface Row {
  id: string
}
type Resolver<Parent = unknown, Args = unknown> = (parent: Parent, args: Args, context: Context) => unknown
const NEWEST = [{ createdAt: 'desc' as const }, { id: 'desc' as const }]
const ofType = (type: string) => ({ id: ({ id }: Row) => globalId(type, id) })
const scalar = (name: string, serialize: (value: unknown) => unknown) =>
  new GraphQLScalarType({ name, serialize })

const viewer: Resolver = (_root, _args, context) => context.viewer()
const node: Resolver<unknown, { id: string }> = async (_root, args, context) => {
  const [type, id] = fromGlobalId(args.id)
  if (type !== 'Analysis') throw new Error('only analyses are measured')
  const [analysis, user] = await Promise.all([
    prisma.analysis.findUnique({ where: { id } }),
    context.viewer(),
  ])
  return analysis?.userId === user.id ? { __typename: 'Analysis', ...analysis } : null
}
const collectiveFacts: Resolver<unknown, { first: number }> = async (_root, { first }, context) => {
  const [rows] = await Promise.all([
    prisma.collectiveFact.findMany({
      where: { promotedAt: { not: null } },
      orderBy: [{ lastConfirmedAt: 'desc' }, { id: 'desc' }],
      take: first + 1,
    }),
    context.viewer(),
  ])
  return page(rows, first, row => keysetCursor(row.lastConfirmedAt, row.id))
}
const record: Resolver<unknown, { points: unknown[] }> = async (_root, { points }, context) => ({
  __typename: 'RecordDataPointsPayload',
  ...(await recordDataPoints((await context.viewer()).id, points)),
})

const latestAnalysis: Resolver<Row, { archetype: Archetype }> = ({ id }, { archetype }) =>
  prisma.analysis.findFirst({ where: { userId: id, archetype }, orderBy: NEWEST, omit: { result: true } })
const tracking: Resolver<Row> = ({ id }) =>
  prisma.archetypeTracking.findMany({ where: { userId: id }, orderBy: { archetype: 'asc' } })
const analyses: Resolver<Row, { first: number }> = async ({ id }, { first }) =>
  page(
    await prisma.analysis.findMany({
      where: { userId: id },
      orderBy: NEWEST,
      take: first + 1,
      omit: { result: true },
    }),
    first,
    row => keysetCursor(row.createdAt, row.id),
  )
const interviews: Resolver<Row, { first: number }> = async ({ id }, { first }) =>
  page(
    await prisma.interview.findMany({ where: { userId: id }, orderBy: NEWEST, take: first + 1 }),
    first,
    row => keysetCursor(row.createdAt, row.id),
  )
const conversation: Resolver<Row, { sessionId: string }> = ({ id }, { sessionId }) =>
  prisma.conversation.findUnique({ where: { userId_sessionId: { userId: id, sessionId } } })
const messages: Resolver<Row, { first: number; after: string | null }> = async ({ id }, { first, after }) =>
  page(
    await prisma.message.findMany({
      where: { conversationId: id, seq: { gt: seqOfCursor(after) } },
      orderBy: { seq: 'asc' },
      take: first + 1,
    }),
    first,
    row => messageCursor(row.seq),
  )

const server = new ApolloServer<Context>({
  typeDefs: readFileSync(new URL('../../../schema.graphql', import.meta.url), 'utf8'),
  resolvers: {
    DateTime: scalar('DateTime', value => (value as Date).toISOString()),
    Date: scalar('Date', value => (value as Date).toISOString().slice(0, 10)),
    JSON: scalar('JSON', value => value),
    Query: { viewer, node, collectiveFacts },
    Mutation: { recordDataPoints: record },
    User: { ...ofType('User'), latestAnalysis, tracking, analyses, interviews, conversation },
    Analysis: {
      ...ofType('Analysis'),
      insights: (({ id }, _args, context) => context.insights.load(id)) satisfies Resolver<Row>,
      plans: (({ id }, _args, context) => context.plans.load(id)) satisfies Resolver<Row>,
    },
    ArchetypeTracking: {
      newDataPoints: ((row, _args, context) =>
        context.newDataPoints.load(row)) satisfies Resolver<TrackedSince>,
      threshold: () => THRESHOLD,
    },
    Insight: ofType('Insight'),
    Plan: ofType('Plan'),
    Interview: {
      ...ofType('Interview'),
      enhancedPrompt: (async ({ id }, _args, context) =>
        (await context.prompts.load(id))[0] ?? null) satisfies Resolver<Row>,
      history: (({ id }, _args, context) => context.history.load(id)) satisfies Resolver<Row>,
    },
    Conversation: { ...ofType('Conversation'), messages },
    Message: ofType('Message'),
    CollectiveFact: {
      ...ofType('CollectiveFact'),
      isPromoted: ({ promotedAt }: { promotedAt: Date | null }) => promotedAt !== null,
      contributedByViewer: (({ id }, _args, context) => context.contributed.load(id)) satisfies Resolver<Row>,
    },
  },
})

const { url } = await startStandaloneServer(server, {
  listen: { port: 0, host: '127.0.0.1' },
  context: ({ req }) => createContext(req.headers.authorization),
})
console.log(url)
