import { MapperKind, mapSchema } from '@graphql-tools/utils'
import { GraphQLNonNull, GraphQLScalarType, GraphQLSchema, isInterfaceType } from 'graphql'
import { encodeGlobalId } from '../../schema/global-id.ts'

/**
 * The schema for the compiler of queries, which makes a call with a description of its place for every field that has a resolver, and
 * none for one that is read off the row. A page has a hundred ids, so here each is a property, written as its type's scalar writes it.
 * For nothing else: to whoever looks at the schema, an id is an ID.
 */
export function compilableSchema(schema: GraphQLSchema): GraphQLSchema {
  const node = schema.getType('Node')
  if (!isInterfaceType(node)) return schema
  const idByType = new Map(
    schema.getPossibleTypes(node).map(({ name }) => [
      name,
      new GraphQLScalarType<string, string>({
        name: `${name}Id`,
        serialize: id => encodeGlobalId(name, id as string),
      }),
    ]),
  )
  const { types, ...config } = schema.toConfig()
  const withIds = new GraphQLSchema({ ...config, types: [...types, ...idByType.values()], assumeValid: true })
  return mapSchema(withIds, {
    [MapperKind.OBJECT_FIELD](field, fieldName, typeName) {
      const id = fieldName === 'id' ? idByType.get(typeName) : undefined
      if (!id) return undefined
      const { resolve: _, ...rest } = field
      return { ...rest, type: new GraphQLNonNull(id) }
    },
  })
}
