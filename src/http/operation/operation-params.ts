import { badRequest } from './refused.ts'

/** What a client sends to have an operation executed. */
export interface OperationParams {
  readonly query: string | undefined
  readonly operationName: string | undefined
  readonly variables: Readonly<Record<string, unknown>> | undefined
  readonly extensions: Readonly<Record<string, unknown>> | undefined
  /** Of a document that is known here, instead of `query`. */
  readonly documentId: string | undefined
}

const KNOWN = new Set(['query', 'operationName', 'variables', 'extensions', 'documentId'])

/** Reads what has been parsed from a body, an address or a message. @throws Refused that names what does not fit */
export function readParams(sent: unknown): OperationParams {
  if (Array.isArray(sent)) throw badRequest('Batching is not supported: send each operation by itself.')
  if (!isObject(sent)) throw badRequest(`Expected an object that holds the operation, not ${kindOf(sent)}.`)
  for (const name in sent)
    if (!KNOWN.has(name) && sent[name] != null)
      throw badRequest(
        `${name}: no such parameter; expected query, operationName, variables, extensions or documentId`,
      )
  const { query, operationName, variables, extensions, documentId } = sent
  return {
    query: string('query', query),
    operationName: string('operationName', operationName),
    variables: object('variables', variables),
    extensions: object('extensions', extensions),
    documentId: string('documentId', documentId),
  }
}

function string(name: string, value: unknown): string | undefined {
  if (value == null) return undefined
  if (typeof value !== 'string') throw badRequest(`${name}: expected a string, not ${kindOf(value)}`)
  return value
}

function object(name: string, value: unknown): Record<string, unknown> | undefined {
  if (value == null) return undefined
  if (!isObject(value)) throw badRequest(`${name}: expected an object, not ${kindOf(value)}`)
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}
