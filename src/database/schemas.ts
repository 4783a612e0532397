import type { Queryable } from './client.ts'

const EXISTS = {
  name: 'schemas-exists',
  text: 'SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1::text) AS exists',
}
export async function schemaExists(db: Queryable, name: string): Promise<boolean> {
  return (await db.query<{ exists: boolean }>(EXISTS, [name]))[0]?.exists ?? false
}
