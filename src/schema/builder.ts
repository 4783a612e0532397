import SchemaBuilder from '@pothos/core'
import RelayPlugin from '@pothos/plugin-relay'
import type { JsonValue } from '../shared/json.ts'
import { badUserInput, type Context, requireViewer } from './context.ts'
import { decodeGlobalId, encodeGlobalId } from './global-id.ts'

export interface SchemaTypes {
  Context: Context
  DefaultFieldNullability: false
  DefaultInputFieldRequiredness: true
  Scalars: {
    DateTime: { Input: Date; Output: Date }
    /** YYYY-MM-DD */
    Date: { Input: string; Output: string }
    JSON: { Input: JsonValue; Output: JsonValue }
    ID: { Input: string; Output: string }
  }
}

/** As many as the largest page of a list. */
const MAX_NODES = 100

export const builder = new SchemaBuilder<SchemaTypes>({
  defaultFieldNullability: false,
  defaultInputFieldRequiredness: true,
  plugins: [RelayPlugin],
  relay: {
    encodeGlobalID: encodeGlobalId,
    decodeGlobalID: globalId => decodeGlobalId(globalId),
    brandLoadedObjects: true,
    nodeQueryOptions: {
      resolve: (_root, args, context, _info, resolveNode) => {
        requireViewer(context)
        return resolveNode(args.id)
      },
    },
    nodesQueryOptions: {
      nullable: { list: false, items: true },
      resolve: (_root, args, context, _info, resolveNodes) => {
        requireViewer(context)
        if (args.ids.length > MAX_NODES) throw badUserInput(`ids: expected at most ${MAX_NODES}`)
        return resolveNodes(args.ids)
      },
    },
  },
})

builder.queryType()
builder.mutationType()
builder.subscriptionType()
