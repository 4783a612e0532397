import type { RunWatch } from '../coordination/run-watch.ts'
import type { GenerationRow } from '../database/generations.ts'

/**
 * The run as it stands, then each change that a reader would see, until it has ended. A consumer that is slow gets the
 * newest state next and not every one in between: what waits for it is one row, whatever happens meanwhile.
 */
export function followRun(
  watch: RunWatch,
  runId: string,
  signal?: AbortSignal,
): AsyncIterableIterator<GenerationRow> {
  const left = new AbortController()
  const runs = states(watch, runId, signal ? AbortSignal.any([signal, left.signal]) : left.signal)
  return {
    next: () => runs.next(),
    // A generator hears of return() only once what it awaits has come: over a WebSocket nothing else tells it.
    return() {
      left.abort()
      return runs.return(undefined)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

async function* states(
  watch: RunWatch,
  runId: string,
  signal: AbortSignal,
): AsyncGenerator<GenerationRow, undefined> {
  let newest: GenerationRow | undefined
  let gone = false
  let wake = () => {}
  const stop = watch.listen(runId, run => {
    if (run) newest = run
    else gone = true
    wake()
  })
  const onAbort = () => wake()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    let sent: string | undefined
    while (!signal.aborted) {
      const run = newest
      const state = run && visibleState(run)
      if (run && state !== sent) {
        sent = state
        yield run
        if (run.state !== 'RUNNING') return undefined
        continue
      }
      if (gone) return undefined
      await new Promise<void>(resolve => {
        wake = resolve
        if (signal.aborted || gone || newest !== run) resolve()
      })
    }
  } finally {
    stop()
    signal.removeEventListener('abort', onAbort)
  }
}

/** Within one epoch a text only grows. */
function visibleState({ state, phase, progress, epoch, text }: GenerationRow): string {
  return [state, phase, progress, epoch, text?.length].join(' ')
}
