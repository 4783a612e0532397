import {
  astFromValue,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLInterfaceType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isSpecifiedScalarType,
  isUnionType,
  OperationTypeNode,
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
  const findings = new Findings()
  for (const operation of Object.values(OperationTypeNode)) {
    const [expected, actual] = [contract.getRootType(operation), schema.getRootType(operation)]
    if (expected && actual) findings.same(operation, 'type', expected.name, actual.name)
  }
  for (const expected of Object.values(contract.getTypeMap())) {
    if (expected.name.startsWith('__') || isSpecifiedScalarType(expected)) continue
    const actual = findings.present(expected.name, schema.getType(expected.name))
    if (actual) compareTypes(findings, expected, actual)
  }
  return findings
}

class Findings implements SchemaComparison {
  readonly missing: string[] = []
  readonly differences: string[] = []

  present<Thing>(coordinate: string, thing: Thing | null | undefined): Thing | undefined {
    if (thing) return thing
    this.missing.push(coordinate)
    return undefined
  }

  same(coordinate: string, what: string, expected: string | undefined, actual: string | undefined): void {
    if (expected !== actual)
      this.differences.push(`${coordinate}: ${what} is ${actual ?? 'none'}, expected ${expected ?? 'none'}`)
  }

  /** The schema may describe what the contract does not. */
  sameDescription(coordinate: string, expected: Described, actual: Described): void {
    if (expected.description)
      this.same(coordinate, 'description', quoted(expected.description), quoted(actual.description))
  }

  notRequired(coordinate: string, required: boolean): void {
    if (required) this.differences.push(`${coordinate}: required, and not in the contract`)
  }
}

interface Described {
  description?: string | null | undefined
}
const quoted = (text: string | null | undefined) => (text ? JSON.stringify(text) : undefined)

const kindOf = (type: GraphQLNamedType) => type.constructor.name

function compareTypes(findings: Findings, expected: GraphQLNamedType, actual: GraphQLNamedType): void {
  const { name } = expected
  findings.same(name, 'kind', kindOf(expected), kindOf(actual))
  findings.sameDescription(name, expected, actual)
  if (isEnumType(expected) && isEnumType(actual)) {
    for (const value of expected.getValues()) {
      const coordinate = `${name}.${value.name}`
      const its = findings.present(coordinate, actual.getValue(value.name))
      if (its) findings.sameDescription(coordinate, value, its)
    }
  } else if (isUnionType(expected) && isUnionType(actual)) {
    const members = actual.getTypes().map(member => member.name)
    for (const member of expected.getTypes())
      findings.present(`${name} | ${member.name}`, members.includes(member.name))
  } else if (isInputObjectType(expected) && isInputObjectType(actual)) {
    compareInputObjects(findings, expected, actual)
  } else if (isObjectType(expected) && isObjectType(actual)) {
    compareFields(findings, expected, actual)
  } else if (isInterfaceType(expected) && isInterfaceType(actual)) {
    compareFields(findings, expected, actual)
  }
}

function compareInputObjects(
  findings: Findings,
  expected: GraphQLInputObjectType,
  actual: GraphQLInputObjectType,
): void {
  const coordinate = (field: string) => `${expected.name}.${field}`
  const [fields, actualFields] = [expected.getFields(), actual.getFields()]
  for (const field of Object.values(fields)) {
    const its = findings.present(coordinate(field.name), actualFields[field.name])
    if (its) compareInputs(findings, coordinate(field.name), field, its)
  }
  for (const field of Object.values(actualFields))
    if (!fields[field.name]) findings.notRequired(coordinate(field.name), isRequiredInputField(field))
}

function compareFields<Type extends GraphQLObjectType | GraphQLInterfaceType>(
  findings: Findings,
  expected: Type,
  actual: Type,
): void {
  const interfaces = actual.getInterfaces().map(({ name }) => name)
  for (const { name } of expected.getInterfaces())
    findings.present(`${expected.name} implements ${name}`, interfaces.includes(name))
  for (const field of Object.values(expected.getFields())) {
    const coordinate = `${expected.name}.${field.name}`
    const its = findings.present(coordinate, actual.getFields()[field.name])
    if (!its) continue
    findings.same(coordinate, 'type', String(field.type), String(its.type))
    findings.sameDescription(coordinate, field, its)
    compareArguments(findings, coordinate, field.args, its.args)
  }
}

function compareArguments(
  findings: Findings,
  field: string,
  expected: readonly GraphQLArgument[],
  actual: readonly GraphQLArgument[],
): void {
  const coordinate = (argument: string) => `${field}(${argument}:)`
  const named = (list: readonly GraphQLArgument[], name: string) => list.find(one => one.name === name)
  for (const argument of expected) {
    const its = findings.present(coordinate(argument.name), named(actual, argument.name))
    if (its) compareInputs(findings, coordinate(argument.name), argument, its)
  }
  for (const argument of actual)
    if (!named(expected, argument.name))
      findings.notRequired(coordinate(argument.name), isRequiredArgument(argument))
}

type Input = GraphQLArgument | GraphQLInputField

function compareInputs(findings: Findings, coordinate: string, expected: Input, actual: Input): void {
  findings.same(coordinate, 'type', String(expected.type), String(actual.type))
  findings.same(coordinate, 'default', printedDefault(expected), printedDefault(actual))
  findings.sameDescription(coordinate, expected, actual)
}

function printedDefault({ defaultValue, type }: Input): string | undefined {
  const literal = defaultValue === undefined ? undefined : astFromValue(defaultValue, type)
  return literal ? print(literal) : undefined
}
