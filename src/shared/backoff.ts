/**
 * Exponential backoff with full jitter above a floor: attempt 1 waits between half of `baseMs` and `baseMs`, each later
 * one up to twice as long, never beyond `maxMs`.
 * From "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function backoffMs(
  attempt: number,
  options: { baseMs: number; maxMs: number; random?: () => number },
): number {
  const ceiling = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt - 1, 30))
  return Math.round(ceiling / 2 + ((options.random ?? Math.random)() * ceiling) / 2)
}
