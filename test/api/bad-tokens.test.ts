import { SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, expectError, type WholeAnswer } from '../support/api-answers.ts'
import { storedState } from '../support/api-stored-state.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, TEST_SECRET, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
/** Takes tokens of any issuer. */
let gateway: TestGateway
/** Takes tokens of its own issuer alone. */
let strict: TestGateway

beforeAll(async () => {
  database = await createTestDatabase()
  const options = { databaseUrl: database.url, generator: new FakeGenerator() }
  const settings = { JWT_ISSUER: 'https://ours.example', JWT_AUDIENCE: 'tributary' }
  gateway = await startTestGateway(options)
  strict = await startTestGateway({ ...options, settings })
})
afterAll(async () => {
  await Promise.all([gateway?.close(), strict?.close()])
  await database?.drop()
})

const nowSeconds = () => Math.floor(Date.now() / 1000)
/** Signed as it should be, with these claims and no others. */
const signed = (claims: Record<string, unknown>, secret = TEST_SECRET, alg = 'HS256') =>
  new SignJWT(claims).setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret))
const good = () => ({ sub: 'somebody', email: 'somebody@example.com', exp: nowSeconds() + 60 })
const without = (claim: string) =>
  signed(Object.fromEntries(Object.entries(good()).filter(([name]) => name !== claim)))

const whoAmI = (url: string, headers: Record<string, string>) =>
  ask(url, { query: '{ viewer { id } }' }, { headers })

/** Refused as a whole: with no data at all, not as a stranger's request. */
function expectRefused(answer: WholeAnswer, names: RegExp): void {
  expectError(answer, 'UNAUTHENTICATED', names)
  expect(answer.status).toBe(401)
  expect(answer.data ?? null).toBeNull()
}

const tampered = async () => {
  const [header, , signature] = (await signed(good())).split('.')
  const claims = Buffer.from(JSON.stringify({ ...good(), sub: 'admin' })).toString('base64url')
  return [header, claims, signature].join('.')
}

const BAD_TOKENS: [what: string, names: RegExp, token: () => string | Promise<string>][] = [
  ['of words', /malformed/, () => 'nonsense'],
  ['of three parts that are nothing', /malformed/, () => 'a.b.c'],
  ['of two parts', /malformed/, async () => (await signed(good())).split('.').slice(0, 2).join('.')],
  ['with a part too many', /malformed/, async () => `${await signed(good())}.x`],
  ['whose claims were changed', /another key/, tampered],
  ['signed with another key', /another key/, () => signed(good(), 'another secret, long enough for HS256')],
  ['signed with another algorithm', /malformed|another key/, () => signed(good(), TEST_SECRET, 'HS512')],
  ['signed with nothing', /malformed|another key/, () => new UnsecuredJWT(good()).encode()],
  ['that has expired', /expired/, () => signed({ ...good(), exp: nowSeconds() - 60 })],
  ['that is not valid yet', /not valid yet.*nbf/, () => signed({ ...good(), nbf: nowSeconds() + 600 })],
  ['without exp', /^The token does not fit: the claim exp is missing\.$/, () => without('exp')],
  [
    'whose exp is no number',
    /^The token does not fit: the claim exp is not of its type\.$/,
    () => signed({ ...good(), exp: 'tomorrow' }),
  ],
  ['without sub', /sub/, () => without('sub')],
  ['whose sub is empty', /sub/, () => signed({ ...good(), sub: '' })],
  ['whose sub is a number', /sub/, () => signed({ ...good(), sub: 5 })],
  ['whose sub has 129 characters', /sub/, () => signed({ ...good(), sub: 's'.repeat(129) })],
  [
    'whose sub has 129 characters of two units each',
    /sub/,
    () => signed({ ...good(), sub: '🦊'.repeat(129) }),
  ],
  ['whose sub has NUL', /claim/, () => signed({ ...good(), sub: 'some\0body' })],
  ['whose sub has half a surrogate pair', /claim/, () => signed({ ...good(), sub: '\ud800' })],
  ['without email', /email/, () => without('email')],
  ['whose email is a list', /email/, () => signed({ ...good(), email: ['somebody@example.com'] })],
  ['whose roles are a string', /roles/, () => signed({ ...good(), roles: 'ADMIN' })],
  ['whose issuer is an endless text', /iss/, () => signed({ ...good(), iss: 'i'.repeat(513) })],
]

test.each(BAD_TOKENS)(
  'a token %s is refused with its reason, and makes no user',
  async (_what, names, token) => {
    const before = await storedState(database)
    expectRefused(await whoAmI(gateway.url, { authorization: `Bearer ${await token()}` }), names)
    expect(await storedState(database)).toEqual(before)
  },
)

test.each(['', 'Bearer', 'Bearer ', 'Basic c29tZWJvZHk6c2VjcmV0', 'Bearer two words', 'Token x'])(
  'the authorization %j is refused as malformed, and not taken for none',
  async authorization => {
    expectRefused(await whoAmI(gateway.url, { authorization }), /malformed/)
  },
)

test('a good token of a known user does not help a bad one that follows it', async () => {
  const token = await tokenOf('somebody')
  expect((await whoAmI(gateway.url, { authorization: `Bearer ${token}` })).status).toBe(200)
  expectRefused(await whoAmI(gateway.url, { authorization: `Bearer ${token}x` }), /malformed/)
})

test('a sub of 128 characters, and a role that nobody knows, are taken', async () => {
  const token = await tokenOf('s'.repeat(128), { roles: ['ADMIN', 'GARDENER'] })
  const answer = await whoAmI(gateway.url, { authorization: `bearer ${token}` })
  expect(answer.data).toEqual({ viewer: { id: expect.any(String) } })
  expect(
    await database.query('SELECT length(subject) AS length FROM users WHERE subject LIKE $1', ['ss%']),
  ).toEqual([{ length: 128 }])
})

test('a gateway with an issuer and an audience takes no token of others', async () => {
  const ours = { ...good(), iss: 'https://ours.example', aud: 'tributary' }
  const ask = async (claims: Record<string, unknown>) =>
    whoAmI(strict.url, { authorization: `Bearer ${await signed(claims)}` })
  expect((await ask(ours)).data).toEqual({ viewer: { id: expect.any(String) } })
  expectRefused(await ask({ ...ours, iss: 'https://theirs.example' }), /iss/)
  expectRefused(await ask({ ...ours, iss: undefined }), /iss/)
  expectRefused(await ask({ ...ours, aud: 'another' }), /aud/)
  expectRefused(await ask({ ...ours, aud: undefined }), /aud/)
})
