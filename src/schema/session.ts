import { logIn } from '../domain/sign-in/log-in.ts'
import { logOut } from '../domain/sign-in/log-out.ts'
import type { SignedInSession } from '../domain/sign-in/parts.ts'
import { refreshSession } from '../domain/sign-in/refresh-session.ts'
import { builder } from './builder.ts'
import { rateLimited, requireSignIn, requireViewer } from './context.ts'
import { CredentialsRejectedError, credentialsRejected, TokenRejectedError, tokenRejected } from './errors.ts'
import { User } from './user.ts'

const Session = builder.objectRef<SignedInSession>('Session').implement({
  fields: t => ({
    accessToken: t.exposeString('accessToken'),
    refreshToken: t.exposeString('refreshToken', { description: 'Works once: the answer brings the next.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'Of the access token.' }),
    user: t.expose('user', { type: User }),
  }),
})

const sessionPayload = <Typename extends string>(typename: Typename) =>
  builder.objectRef<{ __typename: Typename; session: SignedInSession }>(typename).implement({
    fields: t => ({ session: t.expose('session', { type: Session }) }),
  })
const LoginPayload = sessionPayload('LoginPayload')
const RefreshSessionPayload = sessionPayload('RefreshSessionPayload')

const LoginResult = builder.unionType('LoginResult', {
  types: [LoginPayload, CredentialsRejectedError],
  resolveType: value => value.__typename,
})
const RefreshSessionResult = builder.unionType('RefreshSessionResult', {
  types: [RefreshSessionPayload, TokenRejectedError],
  resolveType: value => value.__typename,
})

const LoginInput = builder.inputType('LoginInput', {
  fields: t => ({ email: t.string(), password: t.string() }),
})

builder.mutationField('login', t =>
  t.field({
    type: LoginResult,
    args: { input: t.arg({ type: LoginInput }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await logIn(requireSignIn(context), { ...input, client: context.client })
      switch (outcome.type) {
        case 'logged-in':
          return { __typename: 'LoginPayload' as const, session: outcome.session }
        case 'credentials-rejected':
          return credentialsRejected()
        case 'rate-limited':
          throw rateLimited(outcome.retryAfterMs)
      }
    },
  }),
)

builder.mutationField('refreshSession', t =>
  t.field({
    type: RefreshSessionResult,
    args: { refreshToken: t.arg.string() },
    resolve: async (_root, { refreshToken }, context) => {
      const outcome = await refreshSession(requireSignIn(context), refreshToken)
      if (outcome.type === 'refreshed')
        return { __typename: 'RefreshSessionPayload' as const, session: outcome.session }
      const messages = {
        unknown: 'This refresh token does not work, or its session has ended: log in.',
        reused: 'This refresh token was used before, so its session has been ended: log in.',
        simultaneous: 'Another request used this refresh token at the same moment and has its successor.',
      }
      return tokenRejected(messages[outcome.why])
    },
  }),
)

builder.mutationField('logout', t =>
  t.boolean({
    args: { refreshToken: t.arg.string() },
    resolve: (_root, { refreshToken }, context) => {
      const { user } = requireViewer(context)
      return logOut(requireSignIn(context), user.id, refreshToken)
    },
  }),
)
