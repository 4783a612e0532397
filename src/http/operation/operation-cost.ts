import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  type VariableDefinitionNode,
} from 'graphql'
import { MAX_PAGE_SIZE } from '../../schema/connection.ts'

type Variables = Readonly<Record<string, unknown>>
type Definitions = ReadonlyMap<string, VariableDefinitionNode>
/** One request's look at a cost: a fragment that is spread often is counted once. */
interface Request {
  readonly variables: Variables
  readonly known: Map<object, number>
}
/** Known as soon as the document is, or only with the variables. */
type Cost = number | ((request: Request) => number)

/** What a write is worth in reads: a transaction with several statements and an fsync. */
const MUTATION_COST = 10
/** A list whose length no argument bounds. In this schema such lists hold a handful: insights, plans of an analysis, stats. */
const ASSUMED_LIST_SIZE = 5
/** Describing a type costs no read; the whole schema once is within the limit, three times is not. */
const INTROSPECTION_WEIGHT = 0.03

/**
 * What an operation may cost, before anything of it is executed: 1 for each object that it may give, lists at the size that
 * `first` or the number of `ids` allows, nested lists multiplied; 10 more for each mutation; a field may set another price in
 * the schema, as `extensions.cost`. Scalars are free: they come with their object.
 * Of the document everything is worked out once; only sizes that come in variables are looked up for each request.
 */
export function compileCost(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): (variables: Variables) => number {
  const root = schema.getRootType(operation.operation)
  if (!root) return () => 0
  const definitions = new Map(operation.variableDefinitions?.map(node => [node.variable.name.value, node]))
  const sizes = new Map<string, Cost>()
  /** By the page that it is spread in too: that is how long a connection's lists are. Each is worked out once, however often it is spread. */
  const costsByFragment = new Map<string, Map<Cost | undefined, Cost>>()
  const own = operation.operation === 'mutation' ? MUTATION_COST : 1

  const ofSelections = (
    { selections }: SelectionSetNode,
    type: GraphQLCompositeType,
    pageSize: Cost | undefined,
    isRoot = false,
  ): Cost => {
    let sum: Cost = 0
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) sum = add(sum, ofField(selection, type, pageSize, isRoot))
      else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const { typeCondition } = selection
        const inner = typeCondition ? schema.getType(typeCondition.name.value) : type
        if (isCompositeType(inner))
          sum = add(sum, ofSelections(selection.selectionSet, inner, pageSize, isRoot))
      } else sum = add(sum, ofFragment(selection.name.value, pageSize, isRoot))
    }
    return sum
  }

  const ofFragment = (name: string, pageSize: Cost | undefined, isRoot: boolean): Cost => {
    const costs = costsByFragment.get(name) ?? new Map<Cost | undefined, Cost>()
    costsByFragment.set(name, costs)
    let cost = costs.get(pageSize)
    if (cost === undefined) {
      const fragment = document.definitions.find(
        definition => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === name,
      )
      if (fragment?.kind !== Kind.FRAGMENT_DEFINITION) return 0
      const type = schema.getType(fragment.typeCondition.name.value)
      cost = once(isCompositeType(type) ? ofSelections(fragment.selectionSet, type, pageSize, isRoot) : 0)
      costs.set(pageSize, cost)
    }
    return cost
  }

  const ofField = (
    node: FieldNode,
    parent: GraphQLCompositeType,
    pageSize: Cost | undefined,
    isRoot: boolean,
  ): Cost => {
    const field = fieldOf(schema, parent, node.name.value)
    if (!field) return 0
    const type = getNamedType(field.type)
    const declared = field.extensions.cost
    const price = typeof declared === 'number' ? declared : isRoot ? own : 1
    if (!isCompositeType(type)) return isRoot || declared !== undefined ? price : 0
    const first = field.args.find(({ name }) => name === 'first')
    const asked = first && sizeOf(argument(node, 'first'), first.defaultValue, { definitions, sizes })
    const inner = node.selectionSet
      ? ofSelections(node.selectionSet, type, isPage(type) ? (asked ?? ASSUMED_LIST_SIZE) : undefined)
      : 0
    const each = multiply(
      add(price, inner),
      field === SchemaMetaFieldDef || field === TypeMetaFieldDef ? INTROSPECTION_WEIGHT : 1,
    )
    if (!isList(field)) return each
    const size = pageSize ?? asked ?? lengthOf(argument(node, 'ids'), definitions) ?? listSize(schema, node)
    return multiply(each, size)
  }

  const cost = ofSelections(operation.selectionSet, root, undefined, true)
  return typeof cost === 'number' ? () => cost : variables => cost({ variables, known: new Map() })
}

