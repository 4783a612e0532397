import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject, onTestFailed } from 'vitest'
import { TEMPLATE_DATABASE } from './global-setup.ts'

export interface TestDatabase {
  readonly url: string
  /** For looking at what is stored, and for ageing it. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
  drop(): Promise<void>
}

/** A database of the caller's own, made from the migrated template. Kept when the test fails, for a look at it. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = new pg.Client(inject('postgresUrl'))
  await admin.connect()
  await admin.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE_DATABASE}`)
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${name}`
  const pool = new pg.Pool({ connectionString: url.href, max: 2, application_name: 'test' })
  // A test that restarts or cuts off the server must not fall over its own connection.
  pool.on('error', () => {})
  admin.on('error', () => {})
  let failed = false
  try {
    onTestFailed(() => {
      failed = true
    })
  } catch {
    // Made in a hook, for several tests.
  }
  return {
    url: url.href,
    query: async (text, values) => (await pool.query(text, values)).rows,
    async drop() {
      await pool.end()
      if (!failed) await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      await admin.end()
    },
  }
}
