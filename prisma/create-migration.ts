import { execFileSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { readConfig } from '../src/config.ts'
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.ts'
import { SCHEMA_FILE, schemaScript } from './schema-script.ts'

/**
 * `npm run migration -- add-plans` writes prisma/migrations/<time>_add-plans/migration.sql: what leads from the committed
 * schema.prisma to the one in the work tree. Read it before you commit it, and add what Prisma cannot say (checks, sequences).
 */
const name = process.argv[2]
if (!name || !/^[a-z0-9-]+$/.test(name)) {
  console.error('Give the migration a name of a-z, 0-9 and -, e.g. npm run migration -- add-plans')
  process.exit(2)
}
const committed = execFileSync('git', ['show', 'HEAD:prisma/schema.prisma'], { encoding: 'utf8' })
const config = readConfig()
const embedded = config.databaseUrl
  ? undefined
  : await startEmbeddedPostgres({ dataDir: config.dataDir, log: console.error })
const url = config.databaseUrl ?? embedded?.url ?? ''
const script = await schemaScript(url, committed, await readFile(SCHEMA_FILE, 'utf8')).finally(() =>
  embedded?.stop(),
)
if (script.trim() === '') {
  console.error('prisma/schema.prisma says the same as the committed one: nothing to migrate')
  process.exit(1)
}
const time = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)
const dir = new URL(`migrations/${time}_${name}/`, import.meta.url)
await mkdir(dir, { recursive: true })
await writeFile(new URL('migration.sql', dir), script)
console.log(`prisma/migrations/${time}_${name}/migration.sql`)
