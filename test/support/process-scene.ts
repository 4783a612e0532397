import { onTestFinished } from 'vitest'
import { dataPoints, post, RECORD_DATA_POINTS } from './graphql-client.ts'
import { type Caller, call, callersEnd } from './process-callers.ts'
import { type ProcessGateway, startProcessGateway } from './process-gateway.ts'
import { expectConsistent } from './process-invariants.ts'
import { type Provider, startProvider } from './process-provider.ts'
import { createTestDatabase, type TestDatabase } from './test-database.ts'
import { tokenOf } from './test-gateway.ts'

export interface User {
  /** Also the metric of the user's data points, by which a provider call is known. */
  readonly name: string
  readonly token: string
}

/** Several instances in processes of their own over one database, a provider, and those who ask. */
export interface Scene {
  readonly database: Pick<TestDatabase, 'url' | 'query'>
  readonly provider: Provider
  start(name: string, options?: InstanceOptions): Promise<ProcessGateway>
  /** A new user with data points to be analysed. */
  user(gateway: ProcessGateway, name: string): Promise<User>
  /** So many callers ask an instance at once. */
  call(gateway: ProcessGateway, user: User, count?: number, input?: Record<string, unknown>): Caller[]
  /** Everybody is answered, and what is stored is right. */
  expectConsistent(): Promise<void>
}

interface InstanceOptions {
  settings?: Record<string, string>
  env?: Record<string, string>
}

/** For the test that is running, which leaves nothing behind. */
export async function createScene(
  options: { settings?: Record<string, string>; database?: Pick<TestDatabase, 'url' | 'query'> } = {},
): Promise<Scene> {
  const database = options.database ?? (await createDatabase())
  const provider = await startProvider()
  const callers: Caller[] = []
  onTestFinished(async () => {
    for (const caller of callers) caller.leave()
    await callersEnd(callers)
  })
  return {
    database,
    provider,
    start: (name, { settings, env } = {}) =>
      startProcessGateway({
        name,
        databaseUrl: database.url,
        providerUrl: provider.url,
        settings: { ...options.settings, ...settings },
        ...(env && { env }),
      }),
    async user(gateway, name) {
      const token = await tokenOf(name)
      const variables = { points: dataPoints(1, name) }
      const { errors } = await post(gateway.url, { query: RECORD_DATA_POINTS, variables, token })
      if (errors) throw new Error(`no data points for ${name}: ${JSON.stringify(errors)}`)
      return { name, token }
    },
    call(gateway, user, count = 1, input = {}) {
      const added = Array.from({ length: count }, () => call(gateway, user, input))
      callers.push(...added)
      return added
    },
    expectConsistent: () => expectConsistent(database, { provider, callers }),
  }
}

async function createDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  return database
}

/** Shows a measurement of a test; never asserted on, because the machine may be slow. */
export function report(what: string, ms: number): void {
  process.stdout.write(`      ${what}: ${Math.round(ms)} ms\n`)
}
