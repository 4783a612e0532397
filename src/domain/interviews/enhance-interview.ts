import { z } from 'zod'
import type { JobHandler } from '../../coordination/jobs.ts'
import { NO_REVISION } from '../../coordination/lease.ts'
import {
  type ResumableRun,
  type RunOnce,
  type RunSpec,
  UnresumableError,
} from '../../coordination/run-once.ts'
import type { Queryable } from '../../database/client.ts'
import { findPromptsByInterviewIds } from '../../database/interview-prompts.ts'
import { findInterviewsByIds, type InterviewRow } from '../../database/interviews.ts'
import { GenerationError } from '../../providers/generator.ts'
import type {
  InterviewPromptDraft,
  InterviewPromptGenerator,
  InterviewPromptInput,
  Passage,
} from '../../providers/interview-prompt.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { readRunRequest } from '../run-request.ts'
import { storeOwnPrompt } from './deliver-prompts.ts'
import type { FailInterview } from './fail-interview.ts'

/** The queue of interviews whose prompt the gateway makes. */
export const INTERVIEW_PROMPT_QUEUE = 'interview-prompt'
/** Prompts that an instance makes at once; each holds a call of the provider. */
export const MAX_PROMPTS_AT_ONCE = 8

export interface InterviewPromptJob {
  interviewId: string
  /** The version in which the interview became ENHANCING. */
  version: number
}

const KIND = 'INTERVIEW_PROMPT'
/** As the source of a prompt names who made it. */
const SOURCE = 'gateway'

export interface EnhanceInterviewOptions {
  db: Queryable
  runOnce: RunOnce
  generator: InterviewPromptGenerator
  /** What a collection has to say about a topic, the best first. */
  findPassages: (collection: string, topic: string) => Promise<Passage[]>
  failInterview: FailInterview
  eventsCommitted: () => void
  logger: Logger
  metrics: Metrics
}

const Request = z.object({ interviewId: z.uuid() })

/** The provider failed, and may not the next time. */
class TryAgainError extends Error {}

/**
 * Makes an interview's prompt, as a durable job and through run-once: a job that is run twice, by whichever instances,
 * makes one prompt. Ends with the interview READY or FAILED; where it cannot tell, it throws and is run again.
 */
export class EnhanceInterview {
  readonly #options: EnhanceInterviewOptions

  constructor(options: EnhanceInterviewOptions) {
    this.#options = options
    options.runOnce.resumes(KIND, run => this.#describeAgain(run))
  }

  readonly run: JobHandler<InterviewPromptJob> = async ({ interviewId, version }, { signal, lastTry }) => {
    const { db, runOnce, failInterview, logger } = this.#options
    const [interview] = await findInterviewsByIds(db, [interviewId])
    // A retry has a job of its own; this one's failures are none of that one's.
    if (interview?.status !== 'ENHANCING' || interview.statusVersion !== version) return
    const outcome = await runOnce.request(this.#describe(interview), {
      joinsAnyRun: true,
      waitMs: null,
      signal,
    })
    if (outcome.type !== 'failed') return
    if (outcome.retryable && !lastTry) throw new TryAgainError(outcome.message)
    logger.warn({ interview: interviewId, reason: outcome.message }, 'an interview got no prompt')
    await failInterview.execute(interviewId, outcome.message, version)
  }

  /** The job of a lost instance runs again later, and then joins this run or finds the prompt. */
  async #describeAgain({ userId, request }: ResumableRun) {
    const { db } = this.#options
    const { interviewId } = readRunRequest(Request, request)
    const [interview] = await findInterviewsByIds(db, [interviewId])
    if (interview?.userId !== userId) throw new UnresumableError('The interview is gone.')
    const [stored] = await findPromptsByInterviewIds(db, [interviewId])
    if (interview.status !== 'ENHANCING' && !stored)
      throw new UnresumableError('The interview no longer waits for a prompt.')
    return this.#describe(interview)
  }

  /** The result is the prompt's id: who asked finds the interview READY. */
  #describe(interview: InterviewRow): RunSpec<InterviewPromptInput, InterviewPromptDraft, string> {
    const { db, generator, findPassages, eventsCommitted, metrics } = this.#options
    const { id: interviewId, userId, topic, context, collection } = interview
    const findStored = async () => (await findPromptsByInterviewIds(db, [interviewId]))[0]?.id
    return {
      subject: { key: `${KIND}:${userId}:${interviewId}`, kind: KIND, userId, archetype: null },

      request: () => ({ interviewId }),

      async find() {
        const stored = await findStored()
        return stored
          ? { type: 'serves', result: stored, source: 'RECENT' }
          : { type: 'wanted', needsRevision: NO_REVISION }
      },

      async findAgain() {
        const stored = await findStored()
        // Of no run, where somebody outside has sent it.
        return stored === undefined
          ? undefined
          : { result: stored, resultId: stored, inputRevision: 0, runId: interviewId }
      },

      async collect() {
        const passages = collection === null ? [] : await findPassages(collection, topic)
        return { inputs: { topic, context, passages }, inputRevision: 0 }
      },

      generate: (input, generation) => generator.generateInterviewPrompt(input, generation),

      store: draft => async transaction => {
        const stopTimer = metrics.ragDuration.startTimer()
        try {
          const { text, metadata } = draft
          const outcome = await storeOwnPrompt(transaction, { interviewId, text, source: SOURCE, metadata })
          // For good, but for a retry that comes before the run has ended: it shares the run, and then needs another.
          if (outcome.type === 'not-waiting')
            throw new GenerationError('The interview no longer waits for a prompt.', { retryable: true })
          transaction.afterCommit(() => {
            if (outcome.type === 'stored') metrics.ragSuccess.inc()
            eventsCommitted()
          })
          return outcome.promptId
        } catch (error) {
          metrics.ragRollback.inc()
          if (!(error instanceof GenerationError)) metrics.ragFailure.inc()
          throw error
        } finally {
          stopTimer()
        }
      },

      load: async promptId => promptId,
    }
  }
}
