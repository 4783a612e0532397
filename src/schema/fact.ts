import type { FactCursor, FactRow, ListedFact } from '../database/facts.ts'
import { toIsoText } from '../shared/instant.ts'
import { builder } from './builder.ts'
import { connectionTypeOf, pageConnection } from './connection.ts'
import { badUserInput, type Context, requireViewer } from './context.ts'

export const CollectiveFact = builder.objectRef<FactRow>('CollectiveFact')

builder.node(CollectiveFact, {
  id: { resolve: fact => fact.id },
  // Everybody's: whoever is signed in may see it.
  loadWithoutCache: (id, context) => {
    requireViewer(context)
    return context.loaders.fact.load(id)
  },
  fields: t => ({
    content: t.exposeString('content'),
    category: t.exposeString('category'),
    sourceCount: t.exposeInt('sourceCount', { description: 'Distinct users that have contributed it.' }),
    isPromoted: t.boolean({ resolve: fact => fact.promotedAt !== null }),
    promotedAt: t.expose('promotedAt', { type: 'DateTime', nullable: true }),
    firstSeenAt: t.expose('firstSeenAt', { type: 'DateTime' }),
    lastConfirmedAt: t.expose('lastConfirmedAt', { type: 'DateTime' }),
    contributedByViewer: t.boolean({
      resolve: (fact, _args, context) =>
        context.loaders.contributed.load({ userId: requireViewer(context).user.id, factId: fact.id }),
    }),
  }),
})

const instant = /(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/.source
const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/.source
/** xmin:xmax:xip_list, https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT */
const snapshotForm = /\d{1,19}:\d{1,19}:(?:\d{1,19}(?:,\d{1,19})*)?/.source
const CURSOR = new RegExp(`^(${instant}) (${uuid}) (${instant}) (${snapshotForm})$`)

function encodeCursor({ cursor: { at, id, pinnedAt, snapshot } }: { cursor: FactCursor }): string {
  return Buffer.from([toIsoText(at), id, toIsoText(pinnedAt), snapshot].join(' ')).toString('base64url')
}

/** @throws GraphQLError BAD_USER_INPUT for what no page of facts ever gave out */
function decodeCursor(text: string): FactCursor {
  const [, at = '', id = '', pinnedAt = '', snapshot = ''] =
    CURSOR.exec(Buffer.from(text, 'base64url').toString()) ?? []
  const cursor = { at: new Date(at), id, pinnedAt: new Date(pinnedAt), snapshot }
  if (
    Number.isNaN(cursor.at.getTime()) ||
    Number.isNaN(cursor.pinnedAt.getTime()) ||
    !isSnapshot(snapshot) ||
    encodeCursor({ cursor }) !== text
  )
    throw badUserInput('after: expected a cursor of this list')
  return cursor
}

/** Whether PostgreSQL takes it: transactions in progress, ascending, from xmin on and below xmax. */
function isSnapshot(snapshot: string): boolean {
  const [xmin = 0n, xmax = 0n, ...inProgress] = snapshot
    .split(/[:,]/)
    .filter(Boolean)
    .map(number => BigInt(number))
  return (
    xmin > 0n &&
    xmin <= xmax &&
    inProgress.every((xid, index) => xid >= xmin && xid < xmax && (inProgress[index - 1] ?? 0n) < xid)
  )
}

const CollectiveFactConnection = connectionTypeOf<FactRow, ListedFact>(
  'CollectiveFact',
  CollectiveFact,
  encodeCursor,
)

/** @throws GraphQLError BAD_USER_INPUT that names the categories, for any other */
export async function requireCategory(context: Context, category: string | null): Promise<void> {
  if (category === null) return
  const categories = await context.loaders.factCategories.load('')
  if (!categories.includes(category)) throw badUserInput(`category: expected one of ${categories.join(', ')}`)
}

builder.queryField('collectiveFacts', t =>
  t.field({
    type: CollectiveFactConnection,
    description: 'Facts that users hold in common, newest confirmation first.',
    args: {
      promoted: t.arg.boolean({ required: false }),
      category: t.arg.string({ required: false }),
      first: t.arg.int({ defaultValue: 20, required: false }),
      after: t.arg.string({ required: false }),
    },
    resolve: async (_root, { promoted, category, ...args }, context) => {
      requireViewer(context)
      const filter = { promoted: promoted ?? null, category: category ?? null }
      await requireCategory(context, filter.category)
      return pageConnection(
        args,
        decodeCursor,
        page => context.loaders.factPage.load({ ...filter, page }),
        () => context.loaders.factCount.load(filter),
      )
    },
  }),
)
