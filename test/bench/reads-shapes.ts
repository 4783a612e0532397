import {
  conversationOf,
  globalId,
  MESSAGES_OF_CONVERSATION,
  ownerOfAnalysis,
  type ReadsData,
  rawId,
} from './reads-data.ts'

/** What is asked of every server, as user `n` of `of(data)`; a request of one user is never another's. */
export interface Shape {
  readonly name: string
  readonly query: string
  /** How many users ask it, each for what is theirs. */
  readonly askers: (data: ReadsData) => number
  /** Who asks the n-th request, n from 1. */
  readonly asker: (n: number, data: ReadsData) => number
  readonly variables: (n: number, data: ReadsData) => Record<string, unknown>
}

const everybody = { askers: (data: ReadsData) => data.users, asker: (n: number) => n }
const active = { askers: (data: ReadsData) => data.activeUsers, asker: (n: number) => n }
const nothing = () => ({})
/** The first message of the newest 50. */
const NEWEST = Buffer.from(`message ${MESSAGES_OF_CONVERSATION - 50}`).toString('base64url')

export const shapes: readonly Shape[] = [
  { name: 'typename', query: '{ __typename }', ...everybody, variables: nothing },
  {
    name: 'analysis',
    query: `query Analysis($id: ID!) {
      node(id: $id) { ... on Analysis { id archetype mode trigger date summary result dataPointCount createdAt } }
    }`,
    askers: data => data.analyses,
    asker: ownerOfAnalysis,
    variables: n => ({ id: globalId('Analysis', rawId('analysis', n)) }),
  },
  {
    name: 'viewer',
    query: `query Viewer {
      viewer {
        id email
        latestAnalysis(archetype: FOUNDATION_BUILDER) { id trigger summary createdAt }
        tracking { archetype analysisCount lastAnalysisAt newDataPoints threshold }
      }
    }`,
    ...everybody,
    variables: nothing,
  },
  {
    name: 'analyses',
    query: `query Analyses {
      viewer {
        analyses(first: 20) {
          nodes {
            id archetype mode trigger date summary createdAt
            insights { id kind title body confidence }
            plans { id kind title summary createdAt }
          }
          pageInfo { hasNextPage endCursor }
        }
      }
    }`,
    ...active,
    variables: nothing,
  },
  {
    name: 'interviews',
    query: `query Interviews {
      viewer {
        interviews(first: 20) {
          nodes { id topic status statusVersion createdAt enhancedPrompt { text } history { status version changedAt reason } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }`,
    ...active,
    variables: nothing,
  },
  {
    name: 'messages',
    query: `query Messages($sessionId: String!, $after: String) {
      viewer {
        conversation(sessionId: $sessionId) {
          id messageCount
          messages(first: 50, after: $after) { nodes { id seq role content createdAt } pageInfo { hasNextPage } }
        }
      }
    }`,
    ...active,
    variables: (n, data) => ({ sessionId: `session-${conversationOf(n, 0, data)}`, after: NEWEST }),
  },
  {
    name: 'facts',
    query: `query Facts {
      collectiveFacts(promoted: true, first: 20) {
        nodes { id content category sourceCount isPromoted promotedAt lastConfirmedAt contributedByViewer }
        pageInfo { hasNextPage endCursor }
      }
    }`,
    ...everybody,
    variables: nothing,
  },
]

export function shapeNamed(name: string): Shape {
  const shape = shapes.find(known => known.name === name)
  if (!shape) throw new Error(`there is no shape ${name}; there are ${shapes.map(known => known.name)}`)
  return shape
}
