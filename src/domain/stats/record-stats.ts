import { z } from 'zod'
import type { Queryable } from '../../database/client.ts'
import { type StatsProvider, type StatsRow, upsertStats } from '../../database/stats.ts'
import type { JsonValue } from '../../shared/json.ts'
import { type FieldIssue, fieldIssues, plainText } from '../field-issues.ts'
import { jsonFault } from '../json-fault.ts'

export type RecordStatsOutcome =
  | { type: 'recorded'; stats: StatsRow }
  | { type: 'invalid-input'; issues: FieldIssue[] }

/** Several times the largest that the providers give. */
const MAX_DATA_BYTES = 256 * 1024

const Form = z.object({
  statsType: plainText({ min: 1, max: 64 }),
  data: z.custom<JsonValue>().superRefine((data, context) => {
    const message = jsonFault(data, MAX_DATA_BYTES)
    if (message) context.addIssue({ code: 'custom', message })
  }),
})

/** The newest figures of this type, whoever wrote them before: of several writers at once one is kept whole. */
export async function recordStats(
  db: Queryable,
  request: { userId: string; provider: StatsProvider; statsType: string; data: JsonValue },
): Promise<RecordStatsOutcome> {
  const form = Form.safeParse(request)
  if (!form.success) return { type: 'invalid-input', issues: fieldIssues(form.error, ['input']) }
  const { userId, provider } = request
  const [stats] = await upsertStats(db, userId, provider, [form.data])
  if (!stats) throw new Error('an upsert returned no row')
  return { type: 'recorded', stats }
}
