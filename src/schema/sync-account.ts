import type { StatsRow } from '../database/stats.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import { NotFoundError, notFound, UnavailableError } from './errors.ts'
import { ProviderStats, StatsProvider } from './stats.ts'

interface Payload {
  __typename: 'SyncAccountPayload'
  stats: StatsRow[]
  newDataPoints: number
  tokenRefreshed: boolean
}
const SyncAccountPayload = builder.objectRef<Payload>('SyncAccountPayload').implement({
  fields: t => ({
    stats: t.expose('stats', { type: [ProviderStats] }),
    newDataPoints: t.exposeInt('newDataPoints'),
    tokenRefreshed: t.exposeBoolean('tokenRefreshed'),
  }),
})

const SyncAccountResult = builder.unionType('SyncAccountResult', {
  types: [SyncAccountPayload, NotFoundError, UnavailableError],
  resolveType: value => value.__typename,
})

builder.mutationField('syncAccount', t =>
  t.field({
    type: SyncAccountResult,
    extensions: { ownDeadline: true },
    description: "Fetches the account's stats and activities now. Concurrent calls share one fetch.",
    args: { provider: t.arg({ type: StatsProvider }) },
    resolve: async (_root, { provider }, context) => {
      const { user } = requireViewer(context)
      const outcome = await context.services.syncAccount.execute(
        { userId: user.id, provider },
        context.signal,
      )
      switch (outcome.type) {
        case 'synced':
          return { __typename: 'SyncAccountPayload' as const, ...outcome }
        case 'not-found':
          return notFound('connected account')
        case 'unavailable': {
          const { message, retryAt } = outcome
          return { __typename: 'UnavailableError' as const, code: 'UNAVAILABLE' as const, message, retryAt }
        }
      }
    },
  }),
)
