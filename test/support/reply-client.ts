import { post } from './graphql-client.ts'

export const SEND_MESSAGE = `
  mutation SendMessage($input: SendMessageInput!) {
    sendMessage(input: $input) {
      __typename
      ... on SendMessagePayload {
        source
        conversation { id sessionId messageCount }
        message { id seq role content }
        reply { id seq role content }
        sources { documentId text snippet score metadata }
        generation { id kind state text result { __typename id } }
      }
      ... on GenerationPending { pending: generation { id kind state text } }
      ... on GenerationFailedError { code problem: message retryable retryAt failed: generation { id state error } }
      ... on InvalidInputError { code problem: message issues { path message } }
      ... on Error { code problem: message }
    }
  }`

interface MessageOf {
  id: string
  seq: number
  role: string
  content: string
}

export interface SentAnswer {
  __typename: string
  source: string
  conversation: { id: string; sessionId: string; messageCount: number }
  message: MessageOf
  reply: MessageOf
  sources: { documentId: string; text: string; snippet: string; score: number; metadata: unknown }[]
  generation: {
    id: string
    kind: string
    state: string
    text: string
    result: { __typename: string; id: string }
  }
  pending: { id: string; kind: string; state: string; text: string | null }
  retryable: boolean
  retryAt: string | null
  /** Aliased: the payload has a message of another type. */
  problem: string
  code: string
  issues: { path: string[]; message: string }[]
}

export async function send(
  url: string,
  token: string,
  input: Record<string, unknown>,
  signal?: AbortSignal,
): Promise<SentAnswer> {
  const { data, errors } = await post<{ sendMessage: SentAnswer }>(url, {
    query: SEND_MESSAGE,
    variables: { input },
    token,
    ...(signal && { signal }),
  })
  if (!data) throw new Error(`no data: ${JSON.stringify(errors)}`)
  return data.sendMessage
}

export interface MemoryOf {
  hasData: boolean
  facts: { id: string; content: string; kind: string }[]
  summary: string
  updatedAt: string | null
}

/** @param name of the operation: the same operation of one user at once is read once */
export async function readMemory(url: string, token: string, name = 'Memory'): Promise<MemoryOf> {
  const query = `query ${name} { viewer { memory { hasData facts { id content kind } summary updatedAt } } }`
  const { data, errors } = await post<{ viewer: { memory: MemoryOf } }>(url, { query, token })
  if (!data) throw new Error(`no data: ${JSON.stringify(errors)}`)
  return data.viewer.memory
}

export interface RememberedAnswer {
  __typename: string
  facts: { id: string; content: string; kind: string }[]
  summary: string
  waitedMs: number
  issues: { path: string[]; message: string }[]
}

export async function remember(
  url: string,
  token: string,
  userMessage: string,
  aiResponse = 'Noted.',
): Promise<RememberedAnswer> {
  const query = `
    mutation Remember($input: RememberExchangeInput!) {
      rememberExchange(input: $input) {
        __typename
        ... on RememberExchangePayload { facts { id content kind } summary }
        ... on LockTimeoutError { code message waitedMs }
        ... on InvalidInputError { code issues { path message } }
      }
    }`
  const { data, errors } = await post<{ rememberExchange: RememberedAnswer }>(url, {
    query,
    variables: { input: { userMessage, aiResponse } },
    token,
  })
  if (!data) throw new Error(`no data: ${JSON.stringify(errors)}`)
  return data.rememberExchange
}
