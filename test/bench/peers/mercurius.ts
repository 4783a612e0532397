import { readFileSync } from 'node:fs'
import fastify, { type FastifyRequest } from 'fastify'
import { GraphQLScalarType } from 'graphql'
import mercurius from 'mercurius'
import pg from 'pg'
import {
  DATABASE_URL,
  fromGlobalId,
  globalId,
  keysetCursor,
  messageCursor,
  once,
  POOL_SIZE,
  page,
  seqOfCursor,
  THRESHOLD,
  verify,
} from './environment.ts'
import { RECORD_DATA_POINTS } from './statements.ts'

/**
 * Mercurius with its JIT and its loaders, https://mercurius.dev/#/docs/loaders: one statement a field and tick of one request,
 * prepared. The schema is the gateway's own file.
 */
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: POOL_SIZE })
pool.on('error', () => {})
async function sql<Row extends pg.QueryResultRow>(
  name: string,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  return (await pool.query<Row>({ name, text, values })).rows
}

interface Row {
  [column: string]: unknown
  id: string
  createdAt: Date
  owner: string
}
interface Asked<Params = Record<string, never>> {
  obj: Row
  params: Params
}
interface Context {
  viewer: () => Promise<{ id: string; email: string }>
}

// The arguments of one field are those of the document: the same for all that are asked in one request.
const byOwner = (asked: readonly Asked<unknown>[], rows: readonly Row[]): Row[][] => {
  const lists = Map.groupBy(rows, row => row.owner)
  return asked.map(({ obj }) => lists.get(obj.id) ?? [])
}
const ids = (asked: readonly Asked<unknown>[]) => asked.map(({ obj }) => obj.id)
/** The rows are as they are: their key would be the whole of them. https://mercurius.dev/#/docs/loaders */
const uncached = <Loader>(loader: Loader) => ({ loader, opts: { cache: false } })
const ANALYSIS = `id, user_id AS "userId", archetype, mode, trigger, to_char(date, 'YYYY-MM-DD') AS date, summary, data_point_count AS "dataPointCount", created_at AS "createdAt"`
const pages = (table: string, columns: string) => `
  SELECT o.owner, r.* FROM unnest($1::uuid[]) AS o (owner) CROSS JOIN LATERAL (
    SELECT ${columns} FROM ${table} WHERE user_id = o.owner ORDER BY created_at DESC, id DESC LIMIT $2::int
  ) r ORDER BY o.owner, r."createdAt" DESC, r.id DESC`
const keysetPage = (rows: Row[], first: number) =>
  page(rows, first, row => keysetCursor(row.createdAt, row.id))

const scalar = (name: string, serialize: (value: unknown) => unknown) =>
  new GraphQLScalarType({ name, serialize })

