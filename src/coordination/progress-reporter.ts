import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'

/** Often enough for a progress bar and a reader of text, seldom enough that a chatty provider costs the database nothing that matters. */
const INTERVAL_MS = 250

/**
 * Writes the newest progress, and text where there is some, at most once an interval, one write at a time; never a lower
 * progress or a shorter text than before.
 */
export function createProgressReporter(options: {
  clock: Clock
  logger: Logger
  write: (state: { progress: number; text?: string }) => Promise<void>
}): { report: (fraction: number) => void; reportText: (text: string) => void; stop: () => void } {
  let progress = 0
  let text = ''
  let written = { progress: 0, length: 0 }
  let stopped = false
  let cancelTimer: (() => void) | undefined
  const news = () => progress > written.progress || text.length > written.length
  const flush = async () => {
    if (news() && !stopped) {
      const longer = text.length > written.length
      written = { progress, length: text.length }
      // A lost lease shows in the next phase; a progress that is not seen harms nobody.
      await options
        .write({ progress, ...(longer && { text }) })
        .catch(error => options.logger.debug({ err: error }, 'progress was not written'))
    }
    cancelTimer = undefined
    if (news() && !stopped) schedule()
  }
  const schedule = () => {
    cancelTimer ??= options.clock.setTimer(() => void flush(), INTERVAL_MS)
  }
  return {
    report(fraction) {
      if (!(fraction > progress)) return
      progress = Math.min(fraction, 1)
      schedule()
    },
    reportText(newest) {
      if (newest.length <= text.length) return
      text = newest
      schedule()
    },
    stop() {
      stopped = true
      cancelTimer?.()
    },
  }
}
