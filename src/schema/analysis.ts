import type { AnalysisHead, InsightRow } from '../database/analyses.ts'
import type { TrackingRow } from '../database/tracking.ts'
import type { RequestAnalysisOutcome } from '../domain/analyses/request-analysis.ts'
import { type analysisModes, insightKinds } from '../providers/generator.ts'
import { archetypes } from '../shared/archetype.ts'
import type { JsonValue } from '../shared/json.ts'
import { builder } from './builder.ts'
import { connectionType, keysetConnection } from './connection.ts'
import type { Context } from './context.ts'
import { selects } from './selection.ts'
import { onlyOwn, User } from './user.ts'

export const Archetype = builder.enumType('Archetype', { values: archetypes })

const AnalysisMode = builder.enumType('AnalysisMode', {
  values: {
    INITIAL: { description: 'The first analysis of this user and archetype; looks back 7 days.' },
    FOLLOW_UP: { description: 'A later one; looks back to the analysis before it, 1 day at least.' },
  } satisfies Record<(typeof analysisModes)[number], object>,
})
const InsightKind = builder.enumType('InsightKind', { values: insightKinds })

export const Analysis = builder.objectRef<AnalysisHead & { result?: JsonValue }>('Analysis')
const Insight = builder.objectRef<InsightRow>('Insight')

builder.node(Analysis, {
  id: { resolve: analysis => analysis.id },
  loadWithoutCache: (id, context, info) =>
    onlyOwn<AnalysisHead>(
      context,
      selects(info, 'result') ? context.loaders.wholeAnalysis.load(id) : context.loaders.analysis.load(id),
      analysis => analysis.userId,
    ),
  fields: t => ({
    user: t.field({
      type: User,
      resolve: async (analysis, _args, context) => {
        const user = await context.loaders.user.load(analysis.userId)
        if (!user) throw new Error('the user of an analysis is gone')
        return user
      },
    }),
    archetype: t.expose('archetype', { type: Archetype }),
    mode: t.expose('mode', { type: AnalysisMode }),
    trigger: t.exposeString('trigger', {
      description:
        'scheduled, threshold_exceeded_HHMMSS or forced_HHMMSS (UTC); where one second holds two, the later ends in _ and its epoch.',
    }),
    date: t.expose('date', { type: 'Date' }),
    summary: t.exposeString('summary'),
    result: t.field({
      type: 'JSON',
      resolve: ({ id, result }, _args, context) => (result === undefined ? resultOf(id, context) : result),
    }),
    insights: t.field({
      type: [Insight],
      resolve: (analysis, _args, context) => context.loaders.insightsByAnalysis.load(analysis.id),
    }),
    dataPointCount: t.exposeInt('dataPointCount', { description: 'How many data points it was made from.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
})

/** Of an analysis that was read without it. */
async function resultOf(id: string, { loaders }: Context): Promise<JsonValue> {
  const whole = await loaders.wholeAnalysis.load(id)
  if (!whole) throw new Error('an analysis is gone')
  return whole.result
}

builder.node(Insight, {
  id: { resolve: insight => insight.id },
  loadWithoutCache: (id, context) =>
    onlyOwn(context, context.loaders.insight.load(id), insight => insight.userId),
  fields: t => ({
    kind: t.expose('kind', { type: InsightKind }),
    title: t.exposeString('title'),
    body: t.exposeString('body'),
    confidence: t.exposeFloat('confidence', { description: '0 to 1.' }),
    analysis: t.field({
      type: Analysis,
      resolve: async (insight, _args, context) => {
        const analysis = await context.loaders.analysis.load(insight.analysisId)
        if (!analysis) throw new Error('the analysis of an insight is gone')
        return analysis
      },
    }),
  }),
})

export const ArchetypeTracking = builder.objectRef<TrackingRow>('ArchetypeTracking').implement({
  fields: t => ({
    archetype: t.expose('archetype', { type: Archetype }),
    lastAnalysisAt: t.expose('lastAnalysisAt', { type: 'DateTime' }),
    analysisCount: t.exposeInt('analysisCount'),
    newDataPoints: t.exposeInt('newDataPoints', {
      description:
        'Data points that arrived since lastAnalysisAt, whenever they were recorded: a late sync counts.',
    }),
    threshold: t.int({
      description: 'newDataPoints at which a request makes a new analysis.',
      resolve: (_tracking, _args, context) => context.services.dataPointThreshold,
    }),
  }),
})

const AnalysisConnection = connectionType('Analysis', Analysis)

builder.objectFields(User, t => ({
  analyses: t.field({
    type: AnalysisConnection,
    description: 'Newest first.',
    args: {
      archetype: t.arg({ type: Archetype, required: false }),
      first: t.arg.int({ defaultValue: 20, required: false }),
      after: t.arg.string({ required: false }),
    },
    resolve: ({ id: userId }, args, { loaders }, info) => {
      const archetype = args.archetype ?? null
      const whole = selects(info, 'result')
      return keysetConnection<AnalysisHead>(
        args,
        page => {
          if (archetype === null)
            return (whole ? loaders.wholeAnalysisPage : loaders.analysisPage).load({ userId, page })
          const key = { userId, page, archetype }
          return (whole ? loaders.wholeAnalysisPageOfArchetype : loaders.analysisPageOfArchetype).load(key)
        },
        () => loaders.analysisCount.load({ userId, archetype }),
      )
    },
  }),
  latestAnalysis: t.field({
    type: Analysis,
    nullable: true,
    args: { archetype: t.arg({ type: Archetype }) },
    resolve: (user, { archetype }, { loaders }, info): Promise<AnalysisHead | null> => {
      const key = { userId: user.id, archetype }
      return selects(info, 'result')
        ? loaders.latestWholeAnalysis.load(key)
        : loaders.latestAnalysis.load(key)
    },
  }),
  tracking: t.field({
    type: [ArchetypeTracking],
    description: 'One row for each archetype that has been analysed.',
    resolve: (user, _args, context) => context.loaders.trackingByUser.load(user.id),
  }),
}))

export type AnalysisAnswer = Extract<RequestAnalysisOutcome, { type: 'result' }>