const app = fastify({ logger: false })
const ofType = (type: string) => ({ id: (row: Row) => globalId(type, row.id) })
app.register(mercurius, {
  schema: readFileSync(new URL('../../../schema.graphql', import.meta.url), 'utf8'),
  jit: 1,
  context: async (request: FastifyRequest): Promise<Context> => {
    const { subject, email } = await verify(request.headers.authorization)
    return {
      viewer: once(async () => {
        const [user] = await sql<{ id: string; email: string }>(
          'viewer',
          `SELECT id, email FROM users WHERE issuer = '' AND subject = $1::text`,
          [subject],
        )
        if (!user || user.email !== email) throw new Error('there is no such user')
        return user
      }),
    }
  },
  resolvers: {
    DateTime: scalar('DateTime', value => (value as Date).toISOString()),
    Date: scalar('Date', value => value),
    JSON: scalar('JSON', value => value),
    Query: {
      viewer: (_root: unknown, _args: unknown, context: Context) => context.viewer(),
      node: async (_root: unknown, args: { id: string }, context: Context) => {
        const [type, id] = fromGlobalId(args.id)
        if (type !== 'Analysis') throw new Error('only analyses are measured')
        const [[analysis], user] = await Promise.all([
          sql<Row>('analysis', `SELECT ${ANALYSIS}, result FROM analyses WHERE id = $1::uuid`, [id]),
          context.viewer(),
        ])
        return analysis?.userId === user.id ? { __typename: 'Analysis', ...analysis } : null
      },
      collectiveFacts: async (_root: unknown, { first }: { first: number }, context: Context) => {
        const [rows] = await Promise.all([
          sql<Row & { lastConfirmedAt: Date }>(
            'facts',
            `SELECT id, content, category, source_count AS "sourceCount", promoted_at AS "promotedAt", last_confirmed_at AS "lastConfirmedAt"
             FROM collective_facts WHERE promoted_at IS NOT NULL ORDER BY last_confirmed_at DESC, id DESC LIMIT $1::int`,
            [first + 1],
          ),
          context.viewer(),
        ])
        return page(rows, first, row => keysetCursor(row.lastConfirmedAt, row.id))
      },
    },
    Mutation: {
      recordDataPoints: async (_root: unknown, { points }: { points: unknown[] }, context: Context) => {
        const { id } = await context.viewer()
        const [row] = await sql<{ stored: number }>('record', RECORD_DATA_POINTS, [
          id,
          JSON.stringify(points),
        ])
        const stored = row?.stored ?? 0
        return { __typename: 'RecordDataPointsPayload', stored, duplicates: points.length - stored }
      },
    },
    User: ofType('User'),
    Analysis: ofType('Analysis'),
    Insight: ofType('Insight'),
    Plan: ofType('Plan'),
    Interview: ofType('Interview'),
    Conversation: ofType('Conversation'),
    Message: ofType('Message'),
    CollectiveFact: {
      ...ofType('CollectiveFact'),
      isPromoted: (fact: Row) => fact.promotedAt !== null,
    },
    ArchetypeTracking: { threshold: () => THRESHOLD },
  } as never,
  loaders: {
    User: {
      latestAnalysis: uncached(async (asked: Asked<{ archetype: string }>[]) => {
        const rows = await sql<Row>(
          'latest',
          `SELECT o.owner, a.* FROM unnest($1::uuid[]) AS o (owner) CROSS JOIN LATERAL (
             SELECT ${ANALYSIS} FROM analyses WHERE user_id = o.owner AND archetype = $2::"Archetype" ORDER BY created_at DESC, id DESC LIMIT 1
           ) a`,
          [ids(asked), asked[0]?.params.archetype],
        )
        return byOwner(asked, rows).map(list => list[0] ?? null)
      }),
      tracking: uncached(async (asked: Asked[]) =>
        byOwner(
          asked,
          await sql<Row>(
            'tracking',
            `SELECT t.user_id AS owner, t.archetype, t.analysis_count AS "analysisCount", t.last_analysis_at AS "lastAnalysisAt",
               (SELECT count(*)::int FROM data_points d WHERE d.user_id = t.user_id AND d.revision > t.data_revision) AS "newDataPoints"
             FROM archetype_tracking t WHERE t.user_id = ANY ($1::uuid[]) ORDER BY t.user_id, t.archetype`,
            [ids(asked)],
          ),
        ),
      ),
      analyses: uncached(async (asked: Asked<{ first: number }>[]) => {
        const first = asked[0]?.params.first ?? 20
        const rows = await sql<Row>('analyses', pages('analyses', ANALYSIS), [ids(asked), first + 1])
        return byOwner(asked, rows).map(list => keysetPage(list, first))
      }),
      interviews: uncached(async (asked: Asked<{ first: number }>[]) => {
        const first = asked[0]?.params.first ?? 20
        const rows = await sql<Row>(
          'interviews',
          pages(
            'interviews',
            `id, topic, status, status_version AS "statusVersion", created_at AS "createdAt"`,
          ),
          [ids(asked), first + 1],
        )
        return byOwner(asked, rows).map(list => keysetPage(list, first))
      }),
      conversation: uncached(async (asked: Asked<{ sessionId: string }>[]) => {
        const rows = await sql<Row>(
          'conversation',
          `SELECT user_id AS owner, id, message_count AS "messageCount" FROM conversations WHERE user_id = ANY ($1::uuid[]) AND session_id = $2::text`,
          [ids(asked), asked[0]?.params.sessionId],
        )
        return byOwner(asked, rows).map(list => list[0] ?? null)
      }),
    },
    Analysis: {
      insights: uncached(async (asked: Asked[]) =>
        byOwner(
          asked,
          await sql<Row>(
            'insights',
            `SELECT analysis_id AS owner, id, kind, title, body, confidence FROM insights WHERE analysis_id = ANY ($1::uuid[]) ORDER BY analysis_id, position`,
            [ids(asked)],
          ),
        ),
      ),
      plans: uncached(async (asked: Asked[]) =>
        byOwner(
          asked,
          await sql<Row>(
            'plans',
            `SELECT analysis_id AS owner, id, kind, title, summary, created_at AS "createdAt" FROM plans WHERE analysis_id = ANY ($1::uuid[]) ORDER BY created_at DESC, id DESC`,
            [ids(asked)],
          ),
        ),
      ),
    },
    Interview: {
      enhancedPrompt: uncached(async (asked: Asked[]) =>
        byOwner(
          asked,
          await sql<Row>(
            'prompts',
            'SELECT interview_id AS owner, id, text FROM enhanced_prompts WHERE interview_id = ANY ($1::uuid[])',
            [ids(asked)],
          ),
        ).map(list => list[0] ?? null),
      ),
      history: uncached(async (asked: Asked[]) =>
        byOwner(
          asked,
          await sql<Row>(
            'history',
            `SELECT interview_id AS owner, status, version, changed_at AS "changedAt", reason FROM interview_status_changes
             WHERE interview_id = ANY ($1::uuid[]) ORDER BY interview_id, version`,
            [ids(asked)],
          ),
        ),
      ),
    },
    Conversation: {
      messages: uncached(async (asked: Asked<{ first: number; after: string | null }>[]) => {
        const { first = 50, after = null } = asked[0]?.params ?? {}
        const rows = await sql<Row & { seq: number }>(
          'messages',
          `SELECT o.owner, m.* FROM unnest($1::uuid[]) AS o (owner) CROSS JOIN LATERAL (
             SELECT id, seq, role, content, created_at AS "createdAt" FROM messages WHERE conversation_id = o.owner AND seq > $2::int ORDER BY seq LIMIT $3::int
           ) m ORDER BY o.owner, m.seq`,
          [ids(asked), seqOfCursor(after), first + 1],
        )
        return byOwner(asked, rows).map(list =>
          page(list as (Row & { seq: number })[], first, row => messageCursor(row.seq)),
        )
      }),
    },
    CollectiveFact: {
      contributedByViewer: uncached(async (asked: Asked[], context: Context) => {
        const { id } = await context.viewer()
        const rows = await sql<{ factId: string }>(
          'contributed',
          'SELECT fact_id AS "factId" FROM fact_sources WHERE user_id = $1::uuid AND fact_id = ANY ($2::uuid[])',
          [id, ids(asked)],
        )
        const known = new Set(rows.map(row => row.factId))
        return asked.map(({ obj }) => known.has(obj.id))
      }),
    },
  } as never,
})

console.log(await app.listen({ port: 0, host: '127.0.0.1' }))
