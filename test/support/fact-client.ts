import { type Following, followByEvents, followBySocket } from './api-follow.ts'
import { post } from './graphql-client.ts'

export interface FactAnswer {
  id: string
  content: string
  category: string
  sourceCount: number
  isPromoted: boolean
  promotedAt: string | null
  firstSeenAt: string
  lastConfirmedAt: string
  contributedByViewer: boolean
}

const FACT =
  'id content category sourceCount isPromoted promotedAt firstSeenAt lastConfirmedAt contributedByViewer'

/** The member of the union that came. */
export interface ContributionAnswer {
  __typename: string
  fact: FactAnswer
  counted: boolean
  promotedNow: boolean
  code: string
  message: string
  issues: { path: string[]; message: string }[]
}

const CONTRIBUTE = `mutation($input: ContributeFactInput!) {
  contributeFact(input: $input) {
    __typename
    ... on ContributeFactPayload { fact { ${FACT} } counted promotedNow }
    ... on InvalidInputError { issues { path message } }
    ... on Error { code message }
  }
}`

export async function contributeFact(
  url: string,
  token: string,
  content: string,
  category?: string,
): Promise<ContributionAnswer> {
  const { data, errors } = await post<{ contributeFact: ContributionAnswer }>(url, {
    query: CONTRIBUTE,
    variables: { input: { content, ...(category !== undefined && { category }) } },
    token,
  })
  if (!data?.contributeFact) throw new Error(`no contribution but ${JSON.stringify(errors)}`)
  return data.contributeFact
}

export interface FactPage {
  edges: { cursor: string; node: FactAnswer }[]
  pageInfo: {
    hasNextPage: boolean
    hasPreviousPage: boolean
    startCursor: string | null
    endCursor: string | null
  }
  totalCount: number
}

export const LIST_FACTS = `query($promoted: Boolean, $category: String, $first: Int, $after: String) {
  collectiveFacts(promoted: $promoted, category: $category, first: $first, after: $after) {
    edges { cursor node { ${FACT} } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}`

export async function listFacts(
  url: string,
  token: string,
  variables: Record<string, unknown> = {},
): Promise<FactPage> {
  const { data, errors } = await post<{ collectiveFacts: FactPage }>(url, {
    query: LIST_FACTS,
    variables,
    token,
  })
  if (!data) throw new Error(`no page but ${JSON.stringify(errors)}`)
  return data.collectiveFacts
}

export interface PromotionsFollowed extends Omit<Following, 'runs'> {
  readonly promoted: FactAnswer[]
}

/** Subscribes to promotions; those made once this has returned are heard. */
export async function followPromotions(
  url: string,
  options: { token: string; category?: string; lastEventId?: string; by?: 'events' | 'socket' },
): Promise<PromotionsFollowed> {
  const { token, category, lastEventId, by = 'events' } = options
  const follow = by === 'events' ? followByEvents : followBySocket
  const following = await follow(url, {
    id: '',
    token,
    query: `subscription($category: String) { factPromoted(category: $category) { ${FACT} } }`,
    variables: { category },
    ...(lastEventId !== undefined && { headers: { 'last-event-id': lastEventId } }),
  })
  return Object.defineProperty(following as unknown as PromotionsFollowed, 'promoted', {
    get: () =>
      following.results.flatMap(({ data }) => {
        const fact = (data as unknown as { factPromoted: FactAnswer } | null)?.factPromoted
        return fact ? [fact] : []
      }),
  })
}
