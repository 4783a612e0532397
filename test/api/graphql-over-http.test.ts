import { serverAudits } from 'graphql-http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway } from '../support/test-gateway.ts'

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

const audits = [
  ...serverAudits({ url: () => `${gateway.url}/graphql`, fetchFn: fetch }),
  // An address with a question mark takes the full transport, whatever the request.
  ...serverAudits({
    url: () => `${gateway.url}/graphql`,
    fetchFn: (url: string, init: RequestInit) => fetch(url.includes('?') ? url : `${url}?`, init),
  }).map(audit => ({ ...audit, name: `${audit.name} (full transport)` })),
]

test('the audits of GraphQL over HTTP are there', () => {
  expect(audits.length).toBeGreaterThan(120)
})

test.each(audits.map(audit => [audit.id, audit.name, audit] as const))('%s %s', async (_id, _name, audit) => {
  const result = await audit.fn()
  expect(result.status === 'ok' ? 'ok' : `${result.status}: ${result.reason}`).toBe('ok')
})
