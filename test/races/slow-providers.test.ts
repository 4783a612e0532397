import { expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { post, requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { startTestGateway, tokenOf } from '../support/test-gateway.ts'

test('50 generations that take their time hold no connection: over a pool of 2, reads are answered meanwhile', async () => {
  const database = await createTestDatabase()
  const generator = new FakeGenerator()
  const gate = new Gate()
  generator.behave = (_input, { signal }) => gate.pass(signal)
  const gateway = await startTestGateway({
    databaseUrl: database.url,
    generator,
    settings: { DATABASE_POOL_SIZE: '2' },
  })
  try {
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, index) => tokenOf(`slow ${index}`)))
    const answers = tokens.map(token => requestAnalysis(gateway.url, token))
    await gate.arrived(50)
    for (const token of tokens.slice(0, 10)) {
      const read = await post<{ viewer: { email: string } }>(gateway.url, {
        query: '{ viewer { email tracking { archetype } } }',
        token,
      })
      expect(read.data?.viewer.email).toContain('@')
    }
    const [sessions] = await database.query<{ busy: number }>(
      "SELECT count(*)::int AS busy FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tributary' AND state <> 'idle'",
    )
    expect(sessions?.busy).toBe(0)
    gate.open()
    for (const answer of await Promise.all(answers)) expect(answer.source).toBe('FRESH')
  } finally {
    gate.open()
    await gateway.close()
    await database.drop()
  }
})
