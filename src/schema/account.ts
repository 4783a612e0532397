import type { AccountRow } from '../database/accounts.ts'
import { connectAccount } from '../domain/accounts/connect-account.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import { InvalidInputError, invalidInput } from './errors.ts'
import { StatsProvider } from './stats.ts'
import { User } from './user.ts'

const ReconnectReason = builder.enumType('ReconnectReason', {
  values: {
    REFUSED: { description: 'The provider has taken the access back.' },
    REFRESH_LOST: { description: 'The access was lost while it was being renewed.' },
  } as const,
})

const ConnectedAccount = builder.objectRef<AccountRow>('ConnectedAccount').implement({
  description: 'Tokens are stored encrypted and never leave the gateway.',
  fields: t => ({
    provider: t.expose('provider', { type: StatsProvider }),
    athleteId: t.exposeString('athleteId'),
    expiresAt: t.expose('expiresAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
    reconnectReason: t.expose('reconnectReason', {
      type: ReconnectReason,
      nullable: true,
      description: 'Why its user has to connect it anew; null as long as it works.',
    }),
  }),
})

builder.objectField(User, 'accounts', t =>
  t.field({
    type: [ConnectedAccount],
    resolve: (user, _args, context) => context.loaders.accountsByUser.load(user.id),
  }),
)

const ConnectAccountInput = builder.inputType('ConnectAccountInput', {
  fields: t => ({
    provider: t.field({ type: StatsProvider }),
    athleteId: t.string(),
    accessToken: t.string(),
    refreshToken: t.string(),
    expiresAt: t.field({ type: 'DateTime' }),
  }),
})

interface Payload {
  __typename: 'ConnectAccountPayload'
  account: AccountRow
}
const ConnectAccountPayload = builder.objectRef<Payload>('ConnectAccountPayload').implement({
  fields: t => ({ account: t.expose('account', { type: ConnectedAccount }) }),
})

const ConnectAccountResult = builder.unionType('ConnectAccountResult', {
  types: [ConnectAccountPayload, InvalidInputError],
  resolveType: value => value.__typename,
})

builder.mutationField('connectAccount', t =>
  t.field({
    type: ConnectAccountResult,
    args: { input: t.arg({ type: ConnectAccountInput }) },
    resolve: async (_root, { input }, context) => {
      const { user } = requireViewer(context)
      const { db, sealingKeys: keys } = context.services
      const outcome = await connectAccount({ db, keys }, { ...input, userId: user.id })
      if (outcome.type === 'invalid-input') return invalidInput(outcome.issues)
      return { __typename: 'ConnectAccountPayload' as const, account: outcome.account }
    },
  }),
)
