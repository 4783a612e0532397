import { type DocumentNode, Kind, type OperationDefinitionNode, type SelectionSetNode, visit } from 'graphql'
import { tooComplex } from './refused.ts'

/** What the text of a document may hold, whatever its variables are. */
export interface ShapeLimits {
  readonly maxTokens: number
  /** Levels of fields, those in fragments included. */
  readonly maxDepth: number
  /** Each is another execution of its field. Those in a fragment count as often as it is spread. */
  readonly maxAliases: number
  readonly maxRootFields: number
  readonly maxDirectives: number
}

interface Shape {
  depth: number
  aliases: number
  rootFields: number
}

/** Of a document that has been validated: its fragments are there, and none is in itself. @throws Refused */
export function checkShape(document: DocumentNode, limits: ShapeLimits): void {
  let directives = 0
  visit(document, {
    Directive() {
      directives++
    },
  })
  check('directives', directives, limits.maxDirectives)
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue
    const shape = shapeOf(document, definition)
    check('levels of fields', shape.depth, limits.maxDepth)
    check('aliases', shape.aliases, limits.maxAliases)
    check('fields at its root', shape.rootFields, limits.maxRootFields)
  }
}

function check(what: string, count: number, limit: number): void {
  if (count > limit)
    throw tooComplex(`The operation has ${count} ${what}; at most ${limit} are allowed.`, { limit })
}

/** In time that grows with the document's length: each fragment is looked at once, however often it is spread. */
function shapeOf(document: DocumentNode, operation: OperationDefinitionNode): Shape {
  const shapeByFragment = new Map<string, Shape>()
  const ofFragment = (name: string): Shape => {
    const known = shapeByFragment.get(name)
    if (known) return known
    const fragment = document.definitions.find(
      definition => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === name,
    )
    const shape =
      fragment?.kind === Kind.FRAGMENT_DEFINITION
        ? of(fragment.selectionSet)
        : { depth: 0, aliases: 0, rootFields: 0 }
    shapeByFragment.set(name, shape)
    return shape
  }
  const of = ({ selections }: SelectionSetNode): Shape => {
    const sum: Shape = { depth: 0, aliases: 0, rootFields: 0 }
    for (const selection of selections) {
      let inner: Shape
      if (selection.kind === Kind.FIELD) {
        const below = selection.selectionSet && of(selection.selectionSet)
        inner = {
          depth: 1 + (below?.depth ?? 0),
          aliases: (selection.alias ? 1 : 0) + (below?.aliases ?? 0),
          rootFields: 1,
        }
      } else if (selection.kind === Kind.INLINE_FRAGMENT) inner = of(selection.selectionSet)
      else inner = ofFragment(selection.name.value)
      sum.depth = Math.max(sum.depth, inner.depth)
      sum.aliases += inner.aliases
      sum.rootFields += inner.rootFields
    }
    return sum
  }
  return of(operation.selectionSet)
}
