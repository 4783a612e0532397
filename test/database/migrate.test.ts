import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { SCHEMA_FILE, schemaScript } from '../../prisma/schema-script.ts'
import { MIGRATIONS_DIR, MigrationError, migrate } from '../../src/database/migrate.ts'

let admin: pg.Client
const made: string[] = []

beforeAll(async () => {
  admin = new pg.Client(inject('postgresUrl'))
  await admin.connect()
})
afterAll(async () => {
  for (const name of made) await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
  await admin.end()
})

async function emptyDatabase(name: string): Promise<string> {
  await admin.query(`CREATE DATABASE ${name}`)
  made.push(name)
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${name}`
  return url.href
}

async function query<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client(url)
  await client.connect()
  return client
    .query<Row>(text)
    .then(
      result => result.rows,
      error => Promise.reject(error),
    )
    .finally(() => client.end())
}

async function migrationsDir(migrations: Record<string, string>): Promise<URL> {
  const dir = await mkdtemp(join(tmpdir(), 'tributary-migrations-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  for (const [name, sql] of Object.entries(migrations)) {
    await mkdir(join(dir, name))
    await writeFile(join(dir, name, 'migration.sql'), sql)
  }
  return pathToFileURL(`${dir}/`)
}

test('eight instances that start at the same moment apply each migration once', async () => {
  const url = await emptyDatabase('migrate_together')
  const applied = await Promise.all(Array.from({ length: 8 }, () => migrate(url, () => {})))
  const names = (await readdir(MIGRATIONS_DIR)).filter(name => /^\d{14}_/.test(name)).sort()
  expect(names.length).toBeGreaterThan(1)
  expect(applied.flat()).toEqual(names)
  const rows = await query(
    url,
    'SELECT migration_name, applied_steps_count, finished_at IS NOT NULL AS finished, rolled_back_at FROM _prisma_migrations ORDER BY migration_name',
  )
  expect(rows).toEqual(
    names.map(name => ({
      migration_name: name,
      applied_steps_count: 1,
      finished: true,
      rolled_back_at: null,
    })),
  )
})

test('a migration that fails leaves nothing of itself, and says which it was; mended, it is applied', async () => {
  const url = await emptyDatabase('migrate_failing')
  const broken = await migrationsDir({
    '1_good': 'CREATE TABLE good (id int);',
    '2_bad': 'CREATE TABLE half (id int); SELECT no_such_function();',
  })
  await expect(migrate(url, () => {}, { dir: broken })).rejects.toThrow(/2_bad failed and was rolled back/)
  expect(
    await query(url, "SELECT to_regclass('good') IS NOT NULL AS good, to_regclass('half') IS NULL AS none"),
  ).toEqual([{ good: true, none: true }])
  const mended = await migrationsDir({
    '1_good': 'CREATE TABLE good (id int);',
    '2_bad': 'CREATE TABLE half (id int);',
  })
  expect(await migrate(url, () => {}, { dir: mended })).toEqual(['2_bad'])
})

test('a migration whose content was changed after it was applied is refused', async () => {
  const url = await emptyDatabase('migrate_changed')
  await migrate(url, () => {}, { dir: await migrationsDir({ '1_one': 'CREATE TABLE one (id int);' }) })
  const changed = await migrationsDir({ '1_one': 'CREATE TABLE one (id bigint);' })
  await expect(migrate(url, () => {}, { dir: changed })).rejects.toThrow(MigrationError)
})

test('the migrations make exactly what prisma/schema.prisma says, and what they add by hand', async () => {
  const [migrated, fromSchema] = [
    await emptyDatabase('migrate_drift_one'),
    await emptyDatabase('migrate_drift_two'),
  ]
  await migrate(migrated, () => {})
  await query(fromSchema, await schemaScript(fromSchema, undefined, await readFile(SCHEMA_FILE, 'utf8')))
  const [left, right] = await Promise.all([migrated, fromSchema].map(describe))
  const added = left?.filter(line => !right?.includes(line))
  expect(right?.filter(line => !left?.includes(line))).toEqual([])
  expect(
    added?.every(
      line =>
        line.startsWith('check ') ||
        line.startsWith('sequence instance_numbers') ||
        // Prisma's schema language knows no partial index.
        /^index .+ WHERE /.test(line),
    ),
  ).toBe(true)
  expect(added?.length).toBeGreaterThan(0)
})

/** What a schema consists of, a line each. */
async function describe(url: string): Promise<string[]> {
  const rows = await query<{ line: string }>(
    url,
    `SELECT concat_ws(' ', 'column', table_name, column_name, udt_name, datetime_precision, is_nullable, column_default) AS line
       FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_prisma_migrations'
     UNION ALL SELECT 'index ' || regexp_replace(indexdef, ' WITH \\(.*\\)$', '') FROM pg_indexes WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'
     UNION ALL SELECT CASE contype WHEN 'c' THEN 'check ' ELSE 'constraint ' END || conrelid::regclass || ' ' || pg_get_constraintdef(oid)
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f') AND conrelid::regclass::text <> '_prisma_migrations'
     UNION ALL SELECT 'enum ' || t.typname || ' ' || string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.typname
     UNION ALL SELECT 'sequence ' || sequencename FROM pg_sequences WHERE schemaname = 'public'`,
  )
  return rows.map(row => row.line)
}
