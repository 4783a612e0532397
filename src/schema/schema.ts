import { assertObjectType, lexicographicSortSchema, printSchema } from 'graphql'
import { builder } from './builder.ts'
import { encodeGlobalId, nodeTypes } from './global-id.ts'
import './scalars.ts'
import './errors.ts'
import './user.ts'
import './delete-viewer.ts'
import './analysis.ts'
import './data-point.ts'
import './generation.ts'
import './request-analysis.ts'
import './plan.ts'
import './generate-plan.ts'
import './interview.ts'
import './create-interview.ts'
import './move-interview.ts'
import './deliver-prompt.ts'
import './interview-subscription.ts'
import './operations.ts'
import './conversation.ts'
import './save-conversation.ts'
import './memory.ts'
import './send-message.ts'
import './preferences.ts'
import './stats.ts'
import './account.ts'
import './sync-account.ts'
import './registration.ts'
import './session.ts'
import './fact.ts'
import './contribute-fact.ts'
import './fact-subscription.ts'
import './collection.ts'
import './ingest-documents.ts'

export const schema = builder.toSchema({ sortSchema: false })

// The plugin's own resolver makes a promise of each id, and a page has a hundred of them.
for (const name of nodeTypes) {
  const { id } = assertObjectType(schema.getType(name)).getFields()
  if (!id) throw new Error(`${name} has no id`)
  id.resolve = (row: { id: string }) => encodeGlobalId(name, row.id)
}

/** The schema as schema.graphql has it: sorted, so that a change shows as a change. */
export function printGatewaySchema(): string {
  return `# Printed from src/schema by \`npm run generate\`; do not edit.\n\n${printSchema(lexicographicSortSchema(schema))}\n`
}
