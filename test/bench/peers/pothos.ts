import { createServer } from 'node:http'
import SchemaBuilder from '@pothos/core'
import PrismaPlugin from '@pothos/plugin-prisma'
import RelayPlugin from '@pothos/plugin-relay'
import { createYoga } from 'graphql-yoga'
import { fromGlobalId, globalId, messageCursor, seqOfCursor, THRESHOLD, verify } from './environment.ts'
import * as enums from './generated/client/enums.ts'
import type PrismaTypes from './generated/pothos-types.ts'
import { getDatamodel } from './generated/pothos-types.ts'
import { createNewDataPointsLoader, prisma, recordDataPoints } from './prisma.ts'

/**
 * Yoga on node:http as its documentation begins, https://the-guild.dev/graphql/yoga-server/docs, and the schema by Pothos'
 * plugins for Prisma and Relay, https://pothos-graphql.dev/docs/plugins/prisma/connections: one query of Prisma's for each root field.
 */
interface Context {
  subject: string
  newDataPoints: ReturnType<typeof createNewDataPointsLoader>
}
const builder = new SchemaBuilder<{
  PrismaTypes: PrismaTypes
  Context: Context
  Scalars: {
    DateTime: { Input: Date; Output: Date }
    Date: { Input: Date; Output: Date }
    JSON: { Input: unknown; Output: unknown }
  }
}>({
  plugins: [RelayPlugin, PrismaPlugin],
  prisma: { client: prisma, dmmf: getDatamodel(), onUnusedQuery: null },
  relay: {
    nodesOnConnection: true,
    encodeGlobalID: (type, id) => globalId(type, String(id)),
    decodeGlobalID: text => {
      const [typename, id] = fromGlobalId(text)
      return { typename, id }
    },
  },
})
builder.scalarType('DateTime', {
  serialize: value => value.toISOString(),
  parseValue: value => new Date(String(value)),
})
builder.scalarType('Date', { serialize: value => value.toISOString().slice(0, 10) })
builder.scalarType('JSON', { serialize: value => value })
const enumOf = (name: string, values: Record<string, string>) =>
  builder.enumType(name, { values: Object.values(values) })
const Archetype = enumOf('Archetype', enums.Archetype)
const AnalysisMode = enumOf('AnalysisMode', enums.AnalysisMode)
const InsightKind = enumOf('InsightKind', enums.InsightKind)
const PlanKind = enumOf('PlanKind', enums.PlanKind)
const InterviewStatus = enumOf('InterviewStatus', enums.InterviewStatus)
const MessageRole = enumOf('MessageRole', enums.MessageRole)
const NEWEST = [{ createdAt: 'desc' as const }, { id: 'desc' as const }]
const own = ({ subject }: Context) => ({ issuer: '', subject })

