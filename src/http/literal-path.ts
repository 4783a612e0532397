import { type ASTNode, type DocumentNode, type GraphQLError, type ValueNode, visit } from 'graphql'

/**
 * Where in the arguments each error lies that is about a value written in the document itself: `input.waitMs`,
 * `points.0.metric`, `$days` for a variable's default. graphql-js names the place of what comes in variables only.
 * Errors about anything else are left out.
 */
export function literalPaths(
  document: DocumentNode,
  errors: readonly GraphQLError[],
): ReadonlyMap<GraphQLError, string> {
  const wanted = new Set<ASTNode>(errors.flatMap(({ nodes }) => nodes ?? []))
  const pathByNode = new Map<ASTNode, string>()
  const note = (node: ASTNode, path: string) => {
    if (wanted.has(node)) pathByNode.set(node, path)
  }
  const walk = (value: ValueNode, path: string) => {
    note(value, path)
    if (value.kind === 'ListValue') for (const [i, item] of value.values.entries()) walk(item, `${path}.${i}`)
    if (value.kind === 'ObjectValue')
      for (const field of value.fields) {
        const fieldPath = `${path}.${field.name.value}`
        note(field, fieldPath)
        note(field.name, fieldPath)
        walk(field.value, fieldPath)
      }
  }
  visit(document, {
    Argument({ name, value }) {
      walk(value, name.value)
      return false
    },
    VariableDefinition({ variable, defaultValue }) {
      if (defaultValue) walk(defaultValue, `$${variable.name.value}`)
      return false
    },
  })
  return new Map(
    errors.flatMap(error => {
      const path = error.nodes?.map(node => pathByNode.get(node)).find(found => found !== undefined)
      return path === undefined ? [] : [[error, path] as const]
    }),
  )
}
