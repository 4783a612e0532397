import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { post } from './graphql-client.ts'
import { until } from './until.ts'

/** The member of a mutation's union that came. */
export interface SignInOutcome {
  __typename: string
  user: { id: string; email: string; emailVerified: boolean }
  session: {
    accessToken: string
    refreshToken: string
    expiresAt: string
    user: { id: string; email: string; emailVerified: boolean }
  }
  code: string
  message: string
  issues: { path: string[]; message: string }[]
}

const USER = 'id email emailVerified'
const SESSION = `session { accessToken refreshToken expiresAt user { ${USER} } }`
const QUERIES = {
  register: `mutation($input: RegisterInput!) { register(input: $input) { __typename
    ... on RegisterPayload { user { ${USER} } } ... on Error { code message } ... on InvalidInputError { issues { path message } } } }`,
  login: `mutation($input: LoginInput!) { login(input: $input) { __typename
    ... on LoginPayload { ${SESSION} } ... on Error { code message } } }`,
  refreshSession: `mutation($refreshToken: String!) { refreshSession(refreshToken: $refreshToken) { __typename
    ... on RefreshSessionPayload { ${SESSION} } ... on Error { code message } } }`,
  verifyEmail: `mutation($token: String!) { verifyEmail(token: $token) { __typename
    ... on VerifyEmailPayload { user { ${USER} } } ... on Error { code message } } }`,
  resetPassword: `mutation($input: ResetPasswordInput!) { resetPassword(input: $input) { __typename
    ... on ResetPasswordPayload { user { ${USER} } } ... on Error { code message } ... on InvalidInputError { issues { path message } } } }`,
  requestEmailVerification:
    'mutation($email: String!) { requestEmailVerification(email: $email) { accepted } }',
  requestPasswordReset: 'mutation($email: String!) { requestPasswordReset(email: $email) { accepted } }',
  logout: 'mutation($refreshToken: String!) { logout(refreshToken: $refreshToken) }',
}

export function signInAnswer(
  url: string,
  field: keyof typeof QUERIES,
  variables: Record<string, unknown>,
  more: { token?: string; headers?: Record<string, string> } = {},
) {
  return post<Record<string, SignInOutcome>>(url, { query: QUERIES[field], variables, ...more })
}

export async function signIn(
  url: string,
  field: Exclude<keyof typeof QUERIES, 'logout'>,
  variables: Record<string, unknown>,
): Promise<SignInOutcome> {
  const answer = await signInAnswer(url, field, variables)
  const outcome = answer.data?.[field]
  if (!outcome) throw new Error(`${field}: no data but ${JSON.stringify(answer.errors)}`)
  return outcome
}

/** The mails to an address, oldest first, as files have them. */
export async function readMails(dataDir: string, to: string): Promise<string[]> {
  const folder = join(dataDir, 'mail')
  const names = await readdir(folder).catch(() => [])
  const mails = await Promise.all(
    names
      .filter(name => name.endsWith('.eml'))
      .sort()
      .map(name => readFile(join(folder, name), 'utf8')),
  )
  // The host's upper case is lost on the way.
  return mails.filter(mail => mail.toLowerCase().includes(`\nto: ${to.toLowerCase()}\r\n`))
}

/** The token of the mail that is the `count`th to this address. */
export async function mailedToken(dataDir: string, to: string, count = 1): Promise<string> {
  await until(async () => (await readMails(dataDir, to)).length >= count, { what: `mail ${count} to ${to}` })
  const mail = (await readMails(dataDir, to))[count - 1] ?? ''
  const [, token] = /^([\w-]{43})\r$/m.exec(mail) ?? []
  if (!token) throw new Error(`no token in ${mail}`)
  return token
}
