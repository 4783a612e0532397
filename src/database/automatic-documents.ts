import type { Queryable } from './client.ts'

const USE = {
  name: 'automatic-documents-use',
  text: `
    UPDATE automatic_documents SET used_at = clock_timestamp() WHERE hash = $1::text RETURNING document`,
}
/** Looks a document up, and notes that it is used. */
export async function useAutomaticDocument(db: Queryable, hash: string): Promise<string | undefined> {
  const [row] = await db.query<{ document: string }>(USE, [hash])
  return row?.document
}

const STORE = {
  name: 'automatic-documents-store',
  text: `
    WITH stored AS (
      INSERT INTO automatic_documents (hash, document, used_at) VALUES ($1::text, $2::text, clock_timestamp())
      ON CONFLICT (hash) DO NOTHING
    )
    DELETE FROM automatic_documents WHERE hash IN (
      SELECT hash FROM automatic_documents ORDER BY used_at DESC
      -- This statement does not see its own row.
      OFFSET greatest(0, $3::int - 1) FOR UPDATE SKIP LOCKED
    )`,
}
/** Keeps a document; of all of them `most` at most, those used last. */
export async function storeAutomaticDocument(
  db: Queryable,
  { hash, document, most }: { hash: string; document: string; most: number },
): Promise<void> {
  await db.query(STORE, [hash, document, most])
}