function fieldOf(
  schema: GraphQLSchema,
  parent: GraphQLCompositeType,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  if (parent === schema.getQueryType()) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef
  }
  return isObjectType(parent) || (isAbstractType(parent) && 'getFields' in parent)
    ? parent.getFields()[name]
    : undefined
}

function isList(field: GraphQLField<unknown, unknown>): boolean {
  return isListType(getNullableType(field.type))
}

/** A page of a Relay connection: its lists are as long as `first` allows. */
function isPage(type: GraphQLCompositeType): boolean {
  return isObjectType(type) && type.name.endsWith('Connection') && 'pageInfo' in type.getFields()
}

function argument(node: FieldNode, name: string): ArgumentNode | undefined {
  return node.arguments?.find(argument => argument.name.value === name)
}

function listSize(schema: GraphQLSchema, { name }: FieldNode): number {
  // Of the schema itself.
  return name.value === 'types' ? Object.keys(schema.getTypeMap()).length : ASSUMED_LIST_SIZE
}

/** As many as a page may have at most: what asks for more is refused by its field. */
function sizeOf(
  argument: ArgumentNode | undefined,
  otherwise: unknown,
  { definitions, sizes }: { definitions: Definitions; sizes: Map<string, Cost> },
): Cost {
  const fallback = pageSize(otherwise) ?? ASSUMED_LIST_SIZE
  if (!argument) return fallback
  const { value } = argument
  if (value.kind === Kind.INT) return pageSize(Number(value.value)) ?? fallback
  if (value.kind !== Kind.VARIABLE) return fallback
  const name = value.name.value
  const given = definitions.get(name)?.defaultValue
  const variableDefault = (given?.kind === Kind.INT ? pageSize(Number(given.value)) : undefined) ?? fallback
  const key = `${name} ${variableDefault}`
  // One for each variable: fragments know by it that they have been worked out, or each would be as often as it is spread, level upon level.
  const size = sizes.get(key) ?? (({ variables }) => pageSize(variables[name]) ?? variableDefault)
  sizes.set(key, size)
  return size
}

function pageSize(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value)
    ? Math.min(Math.max(1, value), MAX_PAGE_SIZE)
    : undefined
}

function lengthOf(argument: ArgumentNode | undefined, definitions: Definitions): Cost | undefined {
  if (!argument) return undefined
  const { value } = argument
  if (value.kind === Kind.LIST) return Math.min(value.values.length, MAX_PAGE_SIZE)
  if (value.kind !== Kind.VARIABLE) return 1
  const name = value.name.value
  const given = definitions.get(name)?.defaultValue
  const otherwise = given?.kind === Kind.LIST ? Math.min(given.values.length, MAX_PAGE_SIZE) : 1
  return ({ variables }) => {
    const given = variables[name]
    if (given === undefined) return otherwise
    return Array.isArray(given) ? Math.min(given.length, MAX_PAGE_SIZE) : 1
  }
}

function add(a: Cost, b: Cost): Cost {
  if (typeof a === 'number') {
    if (typeof b === 'number') return a + b
    return a === 0 ? b : request => a + b(request)
  }
  if (typeof b === 'number') return b === 0 ? a : request => a(request) + b
  return request => a(request) + b(request)
}

function multiply(a: Cost, b: Cost): Cost {
  if (typeof a === 'number') {
    if (typeof b === 'number') return a * b
    return request => a * b(request)
  }
  return typeof b === 'number' ? request => a(request) * b : request => a(request) * b(request)
}

function once(cost: Cost): Cost {
  if (typeof cost === 'number') return cost
  return request => {
    let known = request.known.get(cost)
    if (known === undefined) {
      known = cost(request)
      request.known.set(cost, known)
    }
    return known
  }
}
