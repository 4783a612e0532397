import type { EmailTokenPurpose } from '../database/email-tokens.ts'
import type { UserRow } from '../database/users.ts'
import { register } from '../domain/sign-in/register.ts'
import { requestMail } from '../domain/sign-in/request-mail.ts'
import { resetPassword } from '../domain/sign-in/reset-password.ts'
import { verifyEmail } from '../domain/sign-in/verify-email.ts'
import { builder } from './builder.ts'
import { type Context, rateLimited, requireSignIn } from './context.ts'
import {
  EmailTakenError,
  emailTaken,
  InvalidInputError,
  invalidInput,
  TokenRejectedError,
  tokenRejected,
} from './errors.ts'
import { User } from './user.ts'

const userPayload = <Typename extends string>(typename: Typename) =>
  builder.objectRef<{ __typename: Typename; user: UserRow }>(typename).implement({
    fields: t => ({ user: t.expose('user', { type: User }) }),
  })
const RegisterPayload = userPayload('RegisterPayload')
const VerifyEmailPayload = userPayload('VerifyEmailPayload')
const ResetPasswordPayload = userPayload('ResetPasswordPayload')

const RegisterResult = builder.unionType('RegisterResult', {
  types: [RegisterPayload, InvalidInputError, EmailTakenError],
  resolveType: value => value.__typename,
})
const VerifyEmailResult = builder.unionType('VerifyEmailResult', {
  types: [VerifyEmailPayload, TokenRejectedError],
  resolveType: value => value.__typename,
})
const ResetPasswordResult = builder.unionType('ResetPasswordResult', {
  types: [ResetPasswordPayload, InvalidInputError, TokenRejectedError],
  resolveType: value => value.__typename,
})

const RegisterInput = builder.inputType('RegisterInput', {
  fields: t => ({ email: t.string(), password: t.string() }),
})
const ResetPasswordInput = builder.inputType('ResetPasswordInput', {
  fields: t => ({ token: t.string(), newPassword: t.string() }),
})

const acceptedPayload = (typename: string, description: string) =>
  builder.objectRef<{ accepted: boolean }>(typename).implement({
    fields: t => ({ accepted: t.exposeBoolean('accepted', { description }) }),
  })
const RequestPasswordResetPayload = acceptedPayload(
  'RequestPasswordResetPayload',
  'Always true, so that nobody can learn which addresses are registered.',
)
const RequestEmailVerificationPayload = acceptedPayload(
  'RequestEmailVerificationPayload',
  'Always true, so that nobody can learn which addresses are registered, or verified.',
)

/** Expired, used, cut short, for something else: whoever guesses learns nothing from the difference. */
const MAIL_TOKEN_REJECTED = 'This token does not work, or no longer: ask for a new mail.'

builder.mutationField('register', t =>
  t.field({
    type: RegisterResult,
    args: { input: t.arg({ type: RegisterInput }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await register(requireSignIn(context), { ...input, client: context.client })
      switch (outcome.type) {
        case 'registered':
          return { __typename: 'RegisterPayload' as const, user: outcome.user }
        case 'invalid-input':
          return invalidInput(outcome.issues)
        case 'email-taken':
          return emailTaken()
        case 'rate-limited':
          throw rateLimited(outcome.retryAfterMs)
      }
    },
  }),
)

builder.mutationField('verifyEmail', t =>
  t.field({
    type: VerifyEmailResult,
    args: { token: t.arg.string() },
    resolve: async (_root, { token }, context) => {
      const outcome = await verifyEmail(requireSignIn(context), token)
      if (outcome.type === 'token-rejected') return tokenRejected(MAIL_TOKEN_REJECTED)
      return { __typename: 'VerifyEmailPayload' as const, user: outcome.user }
    },
  }),
)

builder.mutationField('requestEmailVerification', t =>
  t.field({
    type: RequestEmailVerificationPayload,
    description:
      'Another mail with a token for `verifyEmail`, where the address is registered and not verified.',
    args: { email: t.arg.string() },
    resolve: (_root, { email }, context) => accept(context, 'VERIFY_EMAIL', email),
  }),
)

builder.mutationField('requestPasswordReset', t =>
  t.field({
    type: RequestPasswordResetPayload,
    args: { email: t.arg.string() },
    resolve: (_root, { email }, context) => accept(context, 'RESET_PASSWORD', email),
  }),
)

async function accept(
  context: Context,
  purpose: EmailTokenPurpose,
  email: string,
): Promise<{ accepted: boolean }> {
  const outcome = await requestMail(requireSignIn(context), purpose, { email, client: context.client })
  if (outcome.type === 'rate-limited') throw rateLimited(outcome.retryAfterMs)
  return { accepted: true }
}

builder.mutationField('resetPassword', t =>
  t.field({
    type: ResetPasswordResult,
    args: { input: t.arg({ type: ResetPasswordInput }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await resetPassword(requireSignIn(context), input)
      switch (outcome.type) {
        case 'reset':
          return { __typename: 'ResetPasswordPayload' as const, user: outcome.user }
        case 'invalid-input':
          return invalidInput(outcome.issues)
        case 'token-rejected':
          return tokenRejected(MAIL_TOKEN_REJECTED)
      }
    },
  }),
)
