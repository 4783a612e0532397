import { LONGEST_TIMER_MS } from './shared/clock.ts'
import type { Logger } from './shared/logger.ts'

/** A terminal sends Ctrl-C to npm and to the gateway alike, and npm hands it on to the gateway. */
export const SAME_KEYSTROKE_MS = 500
/** What a drain may take beyond its time: to close connections, and to stop the embedded database. */
export const CLOSING_MS = 10_000
/** SIGHUP: the terminal was closed. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/** What a command's end may take: the statement under way, and an embedded database that stops. */
export const COMMAND_STOP_MS = 40_000
/** As shells tell of a command that ended by Ctrl-C. */
export const INTERRUPTED_EXIT_CODE = 130

export interface Stop {
  /** Aborts once, when the process is to drain and end. */
  readonly signal: AbortSignal
  /** What the process has to end with. */
  readonly exitCode: 0 | 1
  /** Drains, as at a signal; whoever asks says so in the log. */
  ask(): void
}

/**
 * The process drains when it is told to, and when an error was caught by nobody, after which no part of it can be trusted with more than its
 * end. Such an error is told of once, and ends with exit code 1. Who asks twice does not want to wait.
 * @param options.giveUpAfterMs a database that does not answer must not keep the process: whoever stops it would have to kill it.
 * @param options.heedAfterMs of a worker, whose terminal sends the signal to its primary too: that one says what it means for
 * all, and tells it. Zero for everybody else.
 */
export function watchForStop(options: { logger: Logger; giveUpAfterMs: number; heedAfterMs?: number }): Stop {
  const { logger, heedAfterMs = 0 } = options
  const stopping = new AbortController()
  let exitCode: Stop['exitCode'] = 0
  const stop = () => {
    if (stopping.signal.aborted) return
    stopping.abort()
    const giveUp = () => {
      logger.error('the drain did not end in time')
      process.exit(1)
    }
    setTimeout(giveUp, Math.min(options.giveUpAfterMs, LONGEST_TIMER_MS)).unref()
  }

  let askedAtMs: number | undefined
  const onSignal = (name: NodeJS.Signals) => {
    const nowMs = performance.now()
    if (askedAtMs !== undefined) {
      if (nowMs - askedAtMs <= SAME_KEYSTROKE_MS) return
      logger[heedAfterMs > 0 ? 'debug' : 'warn'](`${name} again: the process ends at once`)
      process.exit(1)
    }
    askedAtMs = nowMs
    if (heedAfterMs > 0) {
      setTimeout(stop, heedAfterMs)
      return
    }
    logger.info(`${name}: draining; once more ends at once`)
    stop()
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)

  const onUncaught = (error: unknown) => {
    const first = exitCode === 0
    exitCode = 1
    // One broken part may throw for everybody who waits for it.
    if (first)
      logger.fatal({ err: error }, 'an error was caught by nobody; draining, to end with exit code 1')
    else logger.debug({ err: error }, 'another error was caught by nobody')
    stop()
  }
  process.on('uncaughtException', onUncaught)
  process.on('unhandledRejection', onUncaught)
  return {
    signal: stopping.signal,
    get exitCode() {
      return exitCode
    },
    ask: stop,
  }
}
