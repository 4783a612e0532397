import { ChangeFeed, PAGE_SIZE } from '../../coordination/change-feed.ts'
import type { ChangeWakes } from '../../coordination/change-wakes.ts'
import type { Jobs } from '../../coordination/jobs.ts'
import type { RunOnce } from '../../coordination/run-once.ts'
import type { DatabaseClient } from '../../database/client.ts'
import {
  type ChangesRequest,
  findChangesAfter,
  INTERVIEW_TOPIC,
  type InterviewChangeRow,
} from '../../database/interview-changes.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { InterviewPromptGenerator, Passage } from '../../providers/interview-prompt.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { CreateInterview } from './create-interview.ts'
import { DeadlineWatch } from './deadline-watch.ts'
import { DeliverPrompts } from './deliver-prompts.ts'
import { EnhanceInterview, INTERVIEW_PROMPT_QUEUE, MAX_PROMPTS_AT_ONCE } from './enhance-interview.ts'
import { FailInterview } from './fail-interview.ts'
import { MoveInterview } from './move-interview.ts'

export interface InterviewsOptions {
  db: DatabaseClient
  transaction: RunTransaction
  runOnce: RunOnce
  jobs: Jobs
  changes: ChangeWakes
  generator: InterviewPromptGenerator
  findPassages: (collection: string, topic: string) => Promise<Passage[]>
  deadlineMs: number
  eventsCommitted: () => void
  clock: Clock
  logger: Logger
  metrics: Metrics
}

/** The keys of the feed: changes of one interview by version, or of all of a user's interviews by position. */
export const interviewFeedKey = {
  ofInterview: (id: string) => `interview ${id}`,
  ofUser: (id: string) => `user ${id}`,
} as const

export interface Interviews {
  readonly createInterview: CreateInterview
  readonly moveInterview: MoveInterview
  readonly deliverPrompts: DeliverPrompts
  readonly feed: ChangeFeed<InterviewChangeRow>
  /** Ends every subscription and the watch. */
  close(): Promise<void>
}

/** The interviews of an instance, at work: their jobs, their deadlines, their feed. */
export async function startInterviews(options: InterviewsOptions): Promise<Interviews> {
  const { db, jobs, changes, clock, logger } = options
  const failInterview = new FailInterview(options)
  const feed = new ChangeFeed<InterviewChangeRow>({
    name: 'interviews',
    read: requests => findChangesAfter(db, requests.map(changesRequest), PAGE_SIZE),
    // By version or by position, as the key asks.
    cursorOf: (row, key) => (key.startsWith('interview ') ? row.version : row.position),
    clock,
    logger,
  })
  changes.listen(INTERVIEW_TOPIC, {
    wake(ids) {
      const [interviewId = '', userId = ''] = ids.split(' ')
      feed.wake(interviewFeedKey.ofInterview(interviewId))
      feed.wake(interviewFeedKey.ofUser(userId))
    },
    wakeAll: () => feed.wakeAll(),
  })
  const enhance = new EnhanceInterview({ ...options, failInterview })
  await jobs.work(INTERVIEW_PROMPT_QUEUE, enhance.run, { concurrency: MAX_PROMPTS_AT_ONCE })
  const deadlineWatch = new DeadlineWatch(options)
  deadlineWatch.start()
  return {
    createInterview: new CreateInterview(options),
    moveInterview: new MoveInterview(options),
    deliverPrompts: new DeliverPrompts({ ...options, failInterview }),
    feed,
    async close() {
      feed.close()
      await deadlineWatch.close()
    },
  }
}

function changesRequest({ key, after }: { key: string; after: number }): ChangesRequest {
  const [of, id = ''] = key.split(' ')
  return { of: of === 'user' ? 'user' : 'interview', id, after }
}
