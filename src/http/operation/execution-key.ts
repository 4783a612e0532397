import type { Principal } from '../../domain/users/resolve-user.ts'
import type { KnownOperation } from './documents.ts'

/** Of variables, and of as many values; more cost more to compare than is saved where nobody sends the same. */
const MAX_CHARACTERS = 1000

const principalKeys = new WeakMap<Principal, string>()

/**
 * The same for queries whose answers are the same at any one moment: who asks and with which roles, the operation, and its variables
 * in whatever order they were sent; within each the order counts, since an error quotes it. Nothing else of a request may decide
 * about the answer to a query.
 * @returns undefined for an operation that is executed by itself: what changes something, what waits for as long as it says itself,
 * what asks for nothing of anybody, and what has long variables
 */
export function executionKey(
  { type, ownDeadline, ofSchemaAlone, id }: KnownOperation,
  principal: Principal | undefined,
  variables: Readonly<Record<string, unknown>>,
): string | undefined {
  if (type !== 'query' || ownDeadline || ofSchemaAlone) return undefined
  const budget = { left: MAX_CHARACTERS }
  const sent = objectText(variables, budget, { sorted: true })
  return budget.left < 0 ? undefined : `${id} ${sent} ${principal ? keyOf(principal) : ''}`
}

/** All that the token says of its bearer, whatever comes to be added to it; a token that comes again brings the same object. */
function keyOf(principal: Principal): string {
  let key = principalKeys.get(principal)
  if (key === undefined) {
    key = JSON.stringify(principal)
    principalKeys.set(principal, key)
  }
  return key
}

/** JSON, but for the commas. With a budget that is overdrawn it is not whole. */
function textOf(value: unknown, budget: { left: number }): string {
  if (--budget.left < 0) return ''
  if (typeof value === 'string') return quoted(value, budget)
  if (typeof value !== 'object' || value === null) return String(value)
  if (!Array.isArray(value)) return objectText(value, budget, { sorted: false })
  let items = ''
  for (const item of value) {
    items += `${textOf(item, budget)},`
    if (budget.left < 0) break
  }
  return `[${items}]`
}

function objectText(value: object, budget: { left: number }, { sorted }: { sorted: boolean }): string {
  const names = Object.keys(value)
  if (names.length > budget.left) budget.left = -1
  else if (sorted && names.length > 1) names.sort()
  let fields = ''
  for (const name of names) {
    if (budget.left < 0) break
    fields += `${quoted(name, budget)}:${textOf((value as Record<string, unknown>)[name], budget)},`
  }
  return `{${fields}}`
}

function quoted(text: string, budget: { left: number }): string {
  budget.left -= text.length
  return budget.left < 0 ? '' : JSON.stringify(text)
}
