import { readPromotionPosition } from '../database/facts.ts'
import { promotionFeedKey } from '../domain/facts/facts.ts'
import { builder } from './builder.ts'
import { lastSeen, requireViewer } from './context.ts'
import { CollectiveFact, requireCategory } from './fact.ts'
import { forgetLoaded } from './loaders.ts'

builder.subscriptionField('factPromoted', t =>
  t.field({
    type: CollectiveFact,
    description: 'Each fact as it is promoted, once.',
    args: { category: t.arg.string({ required: false }) },
    subscribe: async (_root, { category }, context) => {
      requireViewer(context)
      await requireCategory(context, category ?? null)
      const { db, facts } = context.services
      // What is promoted once this is read has a higher position, whoever promotes it.
      const after = lastSeen(context) ?? (await readPromotionPosition(db))
      const key = category == null ? promotionFeedKey.ofAll : promotionFeedKey.ofCategory(category)
      return facts.promotionFeed.follow(key, after, context.signal)
    },
    resolve: async ({ position, factId }, _args, context) => {
      forgetLoaded(context)
      context.eventId = String(position)
      const fact = await context.loaders.fact.load(factId)
      if (!fact) throw new Error('a fact that was promoted is gone')
      return fact
    },
  }),
)
