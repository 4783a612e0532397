import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, expectError } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let gateway: TestGateway
let token: string

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })
  token = await tokenOf('careless')
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

const encoded = (text: string) => Buffer.from(text).toString('base64url')
const uuid = randomUUID()
const now = '2026-01-31T10:00:00.000Z'

test.each([
  ['empty', ''],
  ['of one character', 'x'],
  ['a bare UUID', uuid],
  ['a type without an id', encoded('User')],
  ['a type with an empty id', encoded('User:')],
  ['a type with a number', encoded('User:1')],
  ['of a type that is not there', encoded(`Unknown:${uuid}`)],
  ['of a type that has no ids', encoded(`Query:${uuid}`)],
  ['of a type in another case', encoded(`user:${uuid}`)],
  ['a UUID in another case', encoded(`User:${uuid.toUpperCase().replace(/^./, 'A')}`)],
  ['in three parts', encoded(`User:${uuid}:User`)],
  ['dashes alone', encoded(`User:${'-'.repeat(36)}`)],
  ['in another base64', `${encoded(`User:${uuid}`)}=`],
  ['with NUL behind it', `${encoded(`User:${uuid}`)}\0`],
  ['SQL', "' OR 1=1 --"],
  ['of 100,000 characters', 'x'.repeat(100_000)],
])('a global id that no answer ever gave, %s, is refused by node and nodes, and named', async (_what, id) => {
  const node = 'query ($id: ID!) { node(id: $id) { id } }'
  expectError(
    await ask(gateway.url, { query: node, variables: { id } }, { token }),
    'BAD_USER_INPUT',
    /^id: expected /,
  )
  const nodes = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }'
  const ids = [encoded(`User:${uuid}`), id]
  expectError(
    await ask(gateway.url, { query: nodes, variables: { ids } }, { token }),
    'BAD_USER_INPUT',
    /^ids\b.*: expected /,
  )
})

const page = (variables: Record<string, unknown>) => {
  const query = `query ($first: Int, $after: String) {
    viewer { analyses(first: $first, after: $after) { totalCount } }
  }`
  return ask(gateway.url, { query, variables }, { token })
}

test.each([
  // Taken for no cursor at all, it would send whoever pages by mistake with it back to the first page for ever.
  ['empty', ''],
  ['of one character', 'x'],
  ['NUL', '\0'],
  ['of other words', encoded('hello')],
  ['an instant alone', encoded(now)],
  ['of an instant and two ids', encoded(`${now} ${uuid} ${uuid}`)],
  ['of a thirteenth month', encoded(`2026-13-31T10:00:00.000Z ${uuid}`)],
  ['of a 30th of February', encoded(`2026-02-30T10:00:00.000Z ${uuid}`)],
  ['of a year that PostgreSQL does not know', encoded(`0000-01-01T00:00:00.000Z ${uuid}`)],
  ['of an id of dashes', encoded(`${now} ${'-'.repeat(36)}`)],
  ['of an id without dashes', encoded(`${now} ${'a'.repeat(36)}`)],
  ['with more behind it', `${encoded(`${now} ${uuid}`)}!`],
])('a cursor that no page ever gave, %s, is refused, and named', async (_what, after) => {
  expectError(await page({ after }), 'BAD_USER_INPUT', /^after: expected /)
})

test('first is 1 to 100; what is less, more or no Int is refused, and named', async () => {
  for (const first of [0, -1, 101, -2_147_483_648])
    expectError(await page({ first }), 'BAD_USER_INPUT', /^first: expected 1 to 100/)
  for (const first of [2_147_483_648, 1.5, '10', true])
    expectError(await page({ first }), 'BAD_USER_INPUT', /\bfirst\b/)
  for (const first of [1, 100])
    expect((await page({ first })).data).toEqual({ viewer: { analyses: { totalCount: 0 } } })
})
