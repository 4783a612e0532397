import { createHash } from 'node:crypto'
import { SignJWT } from 'jose'

/**
 * The data that reads are measured on, the same for every server that is measured, and the same at each load: ids are made
 * from numbers, so that whoever asks knows them without a look. 5,000 users, of whom every fifth is active: 50,000 analyses,
 * 150,000 insights, 50,000 plans, 20,000 interviews, 2,000 conversations with 200,000 messages, 2,000 facts. `scale` multiplies all of it.
 */
const USERS = 5000
const ACTIVE = 1000
/** An active user's list of 20 is full, and there is a next page. */
const ANALYSES_OF_ACTIVE = 30
const ANALYSES_OF_OTHERS = 5
const INTERVIEWS_OF_ACTIVE = 20
const CONVERSATIONS_OF_ACTIVE = 2
export const MESSAGES_OF_CONVERSATION = 100
const FACTS = 2000

export interface ReadsData {
  /** Numbered from 1. */
  readonly users: number
  /** The first so many have what lists are made of. */
  readonly activeUsers: number
  readonly analyses: number
}

export function describeReadsData(scale = 1): ReadsData {
  const [users, activeUsers] = [USERS * scale, ACTIVE * scale]
  return {
    users,
    activeUsers,
    analyses: activeUsers * ANALYSES_OF_ACTIVE + (users - activeUsers) * ANALYSES_OF_OTHERS,
  }
}

/** As the statements below make it: md5 of the kind and the number. */
export function rawId(
  kind: 'user' | 'analysis' | 'conversation' | 'interview' | 'fact',
  number: number,
): string {
  const hex = createHash('md5').update(`${kind} ${number}`).digest('hex')
  return [0, 8, 12, 16, 20].map((start, index) => hex.slice(start, [8, 12, 16, 20, 32][index])).join('-')
}

export function globalId(type: string, id: string): string {
  return Buffer.from(`${type}:${id}`).toString('base64url')
}

export const subjectOf = (user: number) => `reader-${user}`
export const emailOf = (user: number) => `reader-${user}@example.com`

export function signReaderToken(user: number, secret: string): Promise<string> {
  return new SignJWT({ email: emailOf(user) })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subjectOf(user))
    .setExpirationTime('24h')
    .sign(new TextEncoder().encode(secret))
}

/** The owner of an analysis, and the first analysis of a user: n-th of all active users come before the n+1-th. */
export function ownerOfAnalysis(analysis: number, { users, activeUsers }: ReadsData): number {
  const ofActive = activeUsers * ANALYSES_OF_ACTIVE
  return analysis <= ofActive
    ? ((analysis - 1) % activeUsers) + 1
    : activeUsers + ((analysis - ofActive - 1) % (users - activeUsers)) + 1
}
/** The n-th conversation of an active user, n from 0. */
export const conversationOf = (user: number, n: number, { activeUsers }: ReadsData) => n * activeUsers + user

const ARCHETYPES = `(ARRAY['FOUNDATION_BUILDER', 'PEAK_PERFORMER', 'SYSTEMATIC_IMPROVER', 'RESILIENCE_REBUILDER'])`
const FIRST_DAY = `timestamptz '2026-01-01 08:00:00+00'`
const id = (kind: string, number: string) => `md5('${kind} ' || ${number})::uuid`

