import type { Clock } from '../shared/clock.ts'
import type { Flight, FlightEnd } from './flight.ts'
import type { Caller, Outcome } from './run-once.ts'

/**
 * One caller's wait: for the end of the flight, for the caller's `waitMs`, or for the caller to leave, whichever is first.
 * @throws the signal's reason when the caller has left; what broke the flight.
 */
export async function waitForFlight<Result>(
  flight: Flight<Result>,
  caller: Caller,
  startedAtMs: number,
  clock: Clock,
): Promise<Outcome<Result>> {
  const seat = flight.sit()
  try {
    const end = await firstOf(flight, caller, startedAtMs, clock)
    switch (end.type) {
      case 'result': {
        const source = end.made && flight.first === seat ? 'FRESH' : 'JOINED'
        return { type: 'result', result: end.result, source, runId: end.runId }
      }
      case 'broken':
        throw end.error
      case 'failed':
      case 'pending':
        return end
    }
  } finally {
    flight.leave(seat)
  }
}

type Pending = { type: 'pending'; runId: string }

function firstOf<Result>(
  flight: Flight<Result>,
  caller: Caller,
  startedAtMs: number,
  clock: Clock,
): Promise<FlightEnd<Result> | Pending> {
  const { waitMs, signal } = caller
  if (waitMs === null && !signal) return flight.end
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(() => reject(signal?.reason))
    const cancelTimer =
      waitMs === null
        ? undefined
        : clock.setTimer(
            // A run that is not known yet is known within a statement or two, or the flight has ended.
            () =>
              void flight.runKnown.then(() =>
                settle(() => resolve({ type: 'pending', runId: flight.runId ?? '' })),
              ),
            Math.max(0, waitMs - (clock.nowMs() - startedAtMs)),
          )
    const settle = (how: () => void) => {
      cancelTimer?.()
      signal?.removeEventListener('abort', onAbort)
      how()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) onAbort()
    void flight.end.then(end => settle(() => resolve(end)))
  })
}
