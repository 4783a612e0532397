import {
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'

/** The fields that an operation begins with, those in fragments too. Of a document whose root fields have been counted before. */
export function rootFields(document: DocumentNode, operation: OperationDefinitionNode): FieldNode[] {
  const of = ({ selections }: SelectionSetNode): FieldNode[] =>
    selections.flatMap(selection => {
      if (selection.kind === Kind.FIELD) return [selection]
      if (selection.kind === Kind.INLINE_FRAGMENT) return of(selection.selectionSet)
      const fragment = document.definitions.find(
        definition =>
          definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === selection.name.value,
      )
      return fragment?.kind === Kind.FRAGMENT_DEFINITION ? of(fragment.selectionSet) : []
    })
  return of(operation.selectionSet)
}

/** How many generations it asks for: fields say in the schema that they do, as `extensions.generations`. */
export function countGenerations(
  schema: GraphQLSchema,
  { operation }: OperationDefinitionNode,
  fields: readonly FieldNode[],
): number {
  const known = schema.getRootType(operation)?.getFields()
  return fields.reduce((sum, { name }) => {
    const declared = known?.[name.value]?.extensions.generations
    return sum + (typeof declared === 'number' ? declared : 0)
  }, 0)
}

/** Whether a field has bounds of its own, which it says as `extensions.ownDeadline`. */
export function hasOwnDeadline(
  schema: GraphQLSchema,
  { operation }: OperationDefinitionNode,
  fields: readonly FieldNode[],
): boolean {
  const known = schema.getRootType(operation)?.getFields()
  return fields.some(({ name }) => known?.[name.value]?.extensions.ownDeadline === true)
}
