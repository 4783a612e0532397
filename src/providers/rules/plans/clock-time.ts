/** A time of day as minutes after midnight, 0 to 1439. */
export type ClockTime = number

export const dayMinutes = 1_440

/** Reads HH:MM, 24-hour; null for anything else. */
export function parseClockTime(text: string): ClockTime | null {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? []
  return hours === undefined ? null : Number(hours) * 60 + Number(minutes)
}

/** HH:MM; what lies before or after the day is taken round the clock. */
export function clockText(minutes: number): string {
  const time = aroundTheClock(Math.round(minutes))
  const two = (value: number) => String(value).padStart(2, '0')
  return `${two(Math.floor(time / 60))}:${two(time % 60)}`
}

export function aroundTheClock(minutes: number): ClockTime {
  return ((minutes % dayMinutes) + dayMinutes) % dayMinutes
}

export function roundTo(step: number, value: number): number {
  return Math.round(value / step) * step
}
