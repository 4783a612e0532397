import { badUserInput } from './context.ts'

/** Every type with global ids, and so every type that `node` finds. */
export const nodeTypes = ['User', 'Analysis', 'Insight', 'Generation', 'Plan'] as const
export type NodeType = (typeof nodeTypes)[number]

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function encodeGlobalId(typename: string, id: string | number | bigint): string {
  return Buffer.from(`${typename}:${id}`).toString('base64url')
}

/** @throws GraphQLError BAD_USER_INPUT that names the argument, for what no gateway ever gave out. */
export function decodeGlobalId(globalId: string, argument = 'id'): { typename: NodeType; id: string } {
  const text = Buffer.from(globalId, 'base64url').toString()
  const [typename, id, ...rest] = text.split(':')
  const known = nodeTypes.find(name => name === typename)
  if (!known || !id || rest.length > 0 || !UUID.test(id) || encodeGlobalId(known, id) !== globalId)
    throw badUserInput(`${argument}: expected the id of an object, as an answer of this API gave it`)
  return { typename: known, id }
}
