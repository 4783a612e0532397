import type { StatsRow } from '../database/stats.ts'
import { recordStats } from '../domain/stats/record-stats.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import { InvalidInputError, invalidInput } from './errors.ts'
import { User } from './user.ts'

export const StatsProvider = builder.enumType('StatsProvider', { values: ['STRAVA', 'WAKATIME'] as const })

export const ProviderStats = builder.objectRef<StatsRow>('ProviderStats').implement({
  fields: t => ({
    provider: t.expose('provider', { type: StatsProvider }),
    statsType: t.exposeString('statsType'),
    data: t.expose('data', { type: 'JSON' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

builder.objectField(User, 'stats', t =>
  t.field({
    type: [ProviderStats],
    args: { provider: t.arg({ type: StatsProvider, required: false }) },
    resolve: async (user, { provider }, context) => {
      const stats = await context.loaders.statsByUser.load(user.id)
      return provider ? stats.filter(row => row.provider === provider) : stats
    },
  }),
)

const UpsertStatsInput = builder.inputType('UpsertStatsInput', {
  fields: t => ({
    provider: t.field({ type: StatsProvider }),
    statsType: t.string({ description: 'ytd, all_time, last_7_days, …' }),
    data: t.field({ type: 'JSON' }),
  }),
})

interface Payload {
  __typename: 'UpsertStatsPayload'
  stats: StatsRow
}
const UpsertStatsPayload = builder.objectRef<Payload>('UpsertStatsPayload').implement({
  fields: t => ({ stats: t.expose('stats', { type: ProviderStats }) }),
})

const UpsertStatsResult = builder.unionType('UpsertStatsResult', {
  types: [UpsertStatsPayload, InvalidInputError],
  resolveType: value => value.__typename,
})

builder.mutationField('upsertStats', t =>
  t.field({
    type: UpsertStatsResult,
    args: { input: t.arg({ type: UpsertStatsInput }) },
    resolve: async (_root, { input }, context) => {
      const { user } = requireViewer(context)
      const outcome = await recordStats(context.services.db, {
        ...input,
        data: input.data ?? null,
        userId: user.id,
      })
      if (outcome.type === 'invalid-input') return invalidInput(outcome.issues)
      return { __typename: 'UpsertStatsPayload' as const, stats: outcome.stats }
    },
  }),
)
