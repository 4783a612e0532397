import { jwtVerify } from 'jose'

/** What every peer is told, and nothing else: the database, the secret of tokens, the size of its one pool. */
export const DATABASE_URL = process.env.DATABASE_URL ?? ''
export const POOL_SIZE = 10
const SECRET = new TextEncoder().encode(process.env.JWT_SECRET)

export interface Principal {
  subject: string
  email: string
}

/** As the gateway verifies: HS256, an expiry, whose it is. Nobody is served without. */
export async function verify(authorization: string | null | undefined): Promise<Principal> {
  if (!authorization?.startsWith('Bearer ')) throw new Error('expected a token')
  const { payload } = await jwtVerify(authorization.slice(7), SECRET, {
    algorithms: ['HS256'],
    requiredClaims: ['exp', 'sub'],
  })
  return { subject: String(payload.sub), email: String(payload.email) }
}

/** Runs once, when it is first wanted: `{ __typename }` looks for no user. */
export function once<Value>(load: () => Promise<Value>): () => Promise<Value> {
  let loading: Promise<Value> | undefined
  return () => {
    loading ??= load()
    return loading
  }
}

export const globalId = (type: string, id: string) => Buffer.from(`${type}:${id}`).toString('base64url')
export const fromGlobalId = (id: string) =>
  Buffer.from(id, 'base64url').toString().split(':') as [string, string]
export const keysetCursor = (at: Date, id: string) =>
  Buffer.from(`${at.toISOString()} ${id}`).toString('base64url')
export const messageCursor = (seq: number) => Buffer.from(`message ${seq}`).toString('base64url')
export const seqOfCursor = (cursor: string | null | undefined) =>
  cursor ? Number(Buffer.from(cursor, 'base64url').toString().slice('message '.length)) : 0
/** As the gateway's DATA_POINT_THRESHOLD has it. */
export const THRESHOLD = 50

/** One row more than the page has tells whether there is a next one. */
export function page<Row>(rows: Row[], first: number, cursorOf: (row: Row) => string) {
  const nodes = rows.slice(0, first)
  const [start, end] = [nodes[0], nodes.at(-1)]
  return {
    nodes,
    pageInfo: {
      hasNextPage: rows.length > first,
      hasPreviousPage: false,
      startCursor: start ? cursorOf(start) : null,
      endCursor: end ? cursorOf(end) : null,
    },
  }
}
