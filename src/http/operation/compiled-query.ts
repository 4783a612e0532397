import {
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type FieldNode,
  GraphQLError,
  type GraphQLSchema,
  visit,
} from 'graphql'
import { compileQuery, isCompiledQuery } from 'graphql-jit'
import { LRUCache } from 'lru-cache'
import { compilableSchema } from './compilable-schema.ts'
import type { KnownOperation } from './documents.ts'

/** Compiling takes a millisecond: what a client sends once or twice is executed as it stands. */
const USES_BEFORE = 2
/** Of a few hundred kB each at most; a product's frontends have fewer. */
const MAX_COMPILED = 500

/** Asks for the schema, which must be the one that clients know. */
const INTROSPECTION = /__(?:schema|type)\b/
/** Names that objects have by themselves: as a variable the compiler would take them for sent, and as an alias put them last. */
const INHERITED = new RegExp(`\\b(?:__proto__|${Object.getOwnPropertyNames(Object.prototype).join('|')})\\b`)

/**
 * Executes queries, those that come again by code made for each of them. Answers are graphql-js' to the letter: where variables
 * do not fit, it says so itself, and errors of fields are made as it makes them. Mutations and what the compiler does not fit
 * are left to it.
 */
export class CompiledQueries {
  readonly #schema: GraphQLSchema
  readonly #compilable: GraphQLSchema
  readonly #known = new LRUCache<number, { uses: number; run: Run | undefined }>({ max: MAX_COMPILED })

  constructor(schema: GraphQLSchema) {
    this.#schema = schema
    this.#compilable = compilableSchema(schema)
  }

  async execute(operation: KnownOperation, args: ExecutionArgs): Promise<ExecutionResult> {
    // Long variables, of which each error would be told of.
    const run = args.options ? undefined : this.#find(operation)
    if (!run) return execute(args)
    const result = await run(args.contextValue, args.variableValues ?? {})
    if (!result.errors) return result
    // Nothing has been executed.
    if (!('data' in result)) return execute(args)
    return {
      errors: onePerNull(result.errors, result.data).map(error => asExecuted(error, operation)),
      data: result.data ?? null,
    }
  }

  /** Whether code has been made for it. */
  has({ id }: KnownOperation): boolean {
    return this.#known.peek(id)?.run !== undefined
  }

  #find(operation: KnownOperation): Run | undefined {
    if (operation.type !== 'query') return undefined
    let known = this.#known.get(operation.id)
    if (!known) {
      known = { uses: 0, run: undefined }
      this.#known.set(operation.id, known)
    }
    if (known.uses < USES_BEFORE) known.uses++
    else if (known.uses === USES_BEFORE) {
      known.uses++
      known.run = this.#compile(operation)
    }
    return known.run
  }

  #compile({ document, node }: KnownOperation): Run | undefined {
    const { loc } = node
    const text = loc?.source.body
    if (text === undefined || INHERITED.test(text) || mayJoinConditions(text)) return undefined
    const schema = INTROSPECTION.test(text) ? this.#schema : this.#compilable
    const compiled = compileQuery(schema, document, node.name?.value)
    if (!isCompiledQuery(compiled)) return undefined
    return (context, variables) => compiled.query(undefined, context, variables)
  }
}

/**
 * Directives and fragments in one document. The compiler keeps a field's conditions at its node, for all places that a fragment is
 * spread in together, and looks at the first spread alone: `...F @include(if: $a) ...F` would give nothing of F without $a.
 */
function mayJoinConditions(text: string): boolean {
  return text.includes('@') && text.includes('...')
}

type Run = (
  context: unknown,
  variables: { readonly [name: string]: unknown },
) => ExecutionResult | Promise<ExecutionResult>

/** Of what together made one place null, one is told: the first. The compiler tells all of it. */
function onePerNull(errors: readonly GraphQLError[], data: unknown): readonly GraphQLError[] {
  const told = new Set<string>()
  return errors.filter(({ path }) => {
    const place: (string | number)[] = []
    let value = data
    for (const step of path ?? []) {
      if (value === null || typeof value !== 'object') break
      place.push(step)
      value = (value as Record<string | number, unknown>)[step]
    }
    const key = JSON.stringify(place)
    if (told.has(key)) return false
    told.add(key)
    return true
  })
}

/** What the compiler says itself of what a client sent; all else that it says is a fault of ours, which graphql-js puts behind the error. */
const OF_ARGUMENT = /^Argument "/

/** The compiler's error knows where its field stands, and not the node there. */
function asExecuted(error: GraphQLError, operation: KnownOperation): GraphQLError {
  const { message, path, locations } = error
  const originalError = error.originalError ?? (OF_ARGUMENT.test(message) ? undefined : new Error(message))
  const fields = fieldsByPlace(operation)
  const nodes = (locations ?? []).flatMap(({ line, column }) => fields.get(`${line}:${column}`) ?? [])
  return new GraphQLError(message, { nodes, path: path ?? null, originalError: originalError ?? null })
}

const fieldsOf = new WeakMap<KnownOperation, Map<string, FieldNode>>()

function fieldsByPlace(operation: KnownOperation): Map<string, FieldNode> {
  let fields = fieldsOf.get(operation)
  if (!fields) {
    const found = new Map<string, FieldNode>()
    visit(operation.document, {
      Field: node => {
        const start = node.loc?.startToken
        if (start) found.set(`${start.line}:${start.column}`, node)
      },
    })
    fieldsOf.set(operation, found)
    fields = found
  }
  return fields
}
