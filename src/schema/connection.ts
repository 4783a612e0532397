import type { ObjectRef } from '@pothos/core'
import type { KeysetPage } from '../database/keyset.ts'
import { toIsoText } from '../shared/instant.ts'
import { builder } from './builder.ts'
import { badUserInput } from './context.ts'

/** A page of a list, newest first, as the Relay connections specification wants it. */
export interface Connection<Row> {
  rows: Row[]
  hasNextPage: boolean
  hasPreviousPage: boolean
  /** Counted only when it is selected. */
  countAll: () => Promise<number>
}

interface KeysetRow {
  id: string
  createdAt: Date
}

export const MAX_PAGE_SIZE = 100
/** PostgreSQL knows no year 0. */
const CURSOR =
  /^((?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

function encodeCursor(row: KeysetRow): string {
  return Buffer.from(`${toIsoText(row.createdAt)} ${row.id}`).toString('base64url')
}

function decodeCursor(cursor: string): { at: Date; id: string } {
  const [, at, id] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  const createdAt = new Date(at ?? '')
  if (!id || Number.isNaN(createdAt.getTime()) || encodeCursor({ createdAt, id }) !== cursor)
    throw badUserInput('after: expected a cursor of this list')
  return { at: createdAt, id }
}

interface PageArguments {
  first?: number | null | undefined
  after?: string | null | undefined
}

/** @throws GraphQLError BAD_USER_INPUT that names the argument. */
export function keysetConnection<Row extends KeysetRow>(
  args: PageArguments,
  find: (page: KeysetPage) => Promise<Row[]>,
  countAll: () => Promise<number>,
): Promise<Connection<Row>> {
  return pageConnection(args, decodeCursor, find, countAll)
}

/** Of a list whose cursors are of its own kind. @throws GraphQLError BAD_USER_INPUT that names the argument. */
export async function pageConnection<Row, Cursor>(
  args: PageArguments,
  decode: (cursor: string) => Cursor,
  find: (page: { after: Cursor | undefined; limit: number }) => Promise<Row[]>,
  countAll: () => Promise<number>,
): Promise<Connection<Row>> {
  const first = args.first ?? 20
  if (first < 1 || first > MAX_PAGE_SIZE) throw badUserInput(`first: expected 1 to ${MAX_PAGE_SIZE}`)
  const after = args.after == null ? undefined : decode(args.after)
  // One row more tells whether there is a next page.
  const rows = await find({ after, limit: first + 1 })
  return {
    rows: rows.slice(0, first),
    hasNextPage: rows.length > first,
    hasPreviousPage: after !== undefined,
    countAll,
  }
}

interface PageInfo {
  hasNextPage: boolean
  hasPreviousPage: boolean
  startCursor: string | null
  endCursor: string | null
}

const PageInfoType = builder.pageInfoRef()

type BuilderTypes = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer Types> ? Types : never

/** The types `<Name>Connection` and `<Name>Edge`, of a list newest first or one that has cursors of its own. */
export function connectionType<Row extends KeysetRow>(
  name: string,
  node: ObjectRef<BuilderTypes, Row>,
  cursorOf: (row: Row) => string = encodeCursor,
) {
  return connectionTypeOf<Row, Row>(name, node, cursorOf)
}

/** Of a list whose rows know more than its nodes do, as their place in it. */
export function connectionTypeOf<Node, Row extends Node>(
  name: string,
  node: ObjectRef<BuilderTypes, Node>,
  cursorOf: (row: Row) => string,
) {
  const Edge = builder.objectRef<Row>(`${name}Edge`).implement({
    fields: t => ({
      node: t.field({ type: node, resolve: row => row as never }),
      cursor: t.string({ resolve: cursorOf }),
    }),
  })
  return builder.objectRef<Connection<Row>>(`${name}Connection`).implement({
    fields: t => ({
      edges: t.field({ type: [Edge], resolve: connection => connection.rows }),
      nodes: t.field({ type: [node], resolve: connection => connection.rows as never }),
      pageInfo: t.field({
        type: PageInfoType,
        resolve: ({ rows, hasNextPage, hasPreviousPage }): PageInfo => {
          const [start, end] = [rows[0], rows.at(-1)]
          return {
            hasNextPage,
            hasPreviousPage,
            startCursor: start ? cursorOf(start) : null,
            endCursor: end ? cursorOf(end) : null,
          }
        },
      }),
      totalCount: t.int({ resolve: connection => connection.countAll() }),
    }),
  })
}
