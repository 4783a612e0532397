import { expect, onTestFinished, test } from 'vitest'
import { explainFailure } from '../../src/explain-failure.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { startTestGateway } from '../support/test-gateway.ts'

test('a database user without the right to create schemas is told so, and needs it only where nobody made the jobs’ schema', async () => {
  const database = await createTestDatabase()
  const role = `restricted_${process.pid}_${Date.now()}`
  await database.query(`
    CREATE ROLE ${role} LOGIN PASSWORD 'restricted';
    GRANT ALL ON SCHEMA public TO ${role};
    GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role};
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${role}`)
  onTestFinished(async () => {
    await database.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`)
    await database.drop()
  })
  const url = new URL(database.url)
  url.username = role
  url.password = 'restricted'
  const start = () => startTestGateway({ databaseUrl: url.href, generator: new FakeGenerator() })

  const refusal = await start().catch((error: unknown) => error)
  expect(explainFailure(refusal, url.href)).toMatch(/lacks rights in the database/)

  await database.query(`CREATE SCHEMA tributary_jobs AUTHORIZATION ${role}`)
  const gateway = await start()
  await gateway.close()
})
