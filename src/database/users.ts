import { type Placed, rowsByPlace, toArray } from './arrays.ts'
import type { Queryable } from './client.ts'

export interface UserRow {
  id: string
  email: string
  emailVerified: boolean
  createdAt: Date
}

/** Of users who register here. No other source of tokens may name it. */
export const OWN_ISSUER = 'urn:tributary:sign-in'

export const USER_COLUMNS = 'id, email, email_verified AS "emailVerified", created_at AS "createdAt"'

export interface SubjectKey {
  issuer: string
  subject: string
}
const FIND_BY_SUBJECTS = {
  name: 'users-find-by-subjects',
  text: `
    SELECT k.place::int AS place, u.*
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (issuer, subject, place)
    CROSS JOIN LATERAL (SELECT ${USER_COLUMNS} FROM users WHERE issuer = k.issuer AND subject = k.subject) u`,
}
/** For whoever asks alone: a quarter of the time. */
const FIND_BY_SUBJECT = {
  name: 'users-find-by-subject',
  text: `SELECT ${USER_COLUMNS} FROM users WHERE issuer = $1::text AND subject = $2::text`,
}
export async function findUsersBySubjects(
  db: Queryable,
  subjects: readonly SubjectKey[],
): Promise<(UserRow | null)[]> {
  const [one, another] = subjects
  if (one && !another)
    return [(await db.query<UserRow>(FIND_BY_SUBJECT, [one.issuer, one.subject]))[0] ?? null]
  const values = [
    toArray(subjects.map(({ issuer }) => issuer)),
    toArray(subjects.map(({ subject }) => subject)),
  ]
  return rowsByPlace(await db.query<UserRow & Placed>(FIND_BY_SUBJECTS, values), subjects.length)
}
export async function findUserBySubject(
  db: Queryable,
  issuer: string,
  subject: string,
): Promise<UserRow | undefined> {
  return (await findUsersBySubjects(db, [{ issuer, subject }]))[0] ?? undefined
}

const ENSURE = {
  name: 'users-ensure',
  text: `
    INSERT INTO users (issuer, subject, email) VALUES ($1::text, $2::text, $3::text)
    ON CONFLICT (issuer, subject) DO UPDATE SET email = excluded.email
    RETURNING ${USER_COLUMNS}`,
}
/** The user of a token, made on first sight, once, however many bring it at the same moment; the address is brought up to date. */
export async function ensureUser(
  db: Queryable,
  issuer: string,
  subject: string,
  email: string,
): Promise<UserRow> {
  const [user] = await db.query<UserRow>(ENSURE, [issuer, subject, email])
  if (!user) throw new Error('an upsert returned no row')
  return user
}

const FIND_BY_IDS = {
  name: 'users-find-by-ids',
  text: `SELECT ${USER_COLUMNS} FROM users WHERE id = ANY ($1::uuid[])`,
}
export function findUsersByIds(db: Queryable, ids: readonly string[]): Promise<UserRow[]> {
  return db.query<UserRow>(FIND_BY_IDS, [toArray(ids)])
}

const LOCK_DATA_REVISION = {
  name: 'users-lock-data-revision',
  text: 'SELECT data_revision AS "dataRevision" FROM users WHERE id = $1::uuid FOR NO KEY UPDATE',
}
/** Locks the user's row until the transaction ends, so that the calls of one user that record data take their turn. */
export async function lockDataRevision(db: Queryable, userId: string): Promise<number> {
  const [row] = await db.query<{ dataRevision: number }>(LOCK_DATA_REVISION, [userId])
  if (!row) throw new Error('the user is gone')
  return row.dataRevision
}

const SET_DATA_REVISION = {
  name: 'users-set-data-revision',
  text: 'UPDATE users SET data_revision = $2::int WHERE id = $1::uuid',
}
export async function setDataRevision(db: Queryable, userId: string, dataRevision: number): Promise<void> {
  await db.query(SET_DATA_REVISION, [userId, dataRevision])
}

const FIND_NAMED = {
  name: 'users-find-named',
  text: `SELECT ${USER_COLUMNS} FROM users WHERE id::text = $1::text OR lower(email) = lower($1::text) LIMIT 2`,
}
/** By id or by address, for commands; looks at every row. Two where several have the address. */
export function findUsersNamed(db: Queryable, name: string): Promise<UserRow[]> {
  return db.query<UserRow>(FIND_NAMED, [name])
}
