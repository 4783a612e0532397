/** An answer as it came: what an outside frontend sees. */
export interface Answer<Data> {
  status: number
  headers: Headers
  data?: Data | null
  errors?: {
    message: string
    path?: (string | number)[]
    extensions: { code: string; [key: string]: unknown }
  }[]
}

/** Posts an operation over real HTTP, as a frontend does. */
export async function post<Data = Record<string, unknown>>(
  url: string,
  request: {
    query: string
    variables?: Record<string, unknown>
    token?: string
    signal?: AbortSignal
    headers?: Record<string, string>
  },
): Promise<Answer<Data>> {
  const { query, variables, token, signal, headers } = request
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
    ...(signal && { signal }),
  })
  return { status: response.status, headers: response.headers, ...((await response.json()) as object) }
}

export const REQUEST_ANALYSIS = `
  mutation RequestAnalysis($input: RequestAnalysisInput!) {
    requestAnalysis(input: $input) {
      __typename
      ... on RequestAnalysisPayload {
        source
        analysis { id mode trigger date summary result dataPointCount createdAt insights { kind title body confidence } }
        tracking { archetype analysisCount newDataPoints threshold lastAnalysisAt }
        generation { id state phase progress epoch result { id } }
      }
      ... on GenerationPending { pending: generation { id state phase progress epoch } }
      ... on GenerationFailedError { code message retryable retryAt generation { id state error } }
      ... on InvalidInputError { code message issues { path message } }
      ... on Error { code message }
    }
  }`

export interface RequestAnalysisData {
  requestAnalysis: {
    __typename: string
    source: 'FRESH' | 'JOINED' | 'RECENT' | 'CACHED' | 'FALLBACK'
    analysis: {
      id: string
      mode: string
      trigger: string
      date: string
      summary: string
      result: unknown
      dataPointCount: number
      createdAt: string
      insights: { kind: string; title: string }[]
    }
    tracking: {
      archetype: string
      analysisCount: number
      newDataPoints: number
      threshold: number
      lastAnalysisAt: string
    }
    generation: { id: string; state: string; phase: string; progress: number; epoch: number } | null
    /** Of GenerationPending. */
    pending: { id: string; state: string; phase: string; progress: number; epoch: number }
    code: string
    message: string
    retryable: boolean
    retryAt: string | null
    issues: { path: string[]; message: string }[]
  }
}

/** Asks for an analysis and gives the member of the union that came. */
export async function requestAnalysis(
  url: string,
  token: string,
  input: Record<string, unknown> = {},
  signal?: AbortSignal,
): Promise<RequestAnalysisData['requestAnalysis']> {
  const variables = { input: { archetype: 'FOUNDATION_BUILDER', ...input } }
  const answer = await post<RequestAnalysisData>(url, {
    query: REQUEST_ANALYSIS,
    variables,
    token,
    ...(signal && { signal }),
  })
  if (!answer.data) throw new Error(`no data: ${JSON.stringify(answer.errors)}`)
  return answer.data.requestAnalysis
}

export const RECORD_DATA_POINTS = `
  mutation RecordDataPoints($points: [DataPointInput!]!) {
    recordDataPoints(points: $points) {
      __typename
      ... on RecordDataPointsPayload { stored duplicates }
      ... on InvalidInputError { code message issues { path message } }
    }
  }`

let recorded = 0
/** New points of one metric, recorded a minute apart until now. */
export function dataPoints(count: number, metric = 'steps') {
  return Array.from({ length: count }, (_, index) => ({
    metric,
    value: 1000 + index,
    unit: 'steps',
    recordedAt: new Date(Date.now() - index * 60_000).toISOString(),
    source: 'test',
    externalId: `${process.pid}-${recorded++}`,
  }))
}
