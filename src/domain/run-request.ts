import { z } from 'zod'
import { UnresumableError } from '../coordination/run-once.ts'
import { type IdempotencyClaim, keepAnswer } from '../database/idempotency.ts'
import type { Transaction } from '../database/transaction.ts'
import type { JsonValue } from '../shared/json.ts'

/** What a use case stores with the lease of a run, so that the run can be described again where nobody is left who asked for it. */

/** The idempotency key that the run was asked for with: its answer is kept under it, whoever makes it. */
export const RunClaim = z.object({ key: z.string(), fingerprint: z.string() }).nullable()

export const runClaimOf = (claim: IdempotencyClaim | null): z.infer<typeof RunClaim> =>
  claim && { key: claim.key, fingerprint: claim.fingerprint }

const Claimed = z.object({ claim: RunClaim })

/** The key that a run which is taken over was asked for with; what cannot be read here promises nothing that can be kept. */
export function claimToTakeUp(request: JsonValue, userId: string): IdempotencyClaim | null {
  const claim = Claimed.safeParse(request).data?.claim
  return claim ? { ...claim, userId } : null
}

/**
 * Keeps the answer under the key of who makes the run, as it is told there, and under that of who began it, who was told to
 * wait: FRESH was told to somebody else.
 */
export async function keepAnswers<Answer extends { source: string }>(
  transaction: Transaction,
  claims: { own: IdempotencyClaim | null; takenUp: IdempotencyClaim | null },
  answer: Answer,
): Promise<void> {
  const { own, takenUp } = claims
  if (own) await keepAnswer<Answer>(transaction, own, answer)
  if (takenUp && takenUp.key !== own?.key)
    await keepAnswer(transaction, takenUp, { ...answer, source: 'JOINED' })
}

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
