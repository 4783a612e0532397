import type { TestDatabase } from './test-database.ts'

/** Of every table how many rows it has and a checksum of all that they hold: equal states hold the same. */
export async function storedState(database: TestDatabase): Promise<Record<string, string>> {
  const tables = await database.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`,
  )
  const states = tables.map(
    ({ name }) =>
      `SELECT '${name}' AS name, count(*) || ' ' || coalesce(md5(string_agg(t::text, E'\\n' ORDER BY t::text)), '') AS state FROM "${name}" t`,
  )
  const rows = await database.query<{ name: string; state: string }>(states.join(' UNION ALL '))
  return Object.fromEntries(rows.map(({ name, state }) => [name, state]))
}
