import { changeInterviewStatus } from '../../database/interview-changes.ts'
import { lockInterviews } from '../../database/interviews.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import { mayBecome } from './interview-status.ts'

/** What an owner may be asked to read; what a sender says beyond it is cut off. */
export const MAX_REASON_LENGTH = 1000

/** Ends the wait of an interview that will get no prompt, in a transaction of its own. One that does not wait is left as it is. */
export class FailInterview {
  readonly #options: { transaction: RunTransaction; eventsCommitted: () => void }

  constructor(options: { transaction: RunTransaction; eventsCommitted: () => void }) {
    this.#options = options
  }

  /**
   * @param reason in words that the interview's owner may read
   * @param version of the wait that is meant; where the interview has been retried since, it waits for something else
   */
  async execute(interviewId: string, reason: string, version?: number): Promise<void> {
    const { transaction, eventsCommitted } = this.#options
    await transaction('interviews-fail', async transaction => {
      const [interview] = await lockInterviews(transaction, [interviewId])
      if (!interview || !mayBecome(interview.status, 'FAILED')) return
      if (version !== undefined && interview.statusVersion !== version) return
      await changeInterviewStatus(transaction, [
        { interviewId, to: 'FAILED', reason: reason.slice(0, MAX_REASON_LENGTH) },
      ])
      transaction.afterCommit(eventsCommitted)
    })
  }
}
