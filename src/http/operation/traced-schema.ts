import { MapperKind, mapSchema } from '@graphql-tools/utils'
import { defaultFieldResolver, type GraphQLSchema } from 'graphql'
import type { Tracing } from '../../shared/tracing.ts'

/** A schema whose resolvers are spans, but for those that only hand out what an object already holds. The original stays as it is. */
export function tracedSchema(schema: GraphQLSchema, tracing: Tracing): GraphQLSchema {
  return mapSchema(schema, {
    [MapperKind.OBJECT_FIELD](field, fieldName, typeName) {
      const { resolve, extensions } = field
      if (!resolve || resolve === defaultFieldResolver || extensions?.pothosExposedField) return undefined
      const name = `${typeName}.${fieldName}`
      return {
        ...field,
        resolve: (source, args, context, info) =>
          tracing.span(name, { attributes: { 'graphql.field': name } }, () =>
            resolve(source, args, context, info),
          ),
      }
    },
  })
}
