import {
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isSpecifiedScalarType,
  isUnionType,
  astFromValue,
  print,
} from 'graphql'

export interface SchemaComparison {
  /** Coordinates of what the contract has and the schema has not. Nothing is listed below what is missing itself. */
  missing: string[]
  /** What both have and is not the same, or what the schema asks for beyond the contract. */
  differences: string[]
}

/**
 * Holds a schema against a contract that it must contain and may add to. Coordinates are `Type`, `Type.field`,
 * `Type.field(arg:)`, `Input.field`, `Union | Member`, `Enum.VALUE` and `Type implements Interface`.
 */
export function compareSchemas(contract: GraphQLSchema, schema: GraphQLSchema): SchemaComparison {
  const found: SchemaComparison = { missing: [], differences: [] }
  for (const [what, root] of [
    ['query', (of: GraphQLSchema) => of.getQueryType()],
    ['mutation', (of: GraphQLSchema) => of.getMutationType()],
    ['subscription', (of: GraphQLSchema) => of.getSubscriptionType()],
  ] as const) {
    const [expected, actual] = [root(contract), root(schema)]
    if (expected && actual) same(found, what, 'type', expected.name, actual.name)
  }
  for (const expected of Object.values(contract.getTypeMap())) {
    if (expected.name.startsWith('__') || isSpecifiedScalarType(expected)) continue
    const actual = schema.getType(expected.name)
    if (!actual) found.missing.push(expected.name)
    else compareTypes(found, expected, actual)
  }
  return found
}

function compareTypes(found: SchemaComparison, expected: GraphQLNamedType, actual: GraphQLNamedType): void {
  const { name } = expected
  if (!same(found, name, 'kind', kindOf(expected), kindOf(actual))) return
  sameDescription(found, name, expected, actual)
  if (isEnumType(expected) && isEnumType(actual)) {
    each(found, expected.getValues(), value => `${name}.${value.name}`, value => actual.getValue(value.name))
  } else if (isUnionType(expected) && isUnionType(actual)) {
    const members = new Set(actual.getTypes().map(member => member.name))
    for (const member of expected.getTypes()) {
      if (!members.has(member.name)) found.missing.push(`${name} | ${member.name}`)
    }
  } else if (isInputObjectType(expected) && isInputObjectType(actual)) {
    const fields = Object.values(expected.getFields())
    each(found, fields, field => `${name}.${field.name}`, field => actual.getFields()[field.name], compareInputs)
    for (const field of Object.values(actual.getFields())) {
      if (isRequiredInputField(field) && !expected.getFields()[field.name])
        found.differences.push(`${name}.${field.name}: required, and not in the contract`)
    }
  } else if (
    (isObjectType(expected) && isObjectType(actual)) ||
    (isInterfaceType(expected) && isInterfaceType(actual))
  ) {
    compareFields(found, expected, actual)
  }
}

type WithFields = Extract<GraphQLNamedType, { getInterfaces(): unknown }>

function compareFields(found: SchemaComparison, expected: WithFields, actual: WithFields): void {
  const { name } = expected
  const interfaces = new Set(actual.getInterfaces().map(implemented => implemented.name))
  for (const implemented of expected.getInterfaces()) {
    if (!interfaces.has(implemented.name)) found.missing.push(`${name} implements ${implemented.name}`)
  }
  const fields = Object.values(expected.getFields())
  const actualFields = actual.getFields()
  each(found, fields, field => `${name}.${field.name}`, field => actualFields[field.name], (coordinate, field, its) => {
    same(found, coordinate, 'type', String(field.type), String(its.type))
    const argument = (of: string) => `${coordinate}(${of}:)`
    each(
      found,
      field.args,
      ({ name }) => argument(name),
      ({ name }) => its.args.find(other => other.name === name),
      compareInputs,
    )
    for (const other of its.args) {
      if (isRequiredArgument(other) && !field.args.some(({ name }) => name === other.name))
        found.differences.push(`${argument(other.name)}: required, and not in the contract`)
    }
  })

}

function compareInputs(
  this: SchemaComparison,
  coordinate: string,
  expected: GraphQLArgument | GraphQLInputField,
  actual: GraphQLArgument | GraphQLInputField,
): void {
  same(this, coordinate, 'type', String(expected.type), String(actual.type))
  same(this, coordinate, 'default', defaultOf(expected), defaultOf(actual))
}
