import type { ChangeFeed } from '../coordination/change-feed.ts'
import type { Queryable } from '../database/client.ts'
import {
  findCurrentChanges,
  type InterviewChangeRow,
  readFeedPosition,
} from '../database/interview-changes.ts'
import { interviewFeedKey } from '../domain/interviews/interviews.ts'

/** Of the current states in one read. */
const PAGE_SIZE = 100

/**
 * The newest change of each of a user's interviews at one instant, in the order they happened, then every change after
 * that instant. What commits while the pages are read is none of theirs: an interview that changes twice meanwhile would
 * be shown in its second state alone.
 */
export function followAllInterviews(
  db: Queryable,
  feed: ChangeFeed<InterviewChangeRow>,
  userId: string,
  signal?: AbortSignal,
): AsyncIterableIterator<InterviewChangeRow> {
  let page: InterviewChangeRow[] = []
  let position = 0
  let upTo: number | undefined
  let live: AsyncIterableIterator<InterviewChangeRow> | undefined
  let ended = false
  return {
    async next() {
      if (!live && page.length === 0) {
        upTo ??= await readFeedPosition(db, userId)
        page = await findCurrentChanges(db, userId, { after: position, upTo, limit: PAGE_SIZE })
        if (page.length === 0 && !ended) live = feed.follow(interviewFeedKey.ofUser(userId), upTo, signal)
      }
      const row = page.shift()
      if (row) {
        position = row.position
        return { done: false, value: row }
      }
      return live && !ended ? live.next() : { done: true, value: undefined }
    },
    async return() {
      ended = true
      page = []
      await live?.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** Those rows of a feed that the test lets through. */
export function filterRows<Row>(
  rows: AsyncIterableIterator<Row>,
  passes: (row: Row) => boolean,
): AsyncIterableIterator<Row> {
  return {
    async next() {
      for (;;) {
        const result = await rows.next()
        if (result.done || passes(result.value)) return result
      }
    },
    async return() {
      await rows.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
