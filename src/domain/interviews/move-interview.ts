import type { Jobs } from '../../coordination/jobs.ts'
import { changeInterviewStatus } from '../../database/interview-changes.ts'
import { type InterviewRow, lockInterviews } from '../../database/interviews.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import { INTERVIEW_PROMPT_QUEUE, type InterviewPromptJob } from './enhance-interview.ts'
import { type InvalidTransition, mayBecome } from './interview-status.ts'

export type MoveInterviewOutcome =
  | { type: 'moved'; interview: InterviewRow }
  /** There is none, or it is another user's. */
  | { type: 'not-found' }
  | InvalidTransition

export interface MoveInterviewOptions {
  transaction: RunTransaction
  jobs: Jobs
  eventsCommitted: () => void
}

/** What an interview's owner does with it: starts it, completes it, has its prompt tried again. */
export class MoveInterview {
  readonly #options: MoveInterviewOptions

  constructor(options: MoveInterviewOptions) {
    this.#options = options
  }

  /** Of two at once that want the same, one has its way and the other is told how it stands then. */
  execute(request: {
    userId: string
    interviewId: string
    to: 'IN_PROGRESS' | 'COMPLETED' | 'ENHANCING'
  }): Promise<MoveInterviewOutcome> {
    const { userId, interviewId, to } = request
    const { transaction, jobs, eventsCommitted } = this.#options
    return transaction('interviews-move', async transaction => {
      const [interview] = await lockInterviews(transaction, [interviewId])
      if (interview?.userId !== userId) return { type: 'not-found' }
      if (!mayBecome(interview.status, to)) return { type: 'invalid-transition', from: interview.status, to }
      const [moved] = await changeInterviewStatus(transaction, [{ interviewId, to, reason: null }])
      if (!moved) throw new Error('a locked interview is gone')
      if (to === 'ENHANCING' && moved.enhancer === 'GATEWAY')
        await jobs.enqueue(transaction, INTERVIEW_PROMPT_QUEUE, {
          interviewId,
          version: moved.statusVersion,
        } satisfies InterviewPromptJob)
      transaction.afterCommit(eventsCommitted)
      return { type: 'moved', interview: moved }
    })
  }
}