builder.prismaNode('Insight', {
  id: { field: 'id' },
  fields: t => ({
    kind: t.expose('kind', { type: InsightKind }),
    title: t.exposeString('title'),
    body: t.exposeString('body'),
    confidence: t.exposeFloat('confidence'),
  }),
})
builder.prismaNode('Plan', {
  id: { field: 'id' },
  fields: t => ({
    kind: t.expose('kind', { type: PlanKind }),
    title: t.exposeString('title'),
    summary: t.exposeString('summary'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
})
builder.prismaNode('Analysis', {
  id: { field: 'id' },
  findUnique: (id, context) => ({ id, user: { is: own(context) } }),
  fields: t => ({
    archetype: t.expose('archetype', { type: Archetype }),
    mode: t.expose('mode', { type: AnalysisMode }),
    trigger: t.exposeString('trigger'),
    date: t.expose('date', { type: 'Date' }),
    summary: t.exposeString('summary'),
    result: t.expose('result', { type: 'JSON' }),
    dataPointCount: t.exposeInt('dataPointCount'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    insights: t.relation('insights', { query: { orderBy: { position: 'asc' } } }),
    plans: t.relation('plans', { query: { orderBy: NEWEST } }),
  }),
})
builder.prismaObject('ArchetypeTracking', {
  fields: t => ({
    archetype: t.expose('archetype', { type: Archetype }),
    analysisCount: t.exposeInt('analysisCount'),
    lastAnalysisAt: t.expose('lastAnalysisAt', { type: 'DateTime' }),
    newDataPoints: t.int({
      select: { userId: true, dataRevision: true },
      resolve: (row, _args, context) => context.newDataPoints.load(row),
    }),
    threshold: t.int({ resolve: () => THRESHOLD }),
  }),
})
builder.prismaObject('EnhancedPrompt', { fields: t => ({ text: t.exposeString('text') }) })
builder.prismaObject('InterviewStatusChange', {
  fields: t => ({
    status: t.expose('status', { type: InterviewStatus }),
    version: t.exposeInt('version'),
    changedAt: t.expose('changedAt', { type: 'DateTime' }),
    reason: t.exposeString('reason', { nullable: true }),
  }),
})
builder.prismaNode('Interview', {
  id: { field: 'id' },
  fields: t => ({
    topic: t.exposeString('topic'),
    status: t.expose('status', { type: InterviewStatus }),
    statusVersion: t.exposeInt('statusVersion'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    enhancedPrompt: t.relation('prompt', { nullable: true }),
    history: t.relation('statusChanges', { query: { orderBy: { version: 'asc' } } }),
  }),
})
const Message = builder.prismaNode('Message', {
  id: { field: 'id' },
  fields: t => ({
    seq: t.exposeInt('seq'),
    role: t.expose('role', { type: MessageRole }),
    content: t.exposeString('content'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
})
// Its cursors are the gateway's own: the query that is measured begins after one.
const Messages = builder
  .objectRef<{ rows: (typeof Message.$inferType)[]; first: number }>('MessageConnection')
  .implement({
    fields: t => ({
      nodes: t.field({ type: [Message], resolve: ({ rows, first }) => rows.slice(0, first) }),
      pageInfo: t.field({
        type: builder.pageInfoRef(),
        resolve: ({ rows, first }) => {
          const [start, end] = [rows[0], rows.slice(0, first).at(-1)]
          return {
            hasNextPage: rows.length > first,
            hasPreviousPage: false,
            startCursor: start ? messageCursor(start.seq) : null,
            endCursor: end ? messageCursor(end.seq) : null,
          }
        },
      }),
    }),
  })
builder.prismaNode('Conversation', {
  id: { field: 'id' },
  fields: t => ({
    messageCount: t.exposeInt('messageCount'),
    messages: t.field({
      type: Messages,
      args: { first: t.arg.int({ defaultValue: 50 }), after: t.arg.string() },
      select: ({ first, after }) => ({
        messages: {
          where: { seq: { gt: seqOfCursor(after) } },
          orderBy: { seq: 'asc' },
          take: (first ?? 50) + 1,
        },
      }),
      resolve: ({ messages }, { first }) => ({ rows: messages, first: first ?? 50 }),
    }),
  }),
})
builder.prismaNode('User', {
  id: { field: 'id' },
  fields: t => ({
    email: t.exposeString('email'),
    latestAnalysis: t.prismaField({
      type: 'Analysis',
      nullable: true,
      args: { archetype: t.arg({ type: Archetype, required: true }) },
      resolve: (query, user, { archetype }) =>
        prisma.analysis.findFirst({
          ...query,
          where: { userId: user.id, archetype: archetype as enums.Archetype },
          orderBy: NEWEST,
        }),
    }),
    tracking: t.relation('tracking', { query: { orderBy: { archetype: 'asc' } } }),
    analyses: t.relatedConnection('analyses', { cursor: 'id', query: { orderBy: NEWEST } }),
    interviews: t.relatedConnection('interviews', { cursor: 'id', query: { orderBy: NEWEST } }),
    conversation: t.prismaField({
      type: 'Conversation',
      nullable: true,
      args: { sessionId: t.arg.string({ required: true }) },
      resolve: (query, user, { sessionId }) =>
        prisma.conversation.findUnique({
          ...query,
          where: { userId_sessionId: { userId: user.id, sessionId } },
        }),
    }),
  }),
})
builder.prismaNode('CollectiveFact', {
  id: { field: 'id' },
  fields: t => ({
    content: t.exposeString('content'),
    category: t.exposeString('category'),
    sourceCount: t.exposeInt('sourceCount'),
    isPromoted: t.boolean({ select: { promotedAt: true }, resolve: ({ promotedAt }) => promotedAt !== null }),
    promotedAt: t.expose('promotedAt', { type: 'DateTime', nullable: true }),
    lastConfirmedAt: t.expose('lastConfirmedAt', { type: 'DateTime' }),
    contributedByViewer: t.boolean({
      select: (_args, context) => ({
        sources: { where: { user: { is: own(context) } }, select: { factId: true } },
      }),
      resolve: ({ sources }) => sources.length > 0,
    }),
  }),
})
builder.queryType({
  fields: t => ({
    viewer: t.prismaField({
      type: 'User',
      nullable: true,
      resolve: (query, _root, _args, context) =>
        prisma.user.findUnique({ ...query, where: { issuer_subject: own(context) } }),
    }),
    collectiveFacts: t.prismaConnection({
      type: 'CollectiveFact',
      cursor: 'id',
      args: { promoted: t.arg.boolean() },
      resolve: (query, _root, { promoted }) =>
        prisma.collectiveFact.findMany({
          ...query,
          ...(promoted && { where: { promotedAt: { not: null } } }),
          orderBy: [{ lastConfirmedAt: 'desc' }, { id: 'desc' }],
        }),
    }),
  }),
})

const Payload = builder
  .objectRef<{ stored: number; duplicates: number }>('RecordDataPointsPayload')
  .implement({
    isTypeOf: () => true,
    fields: t => ({ stored: t.exposeInt('stored'), duplicates: t.exposeInt('duplicates') }),
  })
const Result = builder.unionType('RecordDataPointsResult', { types: [Payload], resolveType: () => Payload })
const DataPointInput = builder.inputType('DataPointInput', {
  fields: t => ({
    metric: t.string({ required: true }),
    value: t.float({ required: true }),
    unit: t.string(),
    recordedAt: t.field({ type: 'DateTime', required: true }),
    source: t.string({ required: true }),
    externalId: t.string({ required: true }),
  }),
})
builder.mutationType({
  fields: t => ({
    recordDataPoints: t.field({
      type: Result,
      args: { points: t.arg({ type: [DataPointInput], required: true }) },
      resolve: async (_root, { points }, context) => {
        const user = await prisma.user.findUniqueOrThrow({ where: { issuer_subject: own(context) } })
        return recordDataPoints(user.id, points)
      },
    }),
  }),
})

const yoga = createYoga<object, Context>({
  schema: builder.toSchema(),
  logging: false,
  graphiql: false,
  context: async ({ request }) => ({
    subject: (await verify(request.headers.get('authorization'))).subject,
    newDataPoints: createNewDataPointsLoader(),
  }),
})
const server = createServer(yoga)
server.listen(0, '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${(server.address() as { port: number }).port}`),
)
