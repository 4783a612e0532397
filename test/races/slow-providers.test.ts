import { expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { post, requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { startTestGateway, tokenOf } from '../support/test-gateway.ts'

const GENERATE_PLAN = `mutation ($input: GeneratePlanInput!) { generatePlan(input: $input) {
  __typename
  ... on GeneratePlanPayload { source }
  ... on Error { message }
} }`

async function generatePlan(url: string, token: string, kind: string) {
  const variables = { input: { archetype: 'FOUNDATION_BUILDER', kind } }
  const answer = await post<{ generatePlan: { source: string } }>(url, {
    query: GENERATE_PLAN,
    variables,
    token,
  })
  if (!answer.data) throw new Error(`no data: ${JSON.stringify(answer.errors)}`)
  return answer.data.generatePlan
}

const KINDS = ['ROUTINE', 'NUTRITION', 'MENU']
const asked = {
  analyses: (url: string, token: string) => requestAnalysis(url, token),
  plans: (url: string, token: string, index: number) => generatePlan(url, token, KINDS[index % 3] ?? ''),
}

test.each(['analyses', 'plans'] as const)(
  '50 %s that take their time hold no connection: over a pool of 2, reads are answered meanwhile',
  async what => {
    const database = await createTestDatabase()
    const generator = new FakeGenerator()
    const gate = new Gate()
    if (what === 'analyses') generator.behave = (_input, { signal }) => gate.pass(signal)
    else generator.behavePlan = (_input, { signal }) => gate.pass(signal)
    const gateway = await startTestGateway({
      databaseUrl: database.url,
      generator,
      settings: { DATABASE_POOL_SIZE: '2' },
    })
    try {
      const tokens = await Promise.all(Array.from({ length: 50 }, (_, index) => tokenOf(`slow ${index}`)))
      const answers = tokens.map((token, index) => asked[what](gateway.url, token, index))
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
  },
)
