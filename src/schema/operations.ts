import { findRunningGenerations } from '../database/generations.ts'
import type { ConsistencyFinding, ConsistencyReport } from '../domain/operations/run-consistency-check.ts'
import { builder } from './builder.ts'
import { requireRole } from './context.ts'
import { Generation } from './generation.ts'

/** More runs at once than the instances of one product have. */
const MAX_RUNNING = 1000
/** It reads every table. */
const CHECK_COST = 1000

const ConsistencyFindingType = builder.objectRef<ConsistencyFinding>('ConsistencyFinding').implement({
  fields: t => ({
    check: t.exposeString('check', {
      description:
        'e.g. orphaned_prompt, tracking_mismatch, duplicate_analysis, fact_count_mismatch, message_gap, cache_mismatch, stuck_interview',
    }),
    count: t.exposeInt('count'),
    sampleIds: t.exposeStringList('sampleIds'),
    repaired: t.exposeInt('repaired'),
  }),
})

const ConsistencyReportType = builder.objectRef<ConsistencyReport>('ConsistencyReport').implement({
  fields: t => ({
    checkedAt: t.expose('checkedAt', { type: 'DateTime' }),
    healthy: t.exposeBoolean('healthy', {
      description: 'Nothing was found, or all that was found is repaired.',
    }),
    findings: t.expose('findings', { type: [ConsistencyFindingType] }),
  }),
})

const Operations = builder.objectRef<object>('Operations').implement({
  fields: t => ({
    runningGenerations: t.field({
      type: [Generation],
      description: 'Runs in flight on every instance.',
      resolve: (_root, _args, context) => findRunningGenerations(context.services.db, MAX_RUNNING),
    }),
    consistency: t.field({
      type: ConsistencyReportType,
      extensions: { cost: CHECK_COST },
      resolve: (_root, _args, context) => context.services.runConsistencyCheck.execute({ repair: false }),
    }),
  }),
})

builder.queryField('operations', t =>
  t.field({
    type: Operations,
    description: "Operator's view. Requires the ADMIN role.",
    resolve: (_root, _args, context) => {
      requireRole(context, 'ADMIN')
      return {}
    },
  }),
)

builder.mutationField('runConsistencyCheck', t =>
  t.field({
    type: ConsistencyReportType,
    extensions: { cost: CHECK_COST, ownDeadline: true },
    description: 'Requires the ADMIN role.',
    args: { repair: t.arg.boolean({ defaultValue: false, required: false }) },
    resolve: (_root, { repair }, context) => {
      requireRole(context, 'ADMIN')
      return context.services.runConsistencyCheck.execute({ repair: repair ?? false })
    },
  }),
)
