import { Presets, SingleBar } from 'cli-progress'

export interface ProgressBar extends Disposable {
  update(value: number): void
  /** Leaves what it shows on the screen, and a line for what comes next. */
  stop(): void
}

/** Where there is no terminal a line of a log now and then. */
const LOG_EVERY_MS = 5000

/**
 * How far a command is, on standard error: a bar, and what `format` says with {bar}, {percentage}, {value}, {total} and
 * {eta_formatted}. Until it is stopped it keeps the process alive.
 */
export function startProgressBar(format: string, total: number): ProgressBar {
  const bar = new SingleBar(
    {
      format,
      // Of the last few hundred updates: one or two say little about the next minutes.
      etaBuffer: 200,
      formatTime: left,
      noTTYOutput: true,
      notTTYSchedule: LOG_EVERY_MS,
    },
    Presets.shades_classic,
  )
  bar.start(total, 0)
  const stop = () => bar.stop()
  return { update: value => bar.update(Math.min(value, total)), stop, [Symbol.dispose]: stop }
}

/** Of what cannot be told yet cli-progress says 'INF' or 'NULL'. */
function left(seconds: number): string {
  if (!Number.isFinite(seconds)) return '…'
  return seconds < 100 ? `${seconds} s` : `${Math.round(seconds / 60)} min`
}
