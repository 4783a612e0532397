import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.ts'
import { migrate } from '../../src/database/migrate.ts'
import { findRedisServer } from './redis-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the server that all test files share; each makes a database of its own from the template. */
    postgresUrl: string
    /** The program to start, found or installed once for all files. */
    redisServer: string
  }
}

export const TEMPLATE_DATABASE = 'tributary_template'

/** A real PostgreSQL, the one that ships with the project, and the template of every test's database. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const redisServer = await findRedisServer()
  const dataDir = await mkdtemp(join(tmpdir(), 'tributary-test-'))
  // As root the server runs under another account, which must get in; otherwise its data would be kept elsewhere.
  await chmod(dataDir, 0o755)
  const server = await startEmbeddedPostgres({ dataDir, log: () => {} })
  const client = new pg.Client(server.url)
  await client.connect()
  await client.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`)
  await client.end()
  const template = new URL(server.url)
  template.pathname = `/${TEMPLATE_DATABASE}`
  await migrate(template.href, () => {})
  project.provide('postgresUrl', server.url)
  project.provide('redisServer', redisServer)
  return async () => {
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}
