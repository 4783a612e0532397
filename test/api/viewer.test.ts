import {
  buildClientSchema,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
  getIntrospectionQuery,
  getNamedType,
  type IntrospectionQuery,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post, requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let gateway: TestGateway

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

const whoAmI = (token?: string) =>
  post<{ viewer: { id: string; email: string } | null }>(gateway.url, {
    query: '{ viewer { id email } }',
    ...(token && { token }),
  })
const usersOf = (subject: string) =>
  database.query<{ issuer: string; email: string }>(
    'SELECT issuer, email FROM users WHERE subject = $1 ORDER BY issuer',
    [subject],
  )

/** What the contract lets anybody do. */
const PUBLIC = [
  'viewer',
  'register',
  'login',
  'verifyEmail',
  'refreshSession',
  'requestEmailVerification',
  'requestPasswordReset',
  'resetPassword',
]

/** A literal that fits the type, and nothing more. */
function literalOf(type: GraphQLInputType): string {
  if (isNonNullType(type)) return literalOf(type.ofType)
  if (isListType(type)) return `[${literalOf(type.ofType)}]`
  if (isEnumType(type)) return type.getValues()[0]?.name ?? ''
  if (isInputObjectType(type)) {
    const required = Object.values(type.getFields()).filter(isRequiredInputField)
    return `{ ${required.map(field => `${field.name}: ${literalOf(field.type)}`).join(', ')} }`
  }
  const literals: Record<string, string> = {
    Int: '1',
    Float: '1.5',
    Boolean: 'true',
    DateTime: '"2026-01-31T10:00:00.000Z"',
    Date: '"2026-01-31"',
  }
  return literals[type.name] ?? '"anything"'
}

function callOf(kind: string, field: GraphQLField<unknown, unknown>): string {
  const required = field.args.filter(isRequiredArgument)
  const given = required.map(argument => `${argument.name}: ${literalOf(argument.type)}`).join(', ')
  const selection = isLeafType(getNamedType(field.type)) ? '' : '{ __typename }'
  return `${kind} { ${field.name}${given && `(${given})`} ${selection} }`
}

async function introspect(): Promise<GraphQLSchema> {
  const { data } = await post(gateway.url, { query: getIntrospectionQuery() })
  return buildClientSchema(data as unknown as IntrospectionQuery)
}

test('without a token the viewer is null, and every other field that is not public is UNAUTHENTICATED', async () => {
  expect((await whoAmI()).data).toEqual({ viewer: null })
  const schema = await introspect()
  const calls = Object.entries({
    query: schema.getQueryType(),
    mutation: schema.getMutationType(),
    subscription: schema.getSubscriptionType(),
  }).flatMap(([kind, type]) =>
    Object.values(type?.getFields() ?? {})
      .filter(field => !PUBLIC.includes(field.name))
      .map(field => callOf(kind, field)),
  )
  expect(calls.length).toBeGreaterThanOrEqual(5)
  for (const query of calls) {
    const { data, errors } = await post(gateway.url, { query })
    expect(
      errors?.map(error => error.extensions.code),
      query,
    ).toEqual(['UNAUTHENTICATED'])
    expect(Object.values(data ?? {}).filter(value => value !== null)).toEqual([])
  }
})

test('a user is made once by 20 first requests with one token at the same moment', async () => {
  const token = await tokenOf('newcomer')
  const answers = await Promise.all(Array.from({ length: 20 }, () => whoAmI(token)))
  expect(answers.map(answer => answer.errors)).toEqual(answers.map(() => undefined))
  expect(new Set(answers.map(answer => answer.data?.viewer?.id)).size).toBe(1)
  expect(await usersOf('newcomer')).toEqual([{ issuer: '', email: 'newcomer@example.com' }])
})

test('first requests that write make one user and one analysis together', async () => {
  const token = await tokenOf('hasty')
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => requestAnalysis(gateway.url, token, { archetype: 'PEAK_PERFORMER' })),
  )
  expect(new Set(answers.map(({ analysis }) => analysis.id)).size).toBe(1)
  expect(await usersOf('hasty')).toHaveLength(1)
})

test('the same sub under two issuers, and under none, are three users', async () => {
  const issuers = ['https://one.example', 'https://two.example', undefined]
  const tokens = await Promise.all(issuers.map(iss => tokenOf('shared', { iss })))
  const answers = await Promise.all([...tokens, ...tokens].map(token => whoAmI(token)))
  expect(new Set(answers.map(answer => answer.data?.viewer?.id)).size).toBe(3)
  expect((await usersOf('shared')).map(({ issuer }) => issuer)).toEqual([
    '',
    'https://one.example',
    'https://two.example',
  ])
})

test('subs that differ in case or in blanks are different users', async () => {
  const tokens = await Promise.all(
    ['Twin', 'twin', 'twin '].map(subject => tokenOf(subject, { email: 't@x' })),
  )
  const answers = await Promise.all(tokens.map(token => whoAmI(token)))
  expect(new Set(answers.map(answer => answer.data?.viewer?.id)).size).toBe(3)
})

test('the email follows the token, of the same user', async () => {
  const old = (await whoAmI(await tokenOf('mover'))).data?.viewer
  expect(old?.email).toBe('mover@example.com')
  const moved = await whoAmI(await tokenOf('mover', { email: 'elsewhere@example.com' }))
  expect(moved.data?.viewer).toEqual({ id: old?.id, email: 'elsewhere@example.com' })
  expect(await usersOf('mover')).toEqual([{ issuer: '', email: 'elsewhere@example.com' }])
})

test('an address that two users have is no reason to refuse either', async () => {
  const email = 'family@example.com'
  const [one, two] = await Promise.all(
    ['parent', 'child'].map(async subject => whoAmI(await tokenOf(subject, { email }))),
  )
  expect(one?.data?.viewer?.email).toBe(email)
  expect(two?.data?.viewer?.email).toBe(email)
  expect(one?.data?.viewer?.id).not.toBe(two?.data?.viewer?.id)
})
