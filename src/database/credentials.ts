import type { Queryable } from './client.ts'
import { OWN_ISSUER, USER_COLUMNS, type UserRow } from './users.ts'

const REGISTER = {
  name: 'credentials-register',
  text: `
    WITH claimed AS (
      INSERT INTO credentials (user_id, email_key, password_hash) VALUES (gen_random_uuid(), $1::text, $2::text)
      ON CONFLICT (email_key) DO NOTHING
      RETURNING user_id
    )
    INSERT INTO users (id, issuer, subject, email)
    SELECT user_id, '${OWN_ISSUER}', user_id::text, $3::text FROM claimed
    RETURNING ${USER_COLUMNS}`,
}
/** A user and how it signs in, in one statement. @returns undefined where the address is taken: of several at once one gets it. */
export async function registerUser(
  db: Queryable,
  registration: { emailKey: string; email: string; passwordHash: string },
): Promise<UserRow | undefined> {
  const { emailKey, email, passwordHash } = registration
  return (await db.query<UserRow>(REGISTER, [emailKey, passwordHash, email]))[0]
}

export interface CredentialRow {
  userId: string
  passwordHash: string
}

const FIND = {
  name: 'credentials-find',
  text: 'SELECT user_id AS "userId", password_hash AS "passwordHash" FROM credentials WHERE email_key = $1::text',
}
export async function findCredential(db: Queryable, emailKey: string): Promise<CredentialRow | undefined> {
  return (await db.query<CredentialRow>(FIND, [emailKey]))[0]
}

const LOCK_UNCHANGED = {
  name: 'credentials-lock-unchanged',
  text: `
    SELECT 1 FROM credentials WHERE user_id = $1::uuid AND password_hash = $2::text FOR SHARE`,
}
/** @returns false when the password has been changed since it was read; true keeps it until the transaction ends. */
export async function lockUnchangedPassword(
  db: Queryable,
  { userId, passwordHash }: CredentialRow,
): Promise<boolean> {
  return (await db.query(LOCK_UNCHANGED, [userId, passwordHash])).length === 1
}

const SET_PASSWORD = {
  name: 'credentials-set-password',
  text: 'UPDATE credentials SET password_hash = $2::text WHERE user_id = $1::uuid',
}
export async function setPassword(db: Queryable, { userId, passwordHash }: CredentialRow): Promise<void> {
  await db.query(SET_PASSWORD, [userId, passwordHash])
}

const VERIFY_EMAIL = {
  name: 'credentials-verify-email',
  text: `UPDATE users SET email_verified = true WHERE id = $1::uuid RETURNING ${USER_COLUMNS}`,
}
/** Whoever has a token out of a mail has read it. */
export async function markEmailVerified(db: Queryable, userId: string): Promise<UserRow> {
  const [user] = await db.query<UserRow>(VERIFY_EMAIL, [userId])
  if (!user) throw new Error('the user is gone')
  return user
}
