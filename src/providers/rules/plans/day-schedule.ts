/** A stretch of the day in minutes after waking. */
export interface Appointment {
  title: string
  description: string
  start: number
  minutes: number
}

const step = 5

/**
 * Puts an appointment into the free time nearest to where it is wanted, cut down as far as it may be where there is no
 * room for all of it; null where there is none at all.
 * @param taken in any order
 */
export function fitIn(
  taken: readonly Appointment[],
  wanted: Appointment & { leastMinutes: number },
  bounds: { from: number; to: number },
): Appointment | null {
  const { title, description, minutes, leastMinutes, start } = wanted
  for (let length = minutes; length >= leastMinutes; length -= step) {
    const free = freeStarts(taken, length, bounds)
    const nearest = free.reduce<number | null>(
      (best, one) => (best === null || Math.abs(one - start) < Math.abs(best - start) ? one : best),
      null,
    )
    // A shorter one at its hour is better than a whole one at the other end of the day.
    const isFar = nearest !== null && Math.abs(nearest - start) > farAway && length > leastMinutes
    if (nearest !== null && !isFar) return { title, description, start: nearest, minutes: length }
  }
  return null
}

const farAway = 180

function freeStarts(
  taken: readonly Appointment[],
  minutes: number,
  { from, to }: { from: number; to: number },
): number[] {
  const starts: number[] = []
  for (let start = from; start + minutes <= to; start += step) {
    if (taken.every(other => start + minutes <= other.start || start >= other.start + other.minutes))
      starts.push(start)
  }
  return starts
}
