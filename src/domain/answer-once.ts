import type { Queryable } from '../database/client.ts'
import { findKeptAnswer, type IdempotencyClaim, keepAnswer } from '../database/idempotency.ts'
import { type FieldIssue, plainText } from './field-issues.ts'

export const IdempotencyKey = plainText({ min: 1, max: 128 })

/** What is wrong with a key that a client sent; nothing where it sent none. */
export function idempotencyKeyIssues(key: string | null): FieldIssue[] {
  const parsed = IdempotencyKey.nullable().safeParse(key)
  return parsed.success
    ? []
    : [{ path: ['input', 'idempotencyKey'], message: parsed.error.issues[0]?.message ?? '' }]
}

/** No client's key begins so. */
const TAKEN_KEY = '\u0001input'

/**
 * Makes a key that of this input for 24 hours, whatever becomes of it: of different inputs at once, on whatever instances, one goes
 * on and has its effect. Called before the first effect and after what refuses the input; inside a transaction it is undone with it.
 * @param beginning what all who bring the same input begin with
 * @returns what the first of them brought; undefined where the key came with another input
 */
export async function takeKey<Beginning>(
  db: Queryable,
  claim: IdempotencyClaim | null,
  beginning: Beginning,
): Promise<Beginning | undefined> {
  if (!claim) return beginning
  const kept = await keepAnswer<Beginning>(db, { ...claim, key: `${TAKEN_KEY} ${claim.key}` }, beginning)
  return kept.type === 'kept' ? kept.answer : undefined
}

/** Asked under the lease of a run: what the same request, sent twice, has made between our look at the key and the lease. */
export async function madeUnder<Answer>(
  db: Queryable,
  claim: IdempotencyClaim | null,
): Promise<Answer | undefined> {
  const kept = claim ? await findKeptAnswer<Answer>(db, claim) : undefined
  return kept?.type === 'kept' ? kept.answer : undefined
}

/**
 * The answer of a mutation that may carry an idempotency key: within 24 hours the same key and input get the same answer
 * on every instance; of two at once both get the first. Another input under the same key is refused.
 */
export async function answerOnce<Kept, Outcome>(
  db: Queryable,
  claim: IdempotencyClaim | null,
  steps: {
    /** Takes the key and does the work; what it stores under `claim` in its own transaction survives a crash right after it. */
    anew: () => Promise<Outcome>
    /** What is kept of an outcome; undefined for one that may end otherwise next time. */
    keep: (outcome: Outcome) => Kept | undefined
    replay: (kept: Kept) => Promise<Outcome>
  },
): Promise<Outcome | { type: 'idempotency-key-reused' }> {
  if (!claim) return steps.anew()
  const before = await findKeptAnswer<Kept>(db, claim)
  if (before.type === 'reused') return { type: 'idempotency-key-reused' }
  if (before.type === 'kept') return steps.replay(before.answer)
  const outcome = await steps.anew()
  const toKeep = steps.keep(outcome)
  if (toKeep === undefined) return outcome
  const kept = await keepAnswer<Kept>(db, claim, toKeep)
  return kept.type === 'reused' ? { type: 'idempotency-key-reused' } : steps.replay(kept.answer)
}
