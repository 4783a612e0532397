/** A calendar day in UTC as the number of days since 1970-01-01; arithmetic on days is arithmetic on integers. */
export type UtcDay = number

export const dayMs = 86_400_000

export function utcDayOf(instant: Date): UtcDay {
  return Math.floor(instant.getTime() / dayMs)
}

/** Saturday or Sunday, in UTC. */
export function isWeekend(day: UtcDay): boolean {
  const sinceSunday = (((day + 4) % 7) + 7) % 7
  return sinceSunday === 0 || sinceSunday === 6
}

/** 2026-01-31. */
export function isoDate(day: UtcDay): string {
  return new Date(day * dayMs).toISOString().split('T')[0] ?? ''
}

/** Reads what isoDate wrote; null for anything else. */
export function parseIsoDate(text: string): UtcDay | null {
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isFinite(time) ? Math.floor(time / dayMs) : null
}
