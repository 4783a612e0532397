/**
 * Reads a Retry-After header: seconds, or an HTTP date (RFC 9110, 10.2.3), which is held against this host's wall clock.
 * @returns milliseconds from now, 0 for an instant that has passed; null for nothing that can be read
 */
export function retryAfterMs(header: string | null | undefined, now: Date): number | null {
  const text = header?.trim() ?? ''
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000)
  // Date.parse reads much that is no HTTP date, such as -5; every HTTP date begins with the day's name.
  const at = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isFinite(at) ? Math.max(0, at - now.getTime()) : null
}
