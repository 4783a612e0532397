import SchemaBuilder from '@pothos/core'
import RelayPlugin, { resolveNodes } from '@pothos/plugin-relay'
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
    // Below: who asks is looked at before what is asked for, and an id that is refused is named as the client did.
    nodeQueryOptions: false,
    nodesQueryOptions: false,
  },
})

builder.queryType({
  fields: t => ({
    node: t.field({
      type: builder.nodeInterfaceRef(),
      nullable: true,
      args: { id: t.arg.id() },
      resolve: async (_root, { id }, context, info) => {
        requireViewer(context)
        const [node] = await resolveNodes(builder, context, info, [decodeGlobalId(id)])
        return node as never
      },
    }),
    nodes: t.field({
      type: [builder.nodeInterfaceRef()],
      nullable: { list: false, items: true },
      args: { ids: t.arg.idList() },
      resolve: (_root, { ids }, context, info) => {
        requireViewer(context)
        if (ids.length > MAX_NODES) throw badUserInput(`ids: expected at most ${MAX_NODES}`)
        const decoded = ids.map((id, index) => decodeGlobalId(id, `ids.${index}`))
        return resolveNodes(builder, context, info, decoded) as never
      },
    }),
  }),
})
builder.mutationType()
builder.subscriptionType()
