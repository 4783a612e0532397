import { z } from 'zod'
import { UnresumableError } from '../coordination/run-once.ts'
import type { IdempotencyClaim } from '../database/idempotency.ts'
import type { JsonValue } from '../shared/json.ts'

/** What a use case stores with the lease of a run, so that the run can be described again where nobody is left who asked for it. */

/** The idempotency key that the run was asked for with: its answer is kept under it, whoever makes it. */
export const RunClaim = z.object({ key: z.string(), fingerprint: z.string() }).nullable()

export const runClaimOf = (claim: IdempotencyClaim | null): z.infer<typeof RunClaim> =>
  claim && { key: claim.key, fingerprint: claim.fingerprint }

/** An instant, as JSON has it. */
export const RunInstant = z.iso.datetime().transform(instant => new Date(instant))

/** @throws UnresumableError where it was written by a version that says it in another way */
export function readRunRequest<Form extends z.ZodType>(form: Form, request: JsonValue): z.infer<Form> {
  const parsed = form.safeParse(request)
  if (parsed.success) return parsed.data
  throw new UnresumableError('The generation was interrupted and cannot be continued.', {
    byOthers: true,
    cause: parsed.error,
  })
}
