import type { Queryable } from '../../database/client.ts'
import { isBusy } from '../../database/is-busy.ts'
import { delay } from '../../shared/abort.ts'

/** How an ingestion makes room for those who wait for an answer, as nobody waits for it. */
export interface Pace {
  /** Of one statement: some ten milliseconds' work at most, so that it holds up neither the server nor this process. */
  batchDocuments: number
  /** After each statement it rests for as long as that took; no longer than this. */
  maxRestMs: number
  /** And then until nobody else is at work in the database; no longer than this, so that it goes on whatever happens. */
  maxYieldMs: number
}

/** Somebody waits for a call: it does not rest, and lets a search or two go before each of its statements. */
export const PACE_OF_CALLS: Pace = { batchDocuments: 50, maxRestMs: 0, maxYieldMs: 10 }
/** On a busy machine most of a statement's time is waiting, which is rest already: the rest is no longer than one takes by itself. */
export const PACE_OF_STREAMS: Pace = { batchDocuments: 25, maxRestMs: 25, maxYieldMs: 100 }
/** Of the time of a search, which most are done in, about as much as a look takes. */
const LOOK_EVERY_MS = 3

/** Does the work of one statement of an ingestion, and what its pace says after it. */
export async function paced<T>(db: Queryable, pace: Pace, work: () => Promise<T>): Promise<T> {
  const startedAtMs = performance.now()
  const result = await work()
  await delay(Math.min(performance.now() - startedAtMs, pace.maxRestMs))
  const yieldsUntilMs = performance.now() + pace.maxYieldMs
  while (performance.now() < yieldsUntilMs && (await isBusy(db))) await delay(LOOK_EVERY_MS)
  return result
}
