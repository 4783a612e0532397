import { GraphQLError } from 'graphql'
import type { InterviewChangeRow } from '../database/interview-changes.ts'
import { interviewFeedKey } from '../domain/interviews/interviews.ts'
import { builder } from './builder.ts'
import { badUserInput, type Context, lastSeen, requireViewer } from './context.ts'
import { filterRows, followAllInterviews } from './follow-interviews.ts'
import { decodeIdOf } from './global-id.ts'
import { InterviewStatusChange } from './interview.ts'
import { forgetLoaded } from './loaders.ts'

builder.subscriptionField('interviewStatusChanged', t =>
  t.field({
    type: InterviewStatusChange,
    description:
      "First the current status (or, with afterVersion, every change after it), then each change as it commits:\nin order, once each, whichever instance made it. Without an id: all of the viewer's interviews.",
    args: { interviewId: t.arg.id({ required: false }), afterVersion: t.arg.int({ required: false }) },
    subscribe: async (_root, { interviewId, afterVersion }, context) => {
      const viewer = requireViewer(context)
      const after = afterVersion ?? null
      if (after !== null && after < 0) throw badUserInput('afterVersion: expected 0 or more')
      return interviewId == null
        ? followAll(context, viewer.user.id, after)
        : followOne(context, viewer.user.id, decodeIdOf('Interview', interviewId, 'interviewId'), after)
    },
    resolve: ({ place, change }, _args, context) => {
      forgetLoaded(context)
      context.eventId = String(place)
      return change
    },
  }),
)

/** A change, and where a client that has seen it would go on. */
interface PlacedChange {
  place: number
  change: InterviewChangeRow
}

async function followOne(
  context: Context,
  userId: string,
  interviewId: string,
  afterVersion: number | null,
): Promise<AsyncIterableIterator<PlacedChange>> {
  const { interviewFeed } = context.services
  const interview = await context.loaders.interview.load(interviewId)
  if (interview?.userId !== userId)
    throw new GraphQLError('interviewId: no interview of yours has this id', {
      extensions: { code: 'NOT_FOUND' },
    })
  const after = lastSeen(context) ?? afterVersion ?? interview.statusVersion - 1
  const changes = interviewFeed.follow(interviewFeedKey.ofInterview(interviewId), after, context.signal)
  return placed(changes, change => change.version)
}

function followAll(
  context: Context,
  userId: string,
  afterVersion: number | null,
): AsyncIterableIterator<PlacedChange> {
  const { db, interviewFeed } = context.services
  const resumeAfter = lastSeen(context) ?? (afterVersion === null ? undefined : 0)
  const changes =
    resumeAfter === undefined
      ? followAllInterviews(db, interviewFeed, userId, context.signal)
      : interviewFeed.follow(interviewFeedKey.ofUser(userId), resumeAfter, context.signal)
  const wanted =
    afterVersion === null ? changes : filterRows(changes, ({ version }) => version > afterVersion)
  return placed(wanted, change => change.position)
}

function placed(
  changes: AsyncIterableIterator<InterviewChangeRow>,
  placeOf: (change: InterviewChangeRow) => number,
): AsyncIterableIterator<PlacedChange> {
  return {
    async next() {
      const { done, value } = await changes.next()
      return done
        ? { done, value: undefined }
        : { done: false, value: { place: placeOf(value), change: value } }
    },
    async return() {
      await changes.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
