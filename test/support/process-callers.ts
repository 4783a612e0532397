import { expect } from 'vitest'
import { post, REQUEST_ANALYSIS, type RequestAnalysisData } from './graphql-client.ts'
import type { ProcessGateway } from './process-gateway.ts'
import { until } from './until.ts'

/** With what an answer reads after the commit and the commit does not touch, so that a test can hold an owner between the two. */
const WITH_PLANS = REQUEST_ANALYSIS.replace('analysis { id', 'analysis { id plans { id }')

export type AnalysisAnswer = RequestAnalysisData['requestAnalysis']

/** How a caller's request ended. */
export type CallerEnd =
  /** With data: a result, or an expected error of the mutation's union. */
  | { type: 'answer'; answer: AnalysisAnswer }
  /** With a GraphQL error, as for a request that could not be begun. */
  | { type: 'refused'; code: string; message: string }
  /** Its connection broke. */
  | { type: 'cut off'; error: unknown }
  /** It went away by itself. */
  | { type: 'left' }

/** Somebody who has asked an instance for an analysis. */
export interface Caller {
  readonly gateway: ProcessGateway
  readonly user: string
  /** Undefined while it waits. */
  readonly end: CallerEnd | undefined
  leave(): void
}

/** Far more than any answer takes once the run has ended, and no more than the database may be away. */
const ANSWER_DEADLINE_MS = 30_000

export function call(
  gateway: ProcessGateway,
  user: { name: string; token: string },
  input: Record<string, unknown> = {},
): Caller {
  const controller = new AbortController()
  let end: CallerEnd | undefined
  const request = post<RequestAnalysisData>(gateway.url, {
    query: WITH_PLANS,
    variables: { input: { archetype: 'FOUNDATION_BUILDER', ...input } },
    token: user.token,
    signal: controller.signal,
  })
  request.then(
    ({ data, errors, status }) => {
      const [error] = errors ?? []
      end = data
        ? { type: 'answer', answer: data.requestAnalysis }
        : { type: 'refused', code: error?.extensions.code ?? `HTTP ${status}`, message: error?.message ?? '' }
    },
    error => {
      end = controller.signal.aborted ? { type: 'left' } : { type: 'cut off', error }
    },
  )
  return {
    gateway,
    user: user.name,
    get end() {
      return end
    },
    leave: () => controller.abort(),
  }
}

/** Waits until each of them has been answered, cut off or has left. */
export async function callersEnd(callers: readonly Caller[], deadlineMs = ANSWER_DEADLINE_MS): Promise<void> {
  const waiting = () => callers.filter(caller => caller.end === undefined)
  await until(() => waiting().length === 0, { what: 'every caller to be answered', deadlineMs }).catch(
    error => {
      const where = waiting().map(caller => caller.gateway.name)
      throw new Error(`${(error as Error).message}; still waiting on ${where.join(', ')}`, { cause: error })
    },
  )
}

export interface SharedResult {
  readonly answer: AnalysisAnswer
  /** How many of the callers were told so. */
  readonly sources: Partial<Record<AnalysisAnswer['source'], number>>
}

/** All of them got one and the same analysis. */
export async function expectOneResult(callers: readonly Caller[]): Promise<SharedResult> {
  await callersEnd(callers)
  const answers = callers.map(({ end }) => {
    expect(end).toMatchObject({ type: 'answer', answer: { __typename: 'RequestAnalysisPayload' } })
    if (end?.type !== 'answer') throw new Error('the caller got no answer')
    return end.answer
  })
  const [first] = answers
  if (!first) throw new Error('nobody called')
  const sources: SharedResult['sources'] = {}
  for (const { analysis, source } of answers) {
    expect(analysis).toEqual(first.analysis)
    sources[source] = (sources[source] ?? 0) + 1
  }
  return { answer: first, sources }
}
