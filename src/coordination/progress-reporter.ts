import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'

/** Often enough for a progress bar, seldom enough that a chatty provider costs the database nothing that matters. */
const INTERVAL_MS = 250

/** Writes the newest progress at most once an interval, one write at a time; never a lower one than before. */
export function createProgressReporter(options: {
  clock: Clock
  logger: Logger
  write: (progress: number) => Promise<void>
}): { report: (fraction: number) => void; stop: () => void } {
  let newest = 0
  let written = 0
  let stopped = false
  let cancelTimer: (() => void) | undefined
  const flush = async () => {
    if (newest > written && !stopped) {
      written = newest
      // A lost lease shows in the next phase; a progress that is not seen harms nobody.
      await options
        .write(newest)
        .catch(error => options.logger.debug({ err: error }, 'progress was not written'))
    }
    cancelTimer = undefined
    if (newest > written && !stopped) schedule()
  }
  const schedule = () => {
    cancelTimer ??= options.clock.setTimer(() => void flush(), INTERVAL_MS)
  }
  return {
    report(fraction) {
      if (!(fraction > newest)) return
      newest = Math.min(fraction, 1)
      schedule()
    },
    stop() {
      stopped = true
      cancelTimer?.()
    },
  }
}
