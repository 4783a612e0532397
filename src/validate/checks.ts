import { randomUUID } from 'node:crypto'
import type { Deployment } from './deployment.ts'

type Check = (deployment: Deployment) => Promise<string>

/** At once: enough to reach every instance behind a proxy, and less than a rate limit counts. */
const CONCURRENT = 12
const POINTS = 5

const REQUEST = `mutation($input: RequestAnalysisInput!) {
  requestAnalysis(input: $input) {
    __typename
    ... on RequestAnalysisPayload { source analysis { id } tracking { analysisCount newDataPoints threshold } generation { id } }
    ... on GenerationPending { pending: generation { id } }
    ... on Error { message }
  }
}`

interface Requested {
  requestAnalysis: {
    __typename: string
    message?: string
    source: string
    analysis: { id: string }
    tracking: Tracking
    pending?: { id: string }
    generation: { id: string } | null
  }
}
interface Tracking {
  analysisCount: number
  newDataPoints: number
  threshold: number
}

const TRACKING =
  '{ viewer { analyses(archetype: PEAK_PERFORMER, first: 10) { totalCount nodes { id } } tracking { archetype analysisCount newDataPoints threshold } } }'
interface Stored {
  viewer: {
    analyses: { totalCount: number; nodes: { id: string }[] }
    tracking: (Tracking & { archetype: string })[]
  }
}

async function request(deployment: Deployment, input: Record<string, unknown>) {
  const { requestAnalysis } = await deployment.ask<Requested>(REQUEST, {
    input: { archetype: 'PEAK_PERFORMER', ...input },
  })
  expect(
    requestAnalysis.__typename === 'RequestAnalysisPayload',
    `an analysis was answered with ${requestAnalysis.__typename}: ${requestAnalysis.message ?? ''}`,
  )
  return requestAnalysis
}

/** In their order: each may build on what the ones before have stored. */
export const checks: Record<string, Check> = {
  async 'drain state'(deployment) {
    const [live, ready] = [await deployment.page('/health/live'), await deployment.page('/health/ready')]
    expect(live.status === 200, `/health/live answers ${live.status}`)
    expect(
      ready.status === 200,
      `/health/ready answers ${ready.status}: it is starting, draining or without its database`,
    )
    return 'alive and ready, not draining'
  },

  async 'standalone request'(deployment) {
    const { source, tracking } = await request(deployment, {})
    expect(source === 'FRESH', `the first analysis of a user was ${source}`)
    expect(tracking.analysisCount === 1, `tracking counts ${tracking.analysisCount} analyses after the first`)
    const again = await request(deployment, {})
    expect(again.source === 'RECENT', `the same again was ${again.source}, not RECENT`)
    return 'the first analysis was FRESH, the same again RECENT'
  },

  async 'concurrent requests'(deployment) {
    // A forced request that begins when another has ended makes its own; those that overlap must share.
    const answers = await Promise.all(
      Array.from({ length: CONCURRENT }, () => request(deployment, { forceRefresh: true })),
    )
    const fresh = answers.filter(({ source }) => source === 'FRESH')
    const made = new Set(answers.map(({ analysis }) => analysis.id))
    expect(made.size === fresh.length, `${fresh.length} were FRESH, and there are ${made.size} analyses`)
    expect(fresh.length < CONCURRENT / 2, `${CONCURRENT} requests at once made ${fresh.length} analyses`)
    const joined = answers.filter(({ source }) => source === 'JOINED').length
    expect(fresh.length + joined === CONCURRENT, 'some were neither FRESH nor JOINED')
    return `${CONCURRENT} at once were ${fresh.length} FRESH and ${joined} JOINED`
  },

  async 'database consistency'(deployment) {
    const { viewer } = await deployment.ask<Stored>(TRACKING)
    const counted = viewer.tracking.find(({ archetype }) => archetype === 'PEAK_PERFORMER')?.analysisCount
    expect(
      counted === viewer.analyses.totalCount,
      `tracking counts ${counted} analyses, and ${viewer.analyses.totalCount} are stored`,
    )
    const ids = new Set(viewer.analyses.nodes.map(({ id }) => id))
    expect(ids.size === viewer.analyses.nodes.length, 'an analysis is listed twice')
    const pages = ['/api/health/database-sync', '/api/health/recent-analysis', '/api/health/coordination']
    let looked = 0
    for (const path of pages) {
      const { status, report } = await deployment.page(path)
      // A proxy may keep these to the inside.
      if (status === 403 || status === 404) continue
      expect(
        report.status === 'ok',
        `${path} is ${report.status}: ${JSON.stringify(report.problems ?? report)}`,
      )
      looked++
    }
    return `tracking tells what is stored, ${counted} analyses; ${looked} of ${pages.length} health pages are open, and ok`
  },

  async 'threshold tracking'(deployment) {
    const source = `validate-${randomUUID()}`
    const points = Array.from({ length: POINTS }, (_, index) => ({
      metric: 'steps',
      value: 1000 + index,
      recordedAt: new Date(Date.now() - index * 3_600_000).toISOString(),
      source,
      externalId: String(index),
    }))
    const record = () =>
      deployment.ask<{ recordDataPoints: { __typename: string; stored: number; duplicates: number } }>(
        `mutation($points: [DataPointInput!]!) {
          recordDataPoints(points: $points) { __typename ... on RecordDataPointsPayload { stored duplicates } } }`,
        { points },
      )
    const { recordDataPoints: first } = await record()
    expect(first.stored === POINTS, `of ${POINTS} new data points ${first.stored} were stored`)
    const { recordDataPoints: second } = await record()
    expect(second.duplicates === POINTS && second.stored === 0, 'data points sent again were stored again')
    const { viewer } = await deployment.ask<Stored>(TRACKING)
    const tracked = viewer.tracking.find(({ archetype }) => archetype === 'PEAK_PERFORMER')
    expect(
      tracked?.newDataPoints === POINTS,
      `tracking tells ${tracked?.newDataPoints} new data points, not ${POINTS}`,
    )
    return `${POINTS} of ${tracked?.threshold} new data points are counted, and none twice`
  },

  async subscription(deployment) {
    const { requestAnalysis } = await deployment.ask<Requested>(REQUEST, {
      input: { archetype: 'SYSTEMATIC_IMPROVER', forceRefresh: true, waitMs: 0 },
    })
    const runId = (requestAnalysis.pending ?? requestAnalysis.generation)?.id
    expect(
      runId !== undefined,
      `a request that does not wait was answered with ${requestAnalysis.__typename}`,
    )
    const events = await deployment.follow<{ generationChanged: { state: string; progress: number } }>(
      'subscription($id: ID!) { generationChanged(id: $id) { state phase progress } }',
      { id: runId },
    )
    const last = events.at(-1)?.generationChanged
    expect(
      last?.state === 'SUCCEEDED',
      `the run that was followed ended ${last?.state ?? 'without an event'}`,
    )
    return `a run was followed to its end, over ${events.length} events`
  },
}

function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise)
}
