import { post } from './graphql-client.ts'

export interface SavedAnswer {
  __typename: string
  conversation: { id: string; sessionId: string; messageCount: number; metadata: unknown }
  messagesSaved: number
  sessionId: string
  messagesHeld: number
  code: string
  message: string
  issues: { path: string[]; message: string }[]
}

export const SAVE_CONVERSATION = `
  mutation SaveConversation($input: SaveConversationInput!) {
    saveConversation(input: $input) {
      __typename
      ... on SaveConversationPayload { messagesSaved conversation { id sessionId messageCount metadata } }
      ... on SaveConversationPending { sessionId messagesHeld }
      ... on InvalidInputError { code message issues { path message } }
      ... on Error { code message }
    }
  }`

export interface MessageOf {
  id: string
  seq: number
  role: string
  content: string
  createdAt: string
}

const READ_CONVERSATION = `
  query ReadConversation($sessionId: String!, $first: Int, $after: String) {
    viewer {
      conversation(sessionId: $sessionId) {
        id sessionId messageCount metadata createdAt updatedAt
        messages(first: $first, after: $after) {
          totalCount
          nodes { id seq role content createdAt }
          edges { cursor }
          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
      }
    }
  }`

export interface ConversationOf {
  id: string
  sessionId: string
  messageCount: number
  metadata: unknown
  createdAt: string
  updatedAt: string
  messages: {
    totalCount: number
    nodes: MessageOf[]
    edges: { cursor: string }[]
    pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string }
  }
}

/** Saves, and gives the member of the union that came. @throws where the request itself was refused or cut off. */
export async function save(
  url: string,
  token: string,
  input: Record<string, unknown>,
  signal?: AbortSignal,
): Promise<SavedAnswer> {
  const { data, errors } = await post<{ saveConversation: SavedAnswer }>(url, {
    query: SAVE_CONVERSATION,
    variables: { input },
    token,
    ...(signal && { signal }),
  })
  if (!data) throw new Error(`no data: ${JSON.stringify(errors)}`)
  return data.saveConversation
}

export async function readConversation(
  url: string,
  token: string,
  sessionId: string,
  page: { first?: number; after?: string } = {},
): Promise<ConversationOf | null> {
  const { data, errors } = await post<{ viewer: { conversation: ConversationOf | null } }>(url, {
    query: READ_CONVERSATION,
    variables: { sessionId, first: 100, ...page },
    token,
  })
  if (!data || errors) throw new Error(`no data: ${JSON.stringify(errors)}`)
  return data.viewer.conversation
}

/** All messages of a session, page by page. */
export async function readAll(url: string, token: string, sessionId: string): Promise<MessageOf[]> {
  const messages: MessageOf[] = []
  for (let after: string | undefined; ; ) {
    const conversation = await readConversation(url, token, sessionId, after === undefined ? {} : { after })
    if (!conversation) return messages
    messages.push(...conversation.messages.nodes)
    const { hasNextPage, endCursor } = conversation.messages.pageInfo
    if (!hasNextPage) return messages
    after = endCursor
  }
}

export const user = (content: string, clientId?: string) => ({
  role: 'USER',
  content,
  ...(clientId && { clientId }),
})
