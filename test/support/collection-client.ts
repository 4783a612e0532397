import { post } from './graphql-client.ts'
import { tokenOf } from './test-gateway.ts'

export interface TestDocument {
  documentId: string
  text: string
  metadata?: unknown
}

export interface IngestionAnswer {
  __typename: string
  collection: string
  ingested: number
  documentCount: number
  version: number
  code: string
  message: string
  waitedMs: number
  issues: { path: string[]; message: string }[]
}

export const INGEST = `mutation($input: IngestDocumentsInput!) {
  ingestDocuments(input: $input) {
    __typename
    ... on IngestDocumentsPayload { collection ingested documentCount version }
    ... on InvalidInputError { issues { path message } }
    ... on LockTimeoutError { waitedMs }
    ... on Error { code message }
  }
}`

/** As a service. */
export async function ingestDocuments(
  url: string,
  collection: string,
  documents: readonly TestDocument[],
  options: { replace?: boolean; signal?: AbortSignal } = {},
): Promise<IngestionAnswer> {
  const { signal, ...input } = options
  const { data, errors } = await post<{ ingestDocuments: IngestionAnswer }>(url, {
    query: INGEST,
    variables: { input: { collection, documents, ...input } },
    token: await tokenOf('service', { roles: ['SERVICE'] }),
    ...(signal && { signal }),
  })
  if (!data?.ingestDocuments) throw new Error(`no ingestion but ${JSON.stringify(errors)}`)
  return data.ingestDocuments
}

export interface Hit {
  documentId: string
  text: string
  snippet: string
  score: number
  metadata: unknown
}

export const SEARCH = `query($collection: String!, $query: String!, $first: Int) {
  searchCollection(collection: $collection, query: $query, first: $first) {
    documentId text snippet score metadata
  }
}`

/** As a user without any role. */
export async function searchCollection(
  url: string,
  collection: string,
  query: string,
  first?: number,
): Promise<Hit[]> {
  const { data, errors } = await post<{ searchCollection: Hit[] }>(url, {
    query: SEARCH,
    variables: { collection, query, ...(first !== undefined && { first }) },
    token: await tokenOf('searcher'),
  })
  if (!data) throw new Error(`no hits but ${JSON.stringify(errors)}`)
  return data.searchCollection
}
