import { createServer } from 'node:http'
import pg from 'pg'
import { postgraphile } from 'postgraphile'
import { TYPES, withPgClient } from 'postgraphile/@dataplan/pg'
import { makePgService } from 'postgraphile/adaptors/pg'
import { connection, constant, context, lambda, object } from 'postgraphile/grafast'
import { grafserv } from 'postgraphile/grafserv/node'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { extendSchema, gql } from 'postgraphile/utils'
import {
  DATABASE_URL,
  fromGlobalId,
  globalId,
  POOL_SIZE,
  seqOfCursor,
  THRESHOLD,
  verify,
} from './environment.ts'
import { RECORD_DATA_POINTS } from './statements.ts'

/**
 * PostGraphile 5 in its preset Amber: types, columns, enums, pages and the plans below are those it makes of the tables. What a
 * schema of its own adds, by extendSchema, are the fields that the measured queries name, each with a plan,
 * https://postgraphile.org/postgraphile/5/extend-schema; by a plugin, the form of ids and instants.
 */
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: POOL_SIZE })
pool.on('error', () => {})

const Conventions: GraphileConfig.Plugin = {
  name: 'Conventions',
  inflection: {
    replace: {
      nodeIdFieldName: () => 'id',
      // DataPointInput is the mutation's, not the table's.
      inputType: (previous, _options, name) =>
        name === 'DataPoint' ? 'DataPointRowInput' : (previous?.(name) ?? `${name}Input`),
    },
  },
  schema: {
    hooks: {
      init(value, build) {
        build.registerNodeIdCodec({
          name: 'globalId',
          encode: build.grafast.markSyncAndSafe(
            (value: readonly [string, string] | null) => value && globalId(...value),
          ),
          decode: build.grafast.markSyncAndSafe((text: string) => fromGlobalId(text)),
        })
        return value
      },
      GraphQLScalarType(config) {
        return config.name === 'Datetime'
          ? { ...config, serialize: value => new Date(String(value)).toISOString() }
          : config
      },
    },
  },
}

// biome-ignore lint/suspicious/noExplicitAny: steps of tables that are known at run time
type Step = any