/** What loads a migrated, empty database; each statement stands alone. */
function statements(data: ReadsData, scale: number): string[] {
  const { users, activeUsers, analyses } = data
  const ofActive = activeUsers * ANALYSES_OF_ACTIVE
  const others = users - activeUsers
  const numbered = `
    SELECT n,
      CASE WHEN n <= ${ofActive} THEN (n - 1) % ${activeUsers} + 1 ELSE ${activeUsers} + (n - ${ofActive} - 1) % ${others} + 1 END AS u,
      CASE WHEN n <= ${ofActive} THEN (n - 1) / ${activeUsers} ELSE (n - ${ofActive} - 1) / ${others} END AS k
    FROM generate_series(1, ${analyses}) n`
  const conversations = activeUsers * CONVERSATIONS_OF_ACTIVE
  return [
    `INSERT INTO users (id, issuer, subject, email, email_verified, data_revision, created_at)
     SELECT ${id('user', 'n')}, '', 'reader-' || n, 'reader-' || n || '@example.com', true, 2, ${FIRST_DAY} - interval '30 days'
     FROM generate_series(1, ${users}) n`,
    `INSERT INTO data_points (user_id, metric, value, unit, recorded_at, source, external_id, revision)
     SELECT ${id('user', 'n')}, 'steps', 4000 + p * 300, 'steps', ${FIRST_DAY} + p * interval '1 hour', 'bench', 'p' || p, CASE WHEN p <= 15 THEN 1 ELSE 2 END
     FROM generate_series(1, ${users}) n, generate_series(1, 20) p`,
    `INSERT INTO analyses (id, user_id, type, archetype, mode, trigger, date, summary, result, data_point_count, data_revision, generation_id, created_at)
     SELECT ${id('analysis', 'n')}, ${id('user', 'u')}, 'BEHAVIOR_ANALYSIS', ${ARCHETYPES}[k % 4 + 1]::"Archetype",
       (CASE WHEN k < 4 THEN 'INITIAL' ELSE 'FOLLOW_UP' END)::"AnalysisMode", 'scheduled', (${FIRST_DAY} + k * interval '1 day')::date,
       'Steady weeks: ' || (4000 + n % 7000) || ' steps a day, and sleep that follows the weekend.',
       jsonb_build_object('metrics', (SELECT jsonb_agg(jsonb_build_object('metric', m, 'mean', 1000 + n % 977, 'trend', round((n % 100)::numeric / 100, 2), 'days', 7,
         'finding', 'Above the week before on most days, with one gap that the weekend explains.')) FROM unnest(ARRAY['steps', 'sleep_hours', 'heart_rate', 'coding_seconds']) m),
         'advice', 'Go to bed at the same hour, and walk after lunch.'),
       20, 1, ${id('generation', 'n')}, ${FIRST_DAY} + k * interval '1 day' + (u % 1000) * interval '1 ms'
     FROM (${numbered}) numbered`,
    `INSERT INTO insights (id, analysis_id, position, kind, title, body, confidence)
     SELECT md5('insight ' || n || ' ' || p)::uuid, ${id('analysis', 'n')}, p, (ARRAY['STRENGTH', 'RISK', 'TREND'])[p]::"InsightKind", 'Finding ' || p || ' of ' || n,
       'On five of seven days the steps were above what the week before had, and the nights were long enough.', 0.5 + p * 0.1
     FROM generate_series(1, ${analyses}) n, generate_series(1, 3) p`,
    `INSERT INTO plans (id, user_id, kind, archetype, analysis_id, analysis_source, days, title, summary, items, metadata, date, generation_id, created_at)
     SELECT ${id('plan', 'n')}, ${id('user', 'u')}, (ARRAY['ROUTINE', 'NUTRITION', 'MENU'])[n % 3 + 1]::"PlanKind", ${ARCHETYPES}[k % 4 + 1]::"Archetype", ${id('analysis', 'n')},
       'FRESH', 7, 'A week of walks', 'Three walks after lunch and two early nights.',
       (SELECT jsonb_agg(jsonb_build_object('day', d, 'time', '12:30', 'title', 'Walk', 'description', 'Twenty minutes at a brisk pace, outside if the weather allows.',
         'ingredients', '[]'::jsonb, 'nutrition', null)) FROM generate_series(1, 5) d),
       '{}', (${FIRST_DAY} + k * interval '1 day')::date, md5('plan-generation ' || n)::uuid, ${FIRST_DAY} + k * interval '1 day' + interval '1 hour'
     FROM (${numbered}) numbered`,
    `INSERT INTO archetype_tracking (user_id, archetype, last_analysis_at, analysis_count, data_revision)
     SELECT user_id, archetype, max(created_at), count(*), 1 FROM analyses GROUP BY user_id, archetype`,
    `INSERT INTO interviews (id, user_id, topic, context, collection, enhancer, status, status_version, status_changed_at, created_at)
     SELECT ${id('interview', 'n')}, ${id('user', `(n - 1) % ${activeUsers} + 1`)}, 'What keeps week ' || n || ' steady', NULL, NULL, 'GATEWAY', 'COMPLETED', 4,
       ${FIRST_DAY} + n * interval '1 minute' + interval '3 seconds', ${FIRST_DAY} + n * interval '1 minute'
     FROM generate_series(1, ${activeUsers * INTERVIEWS_OF_ACTIVE}) n`,
    `INSERT INTO interview_status_changes (interview_id, version, user_id, position, status, reason, changed_at)
     SELECT ${id('interview', 'n')}, v, ${id('user', `(n - 1) % ${activeUsers} + 1`)}, (n - 1) / ${activeUsers} * 4 + v,
       (ARRAY['ENHANCING', 'READY', 'IN_PROGRESS', 'COMPLETED'])[v]::"InterviewStatus", NULL, ${FIRST_DAY} + n * interval '1 minute' + (v - 1) * interval '1 second'
     FROM generate_series(1, ${activeUsers * INTERVIEWS_OF_ACTIVE}) n, generate_series(1, 4) v`,
    `INSERT INTO interview_feeds (user_id, position) SELECT user_id, max(position) FROM interview_status_changes GROUP BY user_id`,
    `INSERT INTO enhanced_prompts (id, interview_id, text, source, metadata, created_at)
     SELECT md5('prompt ' || n)::uuid, ${id('interview', 'n')}, 'Ask what the good days had in common, and what the others lacked.', 'rules', '{}', ${FIRST_DAY} + n * interval '1 minute'
     FROM generate_series(1, ${activeUsers * INTERVIEWS_OF_ACTIVE}) n`,
    `INSERT INTO conversations (id, user_id, session_id, metadata, message_count, version, created_at, updated_at)
     SELECT ${id('conversation', 'n')}, ${id('user', `(n - 1) % ${activeUsers} + 1`)}, 'session-' || n, '{"client": "bench"}', ${MESSAGES_OF_CONVERSATION}, ${MESSAGES_OF_CONVERSATION},
       ${FIRST_DAY} + n * interval '1 minute', ${FIRST_DAY} + n * interval '1 minute' + interval '1 hour'
     FROM generate_series(1, ${conversations}) n`,
    `INSERT INTO messages (id, conversation_id, seq, role, content, sent_as, save_id, created_at)
     SELECT md5('message ' || n || ' ' || s)::uuid, ${id('conversation', 'n')}, s, (CASE WHEN s % 2 = 1 THEN 'USER' ELSE 'ASSISTANT' END)::"MessageRole",
       'Message ' || s || ': I slept well and walked to work; what should I change for the rest of the week?', 'c:' || s, md5('save ' || n)::uuid,
       ${FIRST_DAY} + n * interval '1 minute' + s * interval '1 second'
     FROM generate_series(1, ${conversations}) n, generate_series(1, ${MESSAGES_OF_CONVERSATION}) s`,
    `INSERT INTO collective_facts (id, hash, content, category, source_count, promoted_at, first_seen_at, last_confirmed_at)
     SELECT ${id('fact', 'n')}, sha256(convert_to('fact ' || n, 'UTF8')), 'Fact ' || n || ': an evening without screens makes the night longer', 'general', n % 5 + 1,
       CASE WHEN n % 5 >= 2 THEN ${FIRST_DAY} + n * interval '1 second' END, ${FIRST_DAY}, ${FIRST_DAY} + n * interval '1 second'
     FROM generate_series(1, ${FACTS * scale}) n`,
    `INSERT INTO fact_sources (fact_id, user_id, contributed_at)
     SELECT ${id('fact', 'n')}, ${id('user', `(n * 7 + s) % ${users} + 1`)}, ${FIRST_DAY} + n * interval '1 second'
     FROM generate_series(1, ${FACTS * scale}) n, generate_series(1, 5) s WHERE s <= n % 5 + 1`,
    'ANALYZE',
  ]
}

/** Loads a migrated, empty database: some ten seconds at scale 1. */
export async function loadReadsData(
  query: (text: string) => Promise<unknown>,
  scale = 1,
): Promise<ReadsData> {
  const data = describeReadsData(scale)
  for (const statement of statements(data, scale)) await query(statement)
  return data
}
