import { z } from 'zod'
import { insertDataPoints } from '../../database/data-points.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import { lockDataRevision, setDataRevision } from '../../database/users.ts'
import { type FieldIssue, fieldIssues, plainText } from '../field-issues.ts'

export const MAX_POINTS_PER_CALL = 10_000
/** A clock may run ahead by hours and a zone by most of a day; beyond that a date is a mistake. */
const MAX_FUTURE_MS = 86_400_000
const OLDEST = new Date('1970-01-01T00:00:00Z')

const Point = z.object({
  metric: z.string().regex(/^[a-z0-9_]{1,64}$/, 'expected 1 to 64 characters of a-z, 0-9 and _'),
  value: z.number('expected a finite number'),
  unit: plainText({ min: 0, max: 32 }).nullable(),
  recordedAt: z.date(),
  source: plainText({ min: 1, max: 64 }),
  externalId: plainText({ min: 1, max: 256 }),
})
export type DataPoint = z.infer<typeof Point>

const Points = z.array(Point).min(1, 'expected at least one point')

export type RecordDataPointsOutcome =
  | { type: 'recorded'; stored: number; duplicates: number }
  | { type: 'invalid-input'; issues: FieldIssue[] }

/**
 * Stores the points of a user that were not stored before, all or none. Calls of one user take their turn on the user's
 * row, and each that brings something new has a data revision of its own: what an analysis has read is a revision.
 */
export async function recordDataPoints(
  options: { transaction: RunTransaction; now: () => Date },
  userId: string,
  points: readonly DataPoint[],
): Promise<RecordDataPointsOutcome> {
  if (points.length > MAX_POINTS_PER_CALL) {
    const message = `expected at most ${MAX_POINTS_PER_CALL} points in one call, got ${points.length}`
    return { type: 'invalid-input', issues: [{ path: ['points'], message }] }
  }
  const latest = new Date(options.now().getTime() + MAX_FUTURE_MS)
  const parsed = Points.superRefine((list, context) => {
    for (const [index, { recordedAt }] of list.entries()) {
      if (recordedAt > latest)
        context.addIssue({
          code: 'custom',
          path: [index, 'recordedAt'],
          message: 'expected a time that is not more than a day ahead',
        })
      if (recordedAt < OLDEST)
        context.addIssue({
          code: 'custom',
          path: [index, 'recordedAt'],
          message: 'expected a time after 1970',
        })
    }
  }).safeParse(points)
  if (!parsed.success) return { type: 'invalid-input', issues: fieldIssues(parsed.error, ['points']) }

  const stored = await options.transaction('record-data-points', async transaction => {
    const revision = (await lockDataRevision(transaction, userId)) + 1
    const count = await insertDataPoints(transaction, userId, revision, parsed.data)
    if (count > 0) await setDataRevision(transaction, userId, revision)
    return count
  })
  return { type: 'recorded', stored, duplicates: points.length - stored }
}
