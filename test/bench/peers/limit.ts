import { createServer } from 'node:http'
import pg from 'pg'
import { DATABASE_URL, POOL_SIZE, THRESHOLD, verify } from './environment.ts'
import { RECORD_DATA_POINTS } from './statements.ts'

/**
 * The limit: no GraphQL at all. Each operation is known beforehand, by its name, and is one hand-written statement that
 * returns the answer as JSON. $1 is the token's subject.
 */
const iso = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
const base64url = (text: string) =>
  `translate(encode(convert_to(${text}, 'UTF8'), 'base64'), E'+/=\\n', '-_')`
const gid = (type: string, id: string) => base64url(`'${type}:' || ${id}`)
const row = (columns: string, rest = '') => `(SELECT row_to_json(r) FROM (SELECT ${columns} ${rest}) r)`
/** Rows of `from`, in its order. */
const list = (columns: string, from: string) =>
  `(SELECT coalesce(json_agg(r), '[]') FROM (SELECT ${columns} FROM ${from}) r)`
const VIEWER = `SELECT id, email FROM users WHERE issuer = '' AND subject = $1::text`
const cursor = (at: string, id: string) => base64url(`${iso(at)} || ' ' || ${id}`)
/** A list of 20 with its page info: `source` gives 21 rows, in order, numbered as `n`. */
const pageOf20 = (columns: string, source: string, at: string) =>
  row(
    `(SELECT coalesce(json_agg(o), '[]') FROM (SELECT ${columns} FROM p WHERE n <= 20 ORDER BY n) o) AS nodes,
     ${row(
       `EXISTS (SELECT FROM p WHERE n = 21) AS "hasNextPage",
        (SELECT ${cursor(`p.${at}`, 'p.id')} FROM p WHERE n <= 20 ORDER BY n DESC LIMIT 1) AS "endCursor"`,
     )} AS "pageInfo"`,
  ).replace('(SELECT', `(WITH p AS MATERIALIZED (${source}) SELECT`)

