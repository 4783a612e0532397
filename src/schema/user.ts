import type { UserRow } from '../database/users.ts'
import { builder } from './builder.ts'
import { type Context, findViewer, requireViewer } from './context.ts'

export const User = builder.objectRef<UserRow>('User')

builder.node(User, {
  id: { resolve: user => user.id },
  loadManyWithoutCache: (ids, context) =>
    onlyOwn(
      context,
      ids,
      id => context.loaders.user.load(id),
      user => user.id,
    ),
  fields: t => ({
    email: t.exposeString('email'),
    emailVerified: t.exposeBoolean('emailVerified'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
})

/** Rows by id, and null for those of another user, as if they were not there. */
export function onlyOwn<Row extends object>(
  context: Context,
  ids: readonly string[],
  load: (id: string) => Promise<Row | null>,
  ownerOf: (row: Row) => string,
): Promise<(Row | null)[]> {
  const viewer = requireViewer(context)
  return Promise.all(
    ids.map(async id => {
      const row = await load(id)
      return row && ownerOf(row) === viewer.user.id ? row : null
    }),
  )
}

builder.queryField('viewer', t =>
  t.field({
    type: User,
    nullable: true,
    description: 'The signed-in user. Null when the request carries no token.',
    resolve: (_root, _args, context) => findViewer(context)?.user ?? null,
  }),
)
