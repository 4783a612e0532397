import { badUserInput } from './context.ts'

/** Every type with global ids, and so every type that `node` finds. */
export const nodeTypes = [
  'User',
  'Analysis',
  'Insight',
  'Generation',
  'Plan',
  'Interview',
  'EnhancedPrompt',
  'Conversation',
  'Message',
  'MemoryFact',
  'CollectiveFact',
] as const
export type NodeType = (typeof nodeTypes)[number]

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Of a UTF-16 unit. */
const MAX_UTF8_BYTES = 3
/** Every id of an answer goes through it: allocating for each takes longer than encoding. */
const scratch = Buffer.alloc(256)

export function encodeGlobalId(typename: string, id: string | number | bigint): string {
  const text = `${typename}:${id}`
  if (text.length * MAX_UTF8_BYTES > scratch.length) return Buffer.from(text).toString('base64url')
  return scratch.toString('base64url', 0, scratch.write(text))
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

/** The id of an object of one type. @throws GraphQLError BAD_USER_INPUT that names the argument, for any other id. */
export function decodeIdOf(type: NodeType, globalId: string, argument = 'id'): string {
  const { typename, id } = decodeGlobalId(globalId, argument)
  if (typename === type) return id
  throw badUserInput(`${argument}: expected the id of ${/^[AEIOU]/.test(type) ? 'an' : 'a'} ${type}`)
}

/** As others know our objects: by the raw id, as in events and messages, or by the id that the API gives. */
export function parseForeignId(type: NodeType, text: string): string | undefined {
  if (UUID.test(text)) return text
  const [typename, id] = Buffer.from(text, 'base64url').toString().split(':')
  return typename === type && id && UUID.test(id) && encodeGlobalId(type, id) === text ? id : undefined
}
