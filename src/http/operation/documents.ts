import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import { literalPaths } from '../literal-path.ts'
import { compileCost } from './operation-cost.ts'
import { badRequest, Refused, refusal } from './refused.ts'
import { countGenerations, hasOwnDeadline, rootFields } from './root-fields.ts'
import { checkShape, type ShapeLimits } from './shape-limits.ts'
import { checkTokens } from './token-limits.ts'

/** One operation of a document that may be executed, and what is known of it once and for all. */
export interface KnownOperation {
  /** Another one for each operation that has been examined: who compares by it needs no text. */
  readonly id: number
  readonly document: DocumentNode
  readonly node: OperationDefinitionNode
  readonly name: string | undefined
  readonly type: 'query' | 'mutation' | 'subscription'
  /** Its kind and its field, `query viewer`: names of the schema alone, so that few of them exist. */
  readonly label: string
  /** What it may cost with these variables. */
  readonly cost: (variables: Readonly<Record<string, unknown>>) => number
  /** How many of its fields ask for a generation. */
  readonly generations: number
  /** Whether one of its fields may wait for as long as it says itself. */
  readonly ownDeadline: boolean
  /** Whether it asks for nothing but the schema's own names: it is answered without a look at who asks. */
  readonly ofSchemaAlone: boolean
}

/** Many times the operations of a product's frontends; what strangers send can push them out, and costs them a parse each. */
const MAX_DOCUMENTS = 2000
/** Characters of all of them; a document takes some thirty bytes for each. */
const MAX_CHARACTERS = 2_000_000

export interface DocumentOptions extends ShapeLimits {
  schema: GraphQLSchema
  /** Whether clients may ask for the schema, and are told which name they may have meant. */
  introspection: boolean
}

/**
 * Documents that have been parsed, validated and found within the limits, by their text; those that were refused too, so that a
 * client that repeats a bad one costs a look-up. Nothing in it belongs to a principal.
 */
export class Documents {
  readonly #schema: GraphQLSchema
  readonly #limits: ShapeLimits
  readonly #rules
  readonly #introspection: boolean
  readonly #known = new LRUCache<string, KnownDocument | Refused>({
    max: MAX_DOCUMENTS,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_, text) => text.length + 1,
  })

  constructor({ schema, introspection, ...limits }: DocumentOptions) {
    this.#schema = schema
    this.#limits = limits
    this.#introspection = introspection
    this.#rules = introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule]
  }

  /** @throws Refused */
  find(text: string): KnownDocument {
    let found = this.#known.get(text)
    if (found === undefined) {
      found = this.#examine(text)
      this.#known.set(text, found)
    }
    if (found instanceof Refused) throw found
    return found
  }

  #examine(text: string): KnownDocument | Refused {
    try {
      const document = this.#parse(text)
      const errors = validate(this.#schema, document, this.#rules)
      if (errors.length > 0) return this.#invalid(document, errors)
      checkShape(document, this.#limits)
      return new KnownDocument(this.#schema, document)
    } catch (error) {
      if (error instanceof Refused) return error
      throw error
    }
  }

  #parse(text: string): DocumentNode {
    try {
      checkTokens(text, this.#limits.maxTokens)
      return parse(text)
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error
      throw new Refused([refusal('GRAPHQL_PARSE_FAILED', error.message, AT_FAULT, placeOf(error))])
    }
  }

  #invalid(document: DocumentNode, errors: readonly GraphQLError[]): Refused {
    const paths = literalPaths(document, errors)
    return new Refused(
      errors.map(error => {
        const path = paths.get(error)
        const message = this.#introspection ? error.message : withoutSuggestion(error.message)
        return refusal(
          'GRAPHQL_VALIDATION_FAILED',
          path === undefined ? message : `${path}: ${message}`,
          AT_FAULT,
          placeOf(error),
        )
      }),
    )
  }
}

const AT_FAULT = { status: 400, spec: true }

function placeOf({ nodes, source, positions }: GraphQLError) {
  return { nodes: nodes ?? null, source: source ?? null, positions: positions ?? null }
}

/** What graphql-js adds to a name that it does not know, where one of the schema is near. */
export function withoutSuggestion(message: string): string {
  return message.replace(/ Did you mean .*\?$/, '')
}

let examined = 0

export class KnownDocument {
  readonly #operations: readonly KnownOperation[]

  constructor(schema: GraphQLSchema, document: DocumentNode) {
    this.#operations = document.definitions.flatMap(node => {
      if (node.kind !== Kind.OPERATION_DEFINITION) return []
      const fields = rootFields(document, node)
      const generations = countGenerations(schema, node, fields)
      return [
        {
          id: ++examined,
          document,
          node,
          name: node.name?.value,
          type: node.operation,
          label: `${node.operation} ${fields.length === 1 ? fields[0]?.name.value : 'several'}`,
          cost: compileCost(schema, document, node),
          generations,
          ownDeadline: generations > 0 || hasOwnDeadline(schema, node, fields),
          ofSchemaAlone: fields.every(({ name }) => name.value.startsWith('__')),
        },
      ]
    })
  }

  /** The operation of that name, or the only one. @throws Refused */
  choose(name: string | undefined): KnownOperation {
    const [only, another] = this.#operations
    if (name === undefined && only && !another) return only
    const found = this.#operations.find(operation => operation.name === name && name !== undefined)
    if (found) return found
    throw badRequest(
      name === undefined
        ? 'The document holds several operations: say in operationName which one to execute.'
        : 'The document holds no operation with the name in operationName.',
    )
  }
}
