import { deleteUser } from '../domain/users/delete-user.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import { InvalidInputError, invalidInput } from './errors.ts'

const DeleteViewerPayload = builder
  .objectRef<{ __typename: 'DeleteViewerPayload' }>('DeleteViewerPayload')
  .implement({ fields: t => ({ deleted: t.boolean({ resolve: () => true }) }) })

const DeleteViewerResult = builder.unionType('DeleteViewerResult', {
  types: [DeleteViewerPayload, InvalidInputError],
  resolveType: value => value.__typename,
})

builder.mutationField('deleteViewer', t =>
  t.field({
    type: DeleteViewerResult,
    description:
      'Deletes the viewer and all that is stored of them; what they contributed to facts counts no more. It cannot be undone. A token of another issuer that is used again makes a new user.',
    args: {
      confirmEmail: t.arg.string({
        description: "The viewer's address, so that nobody is deleted by mistake.",
      }),
    },
    resolve: async (_root, { confirmEmail }, context) => {
      const { user } = requireViewer(context)
      const { transaction, recentMessages } = context.services
      const outcome = await deleteUser(
        { transaction, forgetConversation: id => recentMessages.forget(id) },
        user,
        confirmEmail,
      )
      return outcome.type === 'deleted'
        ? { __typename: 'DeleteViewerPayload' as const }
        : invalidInput(outcome.issues)
    },
  }),
)
