import { recordDataPoints } from '../domain/data-points/record-data-points.ts'
import { builder } from './builder.ts'
import { requireViewer } from './context.ts'
import { InvalidInputError, invalidInput } from './errors.ts'
import { forgetLoaded } from './loaders.ts'

const DataPointInput = builder.inputType('DataPointInput', {
  fields: t => ({
    metric: t.string({
      description: 'steps, sleep_hours, heart_rate, coding_seconds, …: 1 to 64 of a-z, 0-9 and _.',
    }),
    value: t.float(),
    unit: t.string({ required: false }),
    recordedAt: t.field({ type: 'DateTime' }),
    source: t.string(),
    externalId: t.string({
      description: "The source's own id: the same source and externalId is stored once.",
    }),
  }),
})

const RecordDataPointsPayload = builder
  .objectRef<{ __typename: 'RecordDataPointsPayload'; stored: number; duplicates: number }>(
    'RecordDataPointsPayload',
  )
  .implement({
    fields: t => ({
      stored: t.exposeInt('stored'),
      duplicates: t.exposeInt('duplicates'),
    }),
  })

const RecordDataPointsResult = builder.unionType('RecordDataPointsResult', {
  types: [RecordDataPointsPayload, InvalidInputError],
  resolveType: value => value.__typename,
})

builder.mutationField('recordDataPoints', t =>
  t.field({
    type: RecordDataPointsResult,
    args: { points: t.arg({ type: [DataPointInput] }) },
    resolve: async (_root, { points }, context) => {
      const viewer = requireViewer(context)
      const { transaction, now } = context.services
      const outcome = await recordDataPoints(
        { transaction, now },
        viewer.user.id,
        points.map(({ unit, ...point }) => ({ ...point, unit: unit ?? null })),
      )
      forgetLoaded(context)
      if (outcome.type === 'invalid-input') return invalidInput(outcome.issues)
      return {
        __typename: 'RecordDataPointsPayload' as const,
        stored: outcome.stored,
        duplicates: outcome.duplicates,
      }
    },
  }),
)
