import { buildSchema } from 'graphql'
import { expect, test } from 'vitest'
import { compareSchemas } from './compare-schemas.ts'

const CONTRACT = `
  "How a thing feels."
  scalar Mood
  interface Node { id: ID! }
  type Query {
    "One thing."
    thing(id: ID!, "At most so many." first: Int = 20): Thing
    things(filter: Filter): [Thing!]!
    anything: Any!
  }
  type Mutation { rename(input: RenameInput!): Boolean! }
  "A thing."
  type Thing implements Node { id: ID! name: String mood: Mood kind: Kind! }
  type Other { count: Int! }
  union Any = Thing | Other
  enum Kind { "Not large." SMALL LARGE }
  input Filter { "Begins with." name: String kinds: [Kind!] = [SMALL] }
  input RenameInput { id: ID! name: String! }
`
const compareWith = (...changes: [from: string, to: string][]) => {
  const changed = changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`${from} is not in the contract`)
    return text.replace(from, to)
  }, CONTRACT)
  return compareSchemas(buildSchema(CONTRACT), buildSchema(changed))
}

test('a schema contains itself', () => {
  expect(compareWith()).toEqual({ missing: [], differences: [] })
})

test.each<[what: string, from: string, to: string, missing: string]>([
  ['a type', 'type Other { count: Int! }\n  union Any = Thing | Other', 'union Any = Thing', 'Other'],
  ['a field', ' mood: Mood', '', 'Thing.mood'],
  ['a field of an interface', '{ id: ID! }\n', '{ name: String }\n', 'Node.id'],
  ['an argument', '(filter: Filter)', '', 'Query.things(filter:)'],
  ['an input field', ' name: String!', '', 'RenameInput.name'],
  ['a member of a union', ' | Other', '', 'Any | Other'],
  ['a value of an enum', ' LARGE', '', 'Kind.LARGE'],
  ['an interface', 'type Thing implements Node', 'type Thing', 'Thing implements Node'],
])('%s that is gone is missing', (_what, from, to, missing) => {
  expect(compareWith([from, to]).missing).toContain(missing)
})

test('what is missing is named once, and nothing below it is', () => {
  expect(compareWith(['thing(id: ID!, "At most so many." first: Int = 20): Thing', '']).missing).toEqual([
    'Query.thing',
  ])
  expect(compareWith(['type Mutation { rename(input: RenameInput!): Boolean! }', '']).missing).toEqual([
    'Mutation',
  ])
})

test.each<[what: string, from: string, to: string, difference: RegExp]>([
  ['a type of another kind', 'type Other { count', 'interface Other { count', /^Other: kind/],
  ['a field that may be null now', 'kind: Kind!', 'kind: Kind', /^Thing\.kind: type is Kind, expected Kind!/],
  ['a field that is never null now', 'name: String mood', 'name: String! mood', /^Thing\.name: type/],
  ['a field of another type', 'count: Int!', 'count: Float!', /^Other\.count: type/],
  ['a list of what may be null', '[Thing!]!', '[Thing]!', /^Query\.things: type/],
  ['an argument of another type', '(filter: Filter)', '(filter: Filter!)', /^Query\.things\(filter:\): type/],
  ['another default of an argument', 'Int = 20', 'Int = 10', /\(first:\): default is 10, expected 20/],
  ['a default of an argument that is gone', 'Int = 20', 'Int', /\(first:\): default is none, expected 20/],
  ['a default of an argument that is new', 'filter: Filter', 'filter: Filter = {}', /default is \{/],
  ['a required argument that is new', 'filter: Filter', 'filter: Filter, by: ID!', /\(by:\): required/],
  ['an input field of another type', 'kinds: [Kind!]', 'kinds: [Kind]', /^Filter\.kinds: type/],
  ['another default of an input field', '[SMALL]', '[LARGE]', /^Filter\.kinds: default is \[LARGE\]/],
  [
    'a required input field that is new',
    'input RenameInput {',
    'input RenameInput { by: ID!',
    /by: required/,
  ],
  ['another description of a type', '"A thing."', '"Something."', /^Thing: description is "Something\."/],
  ['another description of a field', '"One thing."', '', /^Query\.thing: description is none/],
  ['another description of an argument', '"At most so many."', '', /\(first:\): description/],
  ['another description of a value', '"Not large."', '"Tiny."', /^Kind\.SMALL: description/],
  ['another description of an input field', '"Begins with."', '', /^Filter\.name: description/],
  ['another description of a scalar', '"How a thing feels."', '', /^Mood: description/],
])('%s is a difference, and nothing else is', (_what, from, to, difference) => {
  const { missing, differences } = compareWith([from, to])
  expect(differences).toEqual([expect.stringMatching(difference)])
  expect(missing.filter(coordinate => !coordinate.startsWith('Other'))).toEqual([])
})

test('a root type under another name is a difference', () => {
  const schema = buildSchema(`schema { query: Question } ${CONTRACT} type Question { thing: Thing }`)
  expect(compareSchemas(buildSchema(CONTRACT), schema).differences).toContain(
    'query: type is Question, expected Query',
  )
})

test('a schema may add types, fields, arguments that may be left out, values, members and descriptions', () => {
  expect(
    compareWith(
      ['type Other {', 'type New { id: ID! }\n type Other implements Node { id: ID! "New." extra: String'],
      ['filter: Filter', '"Of these." filter: Filter, limit: Int! = 5, after: String'],
      ['input RenameInput {', 'input RenameInput { why: String, force: Boolean! = false '],
      [' LARGE', ' LARGE HUGE'],
      ['= Thing | Other', '= Thing | Other | New'],
    ),
  ).toEqual({ missing: [], differences: [] })
})
