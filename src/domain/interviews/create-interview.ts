import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Jobs } from '../../coordination/jobs.ts'
import type { DatabaseClient } from '../../database/client.ts'
import { type IdempotencyClaim, keepAnswer } from '../../database/idempotency.ts'
import { insertInterview } from '../../database/interview-changes.ts'
import { findInterviewsByIds, type InterviewEnhancer, type InterviewRow } from '../../database/interviews.ts'
import { isDatabaseAway } from '../../database/postgres-errors.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { Logger } from '../../shared/logger.ts'
import { answerOnce, idempotencyKeyIssues, takeKey } from '../answer-once.ts'
import { type FieldIssue, fieldIssues, longText, plainText } from '../field-issues.ts'
import { fingerprintOf } from '../fingerprint.ts'
import { INTERVIEW_PROMPT_QUEUE, type InterviewPromptJob } from './enhance-interview.ts'

export interface NewInterview {
  userId: string
  topic: string
  context: string | null
  collection: string | null
  enhancer: InterviewEnhancer
  idempotencyKey: string | null
}

export type CreateInterviewOutcome =
  | { type: 'created'; interview: InterviewRow }
  | { type: 'invalid-input'; issues: FieldIssue[] }
  | { type: 'idempotency-key-reused' }
  | { type: 'unavailable' }

export interface CreateInterviewOptions {
  db: DatabaseClient
  transaction: RunTransaction
  jobs: Jobs
  eventsCommitted: () => void
  logger: Logger
}

const Form = z.object({
  topic: plainText({ min: 1, max: 500 }).refine(
    topic => topic.trim() !== '',
    'expected more than white space',
  ),
  context: longText({ min: 0, max: 20_000 }).nullable(),
  collection: plainText({ min: 1, max: 128 }).nullable(),
})

/** An interview, and, where the gateway makes its prompt, the job that does it: both or neither. */
export class CreateInterview {
  readonly #options: CreateInterviewOptions

  constructor(options: CreateInterviewOptions) {
    this.#options = options
  }

  async execute(request: NewInterview): Promise<CreateInterviewOutcome> {
    try {
      return await this.#answer(request)
    } catch (error) {
      if (!isDatabaseAway(error)) throw error
      this.#options.logger.warn({ err: error }, 'an interview was asked for that cannot be had at the moment')
      return { type: 'unavailable' }
    }
  }

  async #answer(request: NewInterview): Promise<CreateInterviewOutcome> {
    const { db } = this.#options
    const { userId, topic, context, collection, enhancer, idempotencyKey } = request
    const form = Form.safeParse({ topic, context, collection })
    const issues = [
      ...(form.success ? [] : fieldIssues(form.error, ['input'])),
      ...idempotencyKeyIssues(idempotencyKey),
    ]
    if (issues.length > 0) return { type: 'invalid-input', issues }
    const fingerprint = fingerprintOf('createInterview', { topic, context, collection, enhancer })
    const claim = idempotencyKey === null ? null : { userId, key: idempotencyKey, fingerprint }
    return answerOnce<{ interviewId: string }, CreateInterviewOutcome>(db, claim, {
      anew: () => this.#create(request, claim),
      keep: outcome => (outcome.type === 'created' ? { interviewId: outcome.interview.id } : undefined),
      replay: async ({ interviewId }) => {
        const [interview] = await findInterviewsByIds(db, [interviewId])
        if (!interview) throw new Error('a stored interview is gone')
        return { type: 'created', interview }
      },
    })
  }

  async #create(request: NewInterview, claim: IdempotencyClaim | null): Promise<CreateInterviewOutcome> {
    const { transaction, jobs, eventsCommitted } = this.#options
    const id = randomUUID()
    return transaction('interviews-create', async transaction => {
      if (claim) {
        // Waits for whoever brought the same key first, and finds what that one made.
        if (!(await takeKey(transaction, claim, {}))) return { type: 'idempotency-key-reused' }
        const kept = await keepAnswer<{ interviewId: string }>(transaction, claim, { interviewId: id })
        if (kept.type === 'reused') return { type: 'idempotency-key-reused' }
        const first = kept.answer.interviewId
        const [interview] = first === id ? [] : await findInterviewsByIds(transaction, [first])
        if (interview) return { type: 'created', interview }
      }
      const interview = await insertInterview(transaction, { ...request, id })
      if (interview.enhancer === 'GATEWAY')
        await jobs.enqueue(transaction, INTERVIEW_PROMPT_QUEUE, {
          interviewId: id,
          version: interview.statusVersion,
        } satisfies InterviewPromptJob)
      transaction.afterCommit(eventsCommitted)
      return { type: 'created', interview }
    })
  }
}