const Fields = extendSchema(build => {
  const { sql } = build
  const { users, analyses, archetype_tracking, insights, plans, interviews, interview_status_changes } = build
    .input.pgRegistry.pgResources as Record<string, Step>
  const { enhanced_prompts, conversations, messages, collective_facts, fact_sources } = build.input.pgRegistry
    .pgResources as Record<string, Step>
  const executor = users.executor
  const by = ($rows: Step, ...columns: [string, 'ASC' | 'DESC'][]) => {
    for (const [attribute, direction] of columns) $rows.orderBy({ attribute, direction })
    $rows.setOrderIsUnique()
    return $rows
  }
  const newest = ($rows: Step) => by($rows, ['created_at', 'DESC'], ['id', 'DESC'])
  // Unique indexes that are no constraints are not known to be unique.
  const one = ($rows: Step) => {
    $rows.setOrderIsUnique()
    return $rows.single()
  }
  const viewer = () => one(users.find({ issuer: constant(''), subject: context().get('subject' as never) }))
  return {
    typeDefs: gql`
      extend type Query {
        viewer: User
        collectiveFacts(promoted: Boolean): CollectiveFactConnection
      }
      extend type User {
        latestAnalysis(archetype: Archetype!): Analysis
        tracking: [ArchetypeTracking!]!
        analyses: AnalysisConnection
        interviews: InterviewConnection
        conversation(sessionId: String!): Conversation
      }
      extend type Analysis {
        insights: [Insight!]!
        plans: [Plan!]!
      }
      extend type ArchetypeTracking {
        newDataPoints: Int!
        threshold: Int!
      }
      extend type Interview {
        enhancedPrompt: EnhancedPrompt
        history: [InterviewStatusChange!]!
      }
      extend type Conversation {
        messages(first: Int, after: String): MessagePage
      }
      # Its cursors are the gateway's own: the query that is measured begins after one.
      type MessagePage {
        nodes: [Message!]!
        pageInfo: PageInfo!
      }
      extend type CollectiveFact {
        isPromoted: Boolean!
        contributedByViewer: Boolean!
      }
      input DataPointInput {
        metric: String!
        value: Float!
        unit: String
        recordedAt: Datetime!
        source: String!
        externalId: String!
      }
      type RecordDataPointsPayload {
        stored: Int!
        duplicates: Int!
      }
      extend type Mutation {
        recordDataPoints(points: [DataPointInput!]!): RecordDataPointsPayload
      }
    `,
    objects: {
      Query: {
        plans: {
          viewer: () => viewer(),
          collectiveFacts() {
            const $facts = collective_facts.find()
            $facts.where(sql`${$facts.alias}.promoted_at IS NOT NULL`)
            // The arguments of a page are added to every field of a connection's type.
            return connection(by($facts, ['last_confirmed_at', 'DESC'], ['id', 'DESC']))
          },
        },
      },
      User: {
        plans: {
          latestAnalysis($user: Step, fieldArgs: Step) {
            const $analyses = newest(
              analyses.find({ user_id: $user.get('id'), archetype: fieldArgs.getRaw('archetype') }),
            )
            $analyses.setFirst(constant(1))
            return $analyses.single()
          },
          tracking: ($user: Step) =>
            by(archetype_tracking.find({ user_id: $user.get('id') }), ['archetype', 'ASC']),
          analyses: ($user: Step) => connection(newest(analyses.find({ user_id: $user.get('id') }))),
          interviews: ($user: Step) => connection(newest(interviews.find({ user_id: $user.get('id') }))),
          conversation: ($user: Step, fieldArgs: Step) =>
            one(conversations.find({ user_id: $user.get('id'), session_id: fieldArgs.getRaw('sessionId') })),
        },
      },
      Analysis: {
        plans: {
          insights: ($analysis: Step) =>
            by(insights.find({ analysis_id: $analysis.get('id') }), ['position', 'ASC']),
          plans: ($analysis: Step) => newest(plans.find({ analysis_id: $analysis.get('id') })),
        },
      },
      ArchetypeTracking: {
        plans: {
          newDataPoints: ($tracking: Step) => {
            const alias = $tracking.getClassStep().alias
            return $tracking.select(
              sql`(SELECT count(*)::int FROM data_points d WHERE d.user_id = ${alias}.user_id AND d.revision > ${alias}.data_revision)`,
              TYPES.int,
            )
          },
          threshold: () => constant(THRESHOLD),
        },
      },
      Interview: {
        plans: {
          enhancedPrompt: ($interview: Step) =>
            one(enhanced_prompts.find({ interview_id: $interview.get('id') })),
          history: ($interview: Step) =>
            by(interview_status_changes.find({ interview_id: $interview.get('id') }), ['version', 'ASC']),
        },
      },
      Conversation: {
        plans: {
          messages($conversation: Step, fieldArgs: Step) {
            const $messages = messages.find({ conversation_id: $conversation.get('id') })
            const $after = lambda(
              fieldArgs.getRaw('after'),
              (cursor: string | null | undefined) => seqOfCursor(cursor),
              true,
            )
            $messages.where(sql`${$messages.alias}.seq > ${$messages.placeholder($after, TYPES.int)}`)
            const $page = connection(by($messages, ['seq', 'ASC']))
            $page.setFirst(fieldArgs.getRaw('first'))
            return $page
          },
        },
      },
      MessagePage: {
        plans: {
          nodes: ($page: Step) => $page.nodes(),
          pageInfo: ($page: Step) => $page.pageInfo(),
        },
      },
      CollectiveFact: {
        plans: {
          isPromoted: ($fact: Step) =>
            $fact.select(sql`(${$fact.getClassStep().alias}.promoted_at IS NOT NULL)`, TYPES.boolean),
          contributedByViewer($fact: Step) {
            const $source = fact_sources.get({ fact_id: $fact.get('id'), user_id: viewer().get('id') })
            return lambda($source.get('fact_id'), (id: string | null) => id != null, true)
          },
        },
      },
      Mutation: {
        plans: {
          recordDataPoints(_$root: Step, fieldArgs: Step) {
            const $input = object({ userId: viewer().get('id'), points: fieldArgs.getRaw('points') })
            return withPgClient(executor, $input, async (client, { userId, points }: Step) => {
              const { rows } = await client.query<{ stored: number }>({
                text: RECORD_DATA_POINTS,
                values: [userId, JSON.stringify(points)],
              })
              const stored = rows[0]?.stored ?? 0
              return { stored, duplicates: points.length - stored }
            })
          },
        },
      },
      RecordDataPointsPayload: {
        plans: {
          stored: ($payload: Step) => lambda($payload, (payload: Step) => payload.stored, true),
          duplicates: ($payload: Step) => lambda($payload, (payload: Step) => payload.duplicates, true),
        },
      },
    },
  } as Step
})

const server = createServer()
const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  plugins: [Conventions, Fields],
  pgServices: [makePgService({ pool, schemas: ['public'] })],
  schema: { defaultNodeIdCodec: 'globalId' },
  grafserv: { graphqlPath: '/graphql', graphiql: false, watch: false },
  grafast: {
    context: async request => {
      const { subject } = await verify((request as Step).node?.req.headers.authorization)
      return { subject }
    },
  },
})
const serv = instance.createServ(grafserv)
server.on('error', error => console.error(error))
await serv.addTo(server)
server.listen(0, '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${(server.address() as { port: number }).port}`),
)
