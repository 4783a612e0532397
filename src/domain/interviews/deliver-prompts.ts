import type { Queryable } from '../../database/client.ts'
import { changeInterviewStatus, type StatusChange } from '../../database/interview-changes.ts'
import {
  findDelivered,
  findPromptsByInterviewIds,
  insertDeliveries,
  insertPrompts,
  type MessageOf,
  type NewPrompt,
} from '../../database/interview-prompts.ts'
import { type InterviewRow, lockInterviews } from '../../database/interviews.ts'
import { mayPass } from '../../database/postgres-errors.ts'
import type { RunTransaction, Transaction } from '../../database/transaction.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { FailInterview } from './fail-interview.ts'
import { type InvalidTransition, mayBecome } from './interview-status.ts'

/** What somebody outside sends for an interview: its prompt, or why there is none. */
export type Delivery = MessageOf &
  ({ type: 'prompt'; text: string; source: string } | { type: 'failure'; reason: string })

export type DeliveryOutcome =
  /** The interview is READY with the prompt, or FAILED with the reason. */
  | { type: 'applied'; interview: InterviewRow }
  /** The interview had taken this message before; nothing has changed. */
  | { type: 'duplicate'; interview: InterviewRow }
  | { type: 'not-found' }
  | InvalidTransition

export interface DeliverPromptsOptions {
  db: Queryable
  transaction: RunTransaction
  failInterview: FailInterview
  eventsCommitted: () => void
  logger: Logger
  metrics: Metrics
}

/** What the owner of an interview reads when its prompt could not be stored. */
const NOT_STORED = 'The prompt could not be stored. Retry the interview.'

/**
 * Prompt and status in one step: for each delivery the prompt is stored and its interview READY, or neither. An interview
 * takes one prompt, the first; a message that it has taken changes nothing when it comes again. Any number of deliveries
 * go into one transaction, each with its own outcome.
 */
export class DeliverPrompts {
  readonly #options: DeliverPromptsOptions

  constructor(options: DeliverPromptsOptions) {
    this.#options = options
  }

  /**
   * In the order given. @throws what may pass, such as a database that is away, with nothing stored of any delivery: all
   * of them should be tried again.
   * @throws what the database refuses, with nothing stored. Of several each should be tried alone; of a single one its
   * interview has FAILED.
   */
  async execute(deliveries: readonly Delivery[]): Promise<DeliveryOutcome[]> {
    const { transaction, metrics, eventsCommitted, logger, failInterview } = this.#options
    const stopTimer = metrics.ragDuration.startTimer()
    try {
      const outcomes = await transaction('prompts-deliver', async transaction => {
        transaction.afterCommit(eventsCommitted)
        return applyDeliveries(transaction, deliveries)
      })
      metrics.ragSuccess.inc(outcomes.filter(({ type }) => type === 'applied').length)
      return outcomes
    } catch (error) {
      metrics.ragRollback.inc()
      const [only, ...others] = deliveries
      // Which of many it was is not known; alone, the others pass.
      if (mayPass(error) || !only || others.length > 0) throw error
      metrics.ragFailure.inc()
      logger.error({ err: error, interview: only.interviewId }, 'a prompt could not be stored')
      // Should this fail too, the deadline watch finds the interview.
      await failInterview.execute(only.interviewId, NOT_STORED).catch(() => {})
      throw error
    } finally {
      stopTimer()
    }
  }
}

async function applyDeliveries(
  transaction: Transaction,
  deliveries: readonly Delivery[],
): Promise<DeliveryOutcome[]> {
  const ids = [...new Set(deliveries.map(({ interviewId }) => interviewId))]
  const interviewById = new Map((await lockInterviews(transaction, ids)).map(row => [row.id, row]))
  const known = deliveries.filter(({ interviewId }) => interviewById.has(interviewId))
  const taken = new Set((await findDelivered(transaction, known)).map(nameOf))

  const accepted: Delivery[] = []
  const judge = (delivery: Delivery): DeliveryOutcome['type'] => {
    const interview = interviewById.get(delivery.interviewId)
    if (!interview) return 'not-found'
    if (taken.has(nameOf(delivery))) return 'duplicate'
    const to = delivery.type === 'prompt' ? 'READY' : 'FAILED'
    if (!mayBecome(interview.status, to)) return 'invalid-transition'
    // What comes behind it in the same batch finds the interview as this one leaves it.
    interviewById.set(interview.id, { ...interview, status: to })
    taken.add(nameOf(delivery))
    accepted.push(delivery)
    return 'applied'
  }
  const before = deliveries.map(delivery => {
    const status = interviewById.get(delivery.interviewId)?.status
    return { delivery, status, type: judge(delivery) }
  })
  if (accepted.length > 0) {
    await insertDeliveries(transaction, accepted.map(messageOf))
    await storePrompts(
      transaction,
      accepted.flatMap(delivery =>
        delivery.type === 'prompt'
          ? { interviewId: delivery.interviewId, text: delivery.text, source: delivery.source, metadata: {} }
          : [],
      ),
      accepted.flatMap(delivery =>
        delivery.type === 'failure'
          ? { interviewId: delivery.interviewId, to: 'FAILED', reason: delivery.reason }
          : [],
      ),
    ).then(changed => {
      for (const interview of changed) interviewById.set(interview.id, interview)
    })
  }
  return before.map(({ delivery, status, type }): DeliveryOutcome => {
    const interview = interviewById.get(delivery.interviewId)
    if (!interview || !status) return { type: 'not-found' }
    if (type === 'invalid-transition')
      return { type, from: status, to: delivery.type === 'prompt' ? 'READY' : 'FAILED' }
    return { type: type === 'applied' ? 'applied' : 'duplicate', interview }
  })
}

/** The prompts, and READY for their interviews, which the transaction has locked. @returns the interviews that changed. */
async function storePrompts(
  transaction: Transaction,
  prompts: readonly NewPrompt[],
  others: readonly StatusChange[],
): Promise<InterviewRow[]> {
  if (prompts.length > 0) await insertPrompts(transaction, prompts)
  const ready = prompts.map(({ interviewId }): StatusChange => ({ interviewId, to: 'READY', reason: null }))
  return changeInterviewStatus(transaction, [...ready, ...others])
}

export type OwnPromptOutcome =
  | { type: 'stored'; promptId: string }
  /** Another prompt was first: an interview has one. */
  | { type: 'had-one'; promptId: string }
  | { type: 'not-waiting' }

/** The same step for a prompt that the gateway has made itself, inside the transaction that commits its run. */
export async function storeOwnPrompt(transaction: Transaction, prompt: NewPrompt): Promise<OwnPromptOutcome> {
  const [interview] = await lockInterviews(transaction, [prompt.interviewId])
  const [stored] = await findPromptsByInterviewIds(transaction, [prompt.interviewId])
  if (stored) return { type: 'had-one', promptId: stored.id }
  if (!interview || !mayBecome(interview.status, 'READY')) return { type: 'not-waiting' }
  const [inserted] = await insertPrompts(transaction, [prompt])
  if (!inserted) throw new Error('an insert returned no row')
  await changeInterviewStatus(transaction, [{ interviewId: interview.id, to: 'READY', reason: null }])
  return { type: 'stored', promptId: inserted.id }
}

function messageOf({ interviewId, messageId }: MessageOf): MessageOf {
  return { interviewId, messageId }
}

function nameOf({ interviewId, messageId }: MessageOf): string {
  return `${interviewId} ${messageId}`
}
