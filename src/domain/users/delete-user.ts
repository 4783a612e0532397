import {
  deleteUserLeases,
  deleteUserRow,
  findConversationIds,
  lockUser,
  tellSessionsEnd,
  withdrawContributions,
} from '../../database/delete-user.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { UserRow } from '../../database/users.ts'
import type { FieldIssue } from '../field-issues.ts'

export type DeleteUserOutcome = { type: 'deleted' } | { type: 'invalid-input'; issues: FieldIssue[] }

/**
 * Deletes a user and everything that is stored of them, in one transaction: all of it or nothing. Runs under way store
 * nothing any more, and nobody is shown what is still cached of a conversation, which is dropped after the commit. Deleting
 * somebody who is gone is no error.
 */
export async function deleteUser(
  {
    transaction,
    forgetConversation,
  }: {
    transaction: RunTransaction
    forgetConversation: (conversationId: string) => Promise<void>
  },
  user: UserRow,
  confirmEmail: string,
): Promise<DeleteUserOutcome> {
  if (confirmEmail !== user.email)
    return {
      type: 'invalid-input',
      issues: [{ path: ['confirmEmail'], message: "expected the viewer's address, letter by letter" }],
    }
  await transaction('delete-user', async transaction => {
    await deleteUserLeases(transaction, user.id)
    if (!(await lockUser(transaction, user.id))) return
    await tellSessionsEnd(transaction, user.id)
    const conversations = await findConversationIds(transaction, user.id)
    await withdrawContributions(transaction, user.id)
    await deleteUserRow(transaction, user.id)
    transaction.afterCommit(async () => {
      await Promise.all(conversations.map(id => forgetConversation(id)))
    })
  })
  return { type: 'deleted' }
}
