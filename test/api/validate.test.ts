import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

const run = promisify(execFile)
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
const VALIDATE = fileURLToPath(new URL('../../src/validate.ts', import.meta.url))

let database: TestDatabase
let gateway: TestGateway
const generator = new FakeGenerator()

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

/** As an operator runs it after a release. */
async function validate(...args: string[]) {
  return run(NODE, [VALIDATE, ...args]).then(
    ({ stdout }) => ({ code: 0, lines: stdout.trim().split('\n') }),
    ({ code, stdout, stderr }) => ({ code: code as number, lines: `${stdout}${stderr}`.trim().split('\n') }),
  )
}

test('says of each promise that the deployment keeps it, and leaves nothing behind', async () => {
  // Long enough for requests that come together to meet.
  generator.behave = () => new Promise(resolve => setTimeout(resolve, 300))
  const { code, lines } = await validate(gateway.url, '--token', await tokenOf('release'))
  expect(lines.map(line => line.slice(0, 6).trim())).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'ok', ''])
  expect(lines.map(line => /^ok +([a-z ]+):/.exec(line)?.[1]).slice(0, -1)).toEqual([
    'drain state',
    'standalone request',
    'concurrent requests',
    'database consistency',
    'threshold tracking',
    'subscription',
  ])
  expect(lines[2]).toContain('12 at once were 1 FRESH and 11 JOINED')
  expect(code).toBe(0)
  for (const table of ['users', 'analyses', 'data_points', 'generations', 'leases'])
    expect(await database.query(`SELECT 1 FROM ${table}`), table).toEqual([])
})

test('ends with 1 where something is not as promised, says what, and cleans up all the same', async () => {
  generator.behave = async () => {
    throw new GenerationError('the model is out', { retryable: false })
  }
  const { code, lines } = await validate(gateway.url, '--token', await tokenOf('failing'))
  expect(code).toBe(1)
  expect(lines[1]).toMatch(/^FAILED standalone request: .*the model is out/)
  expect(await database.query('SELECT 1 FROM users')).toEqual([])
  generator.behave = async () => {}
})

test('an instance that stops is seen as not ready', async () => {
  const other = await startTestGateway({ databaseUrl: database.url, generator })
  const closed = other.close()
  const { code } = await validate(other.url, '--token', await tokenOf('stopping'))
  expect(code).not.toBe(0)
  await closed
})

test('never touches a user who has data', async () => {
  const token = await tokenOf('somebody')
  await requestAnalysis(gateway.url, token)
  const { code, lines } = await validate(gateway.url, '--token', token)
  expect({ code, lines }).toEqual({ code: 2, lines: [expect.stringContaining('of a user who has data')] })
  expect(await database.query('SELECT 1 FROM analyses')).toHaveLength(1)
})

test('says how it is used, what does not answer, and that a token is refused', async () => {
  expect(await validate()).toMatchObject({ code: 2, lines: [expect.stringContaining('Usage')] })
  expect(await validate('http://127.0.0.1:1', '--token', 't')).toMatchObject({
    code: 2,
    lines: [expect.stringContaining('http://127.0.0.1:1 does not answer')],
  })
  expect(await validate(gateway.url, '--token', 'nonsense')).toMatchObject({
    code: 2,
    lines: [expect.stringContaining('UNAUTHENTICATED')],
  })
})
