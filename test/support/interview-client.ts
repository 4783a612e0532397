import { type Following, followByEvents, followBySocket } from './api-follow.ts'
import { post } from './graphql-client.ts'

const INTERVIEW = `
  id topic context status statusVersion statusChangedAt failureReason createdAt
  enhancedPrompt { id text source createdAt }
  history { version status reason changedAt }`

export interface InterviewAnswer {
  id: string
  topic: string
  context: string | null
  status: string
  statusVersion: number
  statusChangedAt: string
  failureReason: string | null
  createdAt: string
  enhancedPrompt: { id: string; text: string; source: string } | null
  history: { version: number; status: string; reason: string | null; changedAt: string }[]
}

/** The member of a mutation's union that came. */
export interface InterviewOutcome {
  __typename: string
  interview: InterviewAnswer
  prompt: { id: string; text: string; source: string }
  applied: boolean
  from: string
  to: string
  code: string
  message: string
  issues: { path: string[]; message: string }[]
}

async function mutate(
  url: string,
  token: string,
  field: string,
  {
    declaration,
    call,
    variables,
    payload,
  }: Record<'declaration' | 'call' | 'payload', string> & { variables: object },
): Promise<InterviewOutcome> {
  const query = `mutation M(${declaration}) { ${field}(${call}) {
    __typename
    ... on ${payload} { interview { ${INTERVIEW} } ${payload === 'DeliverPromptPayload' ? 'applied prompt { id text source }' : ''} }
    ... on Error { code message }
    ${field === 'createInterview' || field === 'deliverPrompt' ? '... on InvalidInputError { issues { path message } }' : ''}
    ${field === 'createInterview' ? '' : '... on InvalidTransitionError { from to }'}
  } }`
  const answer = await post<Record<string, InterviewOutcome>>(url, {
    query,
    variables: { ...variables },
    token,
  })
  const outcome = answer.data?.[field]
  if (!outcome) throw new Error(`${field}: no data but ${JSON.stringify(answer.errors)}`)
  return outcome
}

export function createInterview(url: string, token: string, input: Record<string, unknown> = {}) {
  return mutate(url, token, 'createInterview', {
    declaration: '$input: CreateInterviewInput!',
    call: 'input: $input',
    variables: { input: { topic: 'sleeping better', enhancer: 'EXTERNAL', ...input } },
    payload: 'CreateInterviewPayload',
  })
}

/** @returns the interview that was created */
export async function newInterview(url: string, token: string, input: Record<string, unknown> = {}) {
  const { interview, message } = await createInterview(url, token, input)
  if (!interview) throw new Error(message)
  return interview
}

/** @param token of a user with the role SERVICE */
export function deliverPrompt(
  url: string,
  token: string,
  input: { interviewId: string; messageId: string; prompt?: string; source?: string },
) {
  return mutate(url, token, 'deliverPrompt', {
    declaration: '$input: DeliverPromptInput!',
    call: 'input: $input',
    variables: { input: { prompt: `the prompt of ${input.messageId}`, ...input } },
    payload: 'DeliverPromptPayload',
  })
}

export function moveInterview(
  url: string,
  token: string,
  field: 'startInterview' | 'completeInterview' | 'retryInterview',
  id: string,
) {
  return mutate(url, token, field, {
    declaration: '$id: ID!',
    call: 'id: $id',
    variables: { id },
    payload: 'InterviewTransitionPayload',
  })
}

export async function readInterview(url: string, token: string, id: string): Promise<InterviewAnswer> {
  const query = `query($id: ID!) { node(id: $id) { ... on Interview { ${INTERVIEW} } } }`
  const answer = await post<{ node: InterviewAnswer | null }>(url, { query, variables: { id }, token })
  if (!answer.data?.node) throw new Error(`no interview but ${JSON.stringify(answer.errors)}`)
  return answer.data.node
}

const FOLLOW_INTERVIEWS = `subscription($interviewId: ID, $afterVersion: Int) {
  interviewStatusChanged(interviewId: $interviewId, afterVersion: $afterVersion) {
    status version reason changedAt interview { id status statusVersion }
  }
}`

export interface ChangeEvent {
  status: string
  version: number
  reason: string | null
  interview: { id: string; status: string; statusVersion: number }
}

export interface InterviewsFollowed extends Omit<Following, 'runs'> {
  readonly changes: ChangeEvent[]
}

/** Subscribes to changes of status, of one interview or of all the user's. */
export async function followInterviews(
  url: string,
  options: {
    token: string
    interviewId?: string
    afterVersion?: number
    lastEventId?: string
    by?: 'events' | 'socket'
  },
): Promise<InterviewsFollowed> {
  const { token, interviewId, afterVersion, lastEventId, by = 'events' } = options
  const follow = by === 'events' ? followByEvents : followBySocket
  const following = await follow(url, {
    id: '',
    token,
    query: FOLLOW_INTERVIEWS,
    variables: { interviewId, afterVersion },
    ...(lastEventId !== undefined && { headers: { 'last-event-id': lastEventId } }),
  })
  return Object.defineProperty(following as unknown as InterviewsFollowed, 'changes', {
    get: () =>
      following.results.flatMap(({ data }) => {
        const change = (data as unknown as { interviewStatusChanged: ChangeEvent } | null)
          ?.interviewStatusChanged
        return change ? [change] : []
      }),
  })
}
