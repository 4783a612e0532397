import type { Queryable } from './client.ts'
import { BEST, type DocumentSearch, HITS, QUERIES, type SearchHitRow } from './collections.ts'
import { toLiteral, type VectorStore } from './document-vectors.ts'

/** What each of the two rankings contributes; more change the first hundred hits of nobody. */
const CANDIDATES = 100
/**
 * Of reciprocal rank fusion: a place counts 1 / (60 + place). So large that first in one ranking does not beat second in
 * both. Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet", SIGIR 2009.
 */
const DAMPING = 60
/** Beyond a right angle two texts have nothing to do with each other, in any model. */
const FARTHEST = 1

const SEARCH = (schema: string) => ({
  name: 'documents-search-fused',
  text: `
    WITH ${BEST(String(CANDIDATES))}, by_text AS (
      SELECT document_id, row_number() OVER (ORDER BY score DESC, document_id) AS place FROM best
    ), nearest AS (
      SELECT v.document_id, v.text_hash, v.embedding OPERATOR(${schema}.<=>) $4::text::${schema}.vector AS distance
      FROM collections c
      -- Vectors of another model, or of other dimensions, are not compared: then there are none. Those of the edition
      -- before are, until somebody has begun with the new one: most documents still say what they said.
      JOIN collection_vectors s ON s.collection_id = c.id AND s.model = $5::text AND s.dimensions = $6::int
      JOIN document_vectors v ON v.collection_id = s.collection_id AND v.edition = s.edition AND v.model = s.model
      WHERE c.name = $1::text AND v.embedding IS NOT NULL
      ORDER BY distance LIMIT ${CANDIDATES}
    ), by_meaning AS (
      SELECT d.document_id, row_number() OVER (ORDER BY n.distance, d.document_id) AS place
      FROM nearest n
      JOIN collections c ON c.name = $1::text
      -- A vector of what the document said in an earlier version says nothing about this one.
      JOIN documents d ON d.collection_id = c.id AND d.edition = c.edition AND d.document_id = n.document_id
        AND n.text_hash = sha256(convert_to(d.text, 'UTF8'))
      JOIN ${QUERIES} ON q.language = d.language
      WHERE n.distance < ${FARTHEST} AND (NOT $7::boolean OR d.search @@ q.query)
    ), fused AS (
      SELECT document_id,
        (coalesce(1.0 / (${DAMPING} + t.place), 0) + coalesce(1.0 / (${DAMPING} + m.place), 0)) * ${(DAMPING + 1) / 2} AS score
      FROM by_text t FULL JOIN by_meaning m USING (document_id)
      ORDER BY score DESC, document_id LIMIT $3::int
    )
    ${HITS('fused')}`,
})

export interface MeaningSearch extends DocumentSearch {
  /** Of the query, by the model that made those of the documents. */
  vector: readonly number[]
  model: string
  /** Whatever its meaning, a document without what the query asks for is no hit. */
  strict: boolean
}

/**
 * As `searchCollection`, ranked by words and by meaning together: reciprocal rank fusion, whose score is 1 for what is
 * first in both. One statement, so one version from first to last; documents without a vector are ranked by their words.
 */
export function searchByMeaning(
  db: Queryable,
  store: VectorStore,
  { collection, query, limit, vector, model, strict }: MeaningSearch,
): Promise<SearchHitRow[]> {
  return db.query<SearchHitRow>(SEARCH(store.schema), [
    collection,
    query,
    limit,
    toLiteral(vector),
    model,
    vector.length,
    strict,
  ])
}
