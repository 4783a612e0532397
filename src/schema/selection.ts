import type { FieldNode, GraphQLResolveInfo, SelectionSetNode } from 'graphql'

/** By the field's node, which a document that is kept keeps. */
const known = new WeakMap<FieldNode, Map<string, boolean>>()

/**
 * Whether a field of this name is selected anywhere below the one that is being resolved: so that a large column is read only
 * for whoever wants it. May say yes where a directive leaves it out or another type is meant; never no where it is wanted.
 */
export function selects({ fieldNodes, fragments }: GraphQLResolveInfo, name: string): boolean {
  return fieldNodes.some(node => {
    const answers = known.get(node) ?? new Map<string, boolean>()
    known.set(node, answers)
    const answer = answers.get(name) ?? isBelow(node.selectionSet)
    answers.set(name, answer)
    return answer
  })

  function isBelow(selections: SelectionSetNode | undefined): boolean {
    return (selections?.selections ?? []).some(selection => {
      switch (selection.kind) {
        case 'Field':
          return selection.name.value === name || isBelow(selection.selectionSet)
        case 'InlineFragment':
          return isBelow(selection.selectionSet)
        case 'FragmentSpread':
          return isBelow(fragments[selection.name.value]?.selectionSet)
      }
      return false
    })
  }
}
