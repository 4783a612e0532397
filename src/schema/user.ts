import type { UserRow } from '../database/users.ts'
import { builder } from './builder.ts'
import { type Context, findViewer, requireViewer } from './context.ts'

export const User = builder.objectRef<UserRow>('User')

builder.node(User, {
  id: { resolve: user => user.id },
  loadWithoutCache: (id, context) => onlyOwn(context, context.loaders.user.load(id), user => user.id),
  fields: t => ({
    email: t.exposeString('email'),
    emailVerified: t.exposeBoolean('emailVerified'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
})

/** The row, and null for one of another user, as if it were not there: reads are shared, and know ids alone. */
export async function onlyOwn<Row extends object>(
  context: Context,
  load: Promise<Row | null>,
  ownerOf: (row: Row) => string,
): Promise<Row | null> {
  const row = await load
  return row && ownerOf(row) === requireViewer(context).user.id ? row : null
}

builder.queryField('viewer', t =>
  t.field({
    type: User,
    nullable: true,
    description: 'The signed-in user. Null when the request carries no token.',
    resolve: (_root, _args, context) => findViewer(context)?.user ?? null,
  }),
)