const STATEMENTS: Record<string, { text: string; variables: readonly string[] }> = {
  Analysis: {
    variables: ['id'],
    text: `
      SELECT ${row(
        `(SELECT row_to_json(o) FROM (
           SELECT $2::text AS id, a.archetype, a.mode, a.trigger, a.date, a.summary, a.result, a.data_point_count AS "dataPointCount", ${iso('a.created_at')} AS "createdAt"
           FROM analyses a JOIN (${VIEWER}) v ON v.id = a.user_id
           WHERE a.id = split_part(convert_from(decode(rpad(translate($2::text, '-_', '+/'), (length($2::text) + 3) / 4 * 4, '='), 'base64'), 'UTF8'), ':', 2)::uuid
         ) o) AS node`,
      )} AS data`,
  },
  Viewer: {
    variables: [],
    text: `
      SELECT ${row(
        `(SELECT row_to_json(o) FROM (
           SELECT ${gid('User', 'v.id')} AS id, v.email,
             (SELECT row_to_json(l) FROM (
               SELECT ${gid('Analysis', 'id')} AS id, trigger, summary, ${iso('created_at')} AS "createdAt"
               FROM analyses WHERE user_id = v.id AND archetype = 'FOUNDATION_BUILDER' ORDER BY analyses.created_at DESC, analyses.id DESC LIMIT 1
             ) l) AS "latestAnalysis",
             ${list(
               `t.archetype, t.analysis_count AS "analysisCount", ${iso('t.last_analysis_at')} AS "lastAnalysisAt",
                (SELECT count(*)::int FROM data_points d WHERE d.user_id = t.user_id AND d.revision > t.data_revision) AS "newDataPoints", ${THRESHOLD} AS threshold`,
               'archetype_tracking t WHERE t.user_id = v.id ORDER BY t.archetype',
             )} AS tracking
           FROM (${VIEWER}) v
         ) o) AS viewer`,
      )} AS data`,
  },
  Analyses: {
    variables: [],
    text: `
      SELECT ${row(
        `${row(
          `${pageOf20(
            `${gid('Analysis', 'p.id')} AS id, p.archetype, p.mode, p.trigger, p.date, p.summary, ${iso('p.created_at')} AS "createdAt",
             ${list(`${gid('Insight', 'i.id')} AS id, i.kind, i.title, i.body, i.confidence`, 'insights i WHERE i.analysis_id = p.id ORDER BY i.position')} AS insights,
             ${list(`${gid('Plan', 'q.id')} AS id, q.kind, q.title, q.summary, ${iso('q.created_at')} AS "createdAt"`, 'plans q WHERE q.analysis_id = p.id ORDER BY q.created_at DESC, q.id DESC')} AS plans`,
            `SELECT a.*, row_number() OVER () AS n FROM (
               SELECT id, archetype, mode, trigger, date, summary, created_at FROM analyses
               WHERE user_id = (SELECT id FROM (${VIEWER}) v) ORDER BY created_at DESC, id DESC LIMIT 21) a`,
            'created_at',
          )} AS analyses`,
        )} AS viewer`,
      )} AS data`,
  },
  Interviews: {
    variables: [],
    text: `
      SELECT ${row(
        `${row(
          `${pageOf20(
            `${gid('Interview', 'p.id')} AS id, p.topic, p.status, p.status_version AS "statusVersion", ${iso('p.created_at')} AS "createdAt",
             (SELECT row_to_json(e) FROM (SELECT text FROM enhanced_prompts WHERE interview_id = p.id) e) AS "enhancedPrompt",
             ${list(`c.status, c.version, ${iso('c.changed_at')} AS "changedAt", c.reason`, 'interview_status_changes c WHERE c.interview_id = p.id ORDER BY c.version')} AS history`,
            `SELECT i.*, row_number() OVER () AS n FROM (
               SELECT id, topic, status, status_version, created_at FROM interviews
               WHERE user_id = (SELECT id FROM (${VIEWER}) v) ORDER BY created_at DESC, id DESC LIMIT 21) i`,
            'created_at',
          )} AS interviews`,
        )} AS viewer`,
      )} AS data`,
  },
  Messages: {
    variables: ['sessionId', 'after'],
    text: `
      SELECT ${row(
        `${row(
          `(SELECT row_to_json(o) FROM (
             SELECT ${gid('Conversation', 'c.id')} AS id, c.message_count AS "messageCount",
               (WITH p AS MATERIALIZED (
                  SELECT id, seq, role, content, created_at FROM messages
                  WHERE conversation_id = c.id
                    AND seq > split_part(convert_from(decode(rpad(translate($3::text, '-_', '+/'), (length($3::text) + 3) / 4 * 4, '='), 'base64'), 'UTF8'), ' ', 2)::int
                  ORDER BY seq LIMIT 51
                ), numbered AS (SELECT *, row_number() OVER (ORDER BY seq) AS n FROM p)
                SELECT row_to_json(r) FROM (SELECT
                  (SELECT coalesce(json_agg(m), '[]') FROM (SELECT ${gid('Message', 'id')} AS id, seq, role, content, ${iso('created_at')} AS "createdAt" FROM numbered WHERE n <= 50 ORDER BY n) m) AS nodes,
                  ${row(`EXISTS (SELECT FROM numbered WHERE n = 51) AS "hasNextPage"`)} AS "pageInfo"
                ) r) AS messages
             FROM conversations c JOIN (${VIEWER}) v ON v.id = c.user_id WHERE c.session_id = $2::text
           ) o) AS conversation`,
        )} AS viewer`,
      )} AS data`,
  },
  Facts: {
    variables: [],
    text: `
      SELECT ${row(
        `${pageOf20(
          `${gid('CollectiveFact', 'p.id')} AS id, p.content, p.category, p.source_count AS "sourceCount", true AS "isPromoted", ${iso('p.promoted_at')} AS "promotedAt",
           ${iso('p.last_confirmed_at')} AS "lastConfirmedAt",
           EXISTS (SELECT FROM fact_sources s WHERE s.fact_id = p.id AND s.user_id = (SELECT id FROM (${VIEWER}) v)) AS "contributedByViewer"`,
          `SELECT f.*, row_number() OVER () AS n FROM (
             SELECT id, content, category, source_count, promoted_at, last_confirmed_at FROM collective_facts
             WHERE promoted_at IS NOT NULL ORDER BY last_confirmed_at DESC, id DESC LIMIT 21) f`,
          'last_confirmed_at',
        )} AS "collectiveFacts"`,
      )} AS data`,
  },
  Record: {
    variables: ['points'],
    text: RECORD_DATA_POINTS.replaceAll('$1::uuid', `(${VIEWER.replace('id, email', 'id')})`).replace(
      'SELECT count(*)::int AS stored FROM stored',
      `SELECT ${row(
        `${row('s.stored, json_array_length($2::json) - s.stored AS duplicates')} AS "recordDataPoints"`,
      )} AS data FROM (SELECT count(*)::int AS stored FROM stored) s`,
    ),
  },
}
const TYPENAME = '{"data":{"__typename":"Query"}}'

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: POOL_SIZE })
pool.on('error', () => {})
// As it is: what comes is sent on as text.
const types = { getTypeParser: () => (text: string) => text }

async function answer(subject: string, body: string): Promise<string> {
  const { query, variables } = JSON.parse(body) as { query: string; variables?: Record<string, unknown> }
  const name = /^\s*(?:query|mutation) (\w+)/.exec(query)?.[1]
  if (name === undefined) return TYPENAME
  const statement = STATEMENTS[name]
  if (!statement) throw new Error(`there is no operation ${name}`)
  const { rows } = await pool.query<{ data: string }>({
    name,
    text: statement.text,
    types: types as never,
    values: [
      subject,
      ...statement.variables.map(variable => {
        const value = variables?.[variable]
        return typeof value === 'object' ? JSON.stringify(value) : value
      }),
    ],
  })
  return `{"data":${rows[0]?.data}}`
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', chunk => chunks.push(chunk))
  request.on('end', async () => {
    try {
      const { subject } = await verify(request.headers.authorization)
      const text = await answer(subject, Buffer.concat(chunks).toString())
      response.writeHead(200, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(text),
      })
      response.end(text)
    } catch (error) {
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ errors: [{ message: String(error) }] }))
    }
  })
})
server.listen(0, '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${(server.address() as { port: number }).port}`),
)
