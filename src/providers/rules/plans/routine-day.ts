import type { Archetype } from '../../../shared/archetype.ts'
import type { Concerns } from './analysis-concerns.ts'
import { aroundTheClock, type ClockTime, clockText, dayMinutes, roundTo } from './clock-time.ts'
import type { DailyRhythm } from './daily-rhythm.ts'
import { archetypeRoutines } from './routine-blocks.ts'

/** The corners of the day, which everything else goes between. Offsets are minutes after waking. */
export interface RoutineDay {
  wake: ClockTime
  wakeFrom: 'observed' | 'meal times' | 'archetype'
  meals: { name: string; offset: number }[]
  windDown: number
  windDownMinutes: number
  bed: number
  sleepMinutes: number
  /** Less sleep than what is needed, from what was recorded or found. */
  isShortOfSleep: boolean
  notes: string[]
}

const fallingAsleep = 15
/** Below it is short for an adult: the American Academy of Sleep Medicine's consensus, 2015. */
const shortSleepHours = 7
const longSleepHours = 8.5
const longestNeed = 540
/** What is slept more for some time to make up for short nights, and how much earlier the evening becomes quiet. */
const catchUpMinutes = 30
const earlierWindDown = 30
const mealMinutes = 30
/** Someone who eats long before waking, or first ten hours after, has recorded in another time zone. */
const earliestBreakfast = -90
const latestBreakfast = 600
const latestOnlyMeal = 900
const latestDinner = 1_080
/** Getting up and dressed. */
const beforeBreakfast = 30
const soonestBreakfast = 15

/** Waking as observed, bed so that the sleep need fits before it, meals at their times. */
export function shapeDay(
  archetype: Archetype,
  rhythm: DailyRhythm,
  mealTimes: readonly ClockTime[],
  concerns: Concerns,
): RoutineDay {
  const routine = archetypeRoutines[archetype]
  const slept = rhythm.sleepHours
  // An analysis may look back farther than what is observed here.
  const isShortOfSleep =
    slept === null
      ? concerns.shortSleep
      : slept < shortSleepHours || (concerns.shortSleep && slept < longSleepHours)
  const usual = slept === null ? 0 : roundTo(15, slept * 60)
  const need = Math.max(routine.sleepMinutes, usual) + (isShortOfSleep ? catchUpMinutes : 0)
  const sleepWanted = Math.min(longestNeed, need)

  const notes: string[] = []
  const { wake, wakeFrom } = chooseWake(rhythm.wake, mealTimes, routine.wake, notes)
  const offsets =
    mealTimes.length > 0
      ? mealTimes.map(time => aroundTheClock(time - wake)).sort((a, b) => a - b)
      : usualMealOffsets
  const lastMealEnds = (offsets.at(-1) ?? 0) + mealMinutes
  const wantedBed = dayMinutes - sleepWanted - fallingAsleep
  const bed = Math.max(wantedBed, lastMealEnds + shortestWindDown)
  const sleepMinutes = dayMinutes - bed - fallingAsleep
  if (bed > wantedBed)
    notes.push(
      `The last meal at ${clockText(wake + (offsets.at(-1) ?? 0))} leaves ${hoursText(Math.max(0, sleepMinutes))} for sleep, less than the ${hoursText(sleepWanted)} you need.`,
    )
  const wantedWindDown = routine.windDownMinutes + (isShortOfSleep ? earlierWindDown : 0)
  const windDown = Math.max(lastMealEnds, bed - wantedWindDown)
  return {
    wake,
    wakeFrom,
    meals: offsets.map((offset, i) => ({ offset, name: mealName(i, offsets.length) })),
    windDown,
    windDownMinutes: bed - windDown,
    bed,
    sleepMinutes,
    isShortOfSleep,
    notes,
  }
}

const usualMealOffsets = [45, 360, 720]
const shortestWindDown = 15

export function hoursText(minutes: number): string {
  const hours = Math.floor(minutes / 60)
  const rest = minutes % 60
  return [hours > 0 || rest === 0 ? `${hours} h` : '', rest > 0 ? `${rest} min` : '']
    .filter(Boolean)
    .join(' ')
}

/** The observed time, or the archetype's, moved to before breakfast; where it does not go with the meals at all, by them. */
function chooseWake(
  observed: ClockTime | null,
  mealTimes: readonly ClockTime[],
  usual: ClockTime,
  notes: string[],
): Pick<RoutineDay, 'wake' | 'wakeFrom'> {
  const wake = observed === null ? usual : aroundTheClock(roundTo(5, observed))
  const wakeFrom = observed === null ? 'archetype' : 'observed'
  const first = firstMeal(mealTimes)
  if (first === null) return { wake, wakeFrom }
  const untilFirst = untilFirstMeal(wake, mealTimes)
  if (untilFirst === null) {
    if (observed !== null)
      notes.push(
        `You were observed to wake at ${clockText(wake)} UTC, which does not go with your meal times: the times of this day follow the meals.`,
      )
    return { wake: aroundTheClock(first - beforeBreakfast), wakeFrom: 'meal times' }
  }
  if (untilFirst >= soonestBreakfast) return { wake, wakeFrom }
  return { wake: aroundTheClock(wake + untilFirst - beforeBreakfast), wakeFrom: 'meal times' }
}

/** Null where waking and meals cannot belong to one day. */
function untilFirstMeal(wake: ClockTime, mealTimes: readonly ClockTime[]): number | null {
  const offsets = mealTimes.map(time => untilMeal(wake, time))
  const [first, last] = [Math.min(...offsets), Math.max(...offsets)]
  const latestFirst = mealTimes.length === 1 ? latestOnlyMeal : latestBreakfast
  return first <= latestFirst && last <= latestDinner ? first : null
}

/** Minutes from waking to a meal; one shortly before waking counts below 0, not as one at the end of the day. */
function untilMeal(wake: ClockTime, meal: ClockTime): number {
  const offset = aroundTheClock(meal - wake)
  return offset - dayMinutes >= earliestBreakfast ? offset - dayMinutes : offset
}

/** The meal after the longest time without one, which is the night; the dark hours are likelier to be it. */
function firstMeal(mealTimes: readonly ClockTime[]): ClockTime | null {
  const fastBefore = (time: ClockTime) => {
    const gap = Math.min(...mealTimes.map(other => aroundTheClock(time - other - 1) + 1))
    return gap + (aroundTheClock(time - deepNight) < gap ? nightBonus : 0)
  }
  return mealTimes.reduce<ClockTime | null>(
    (first, time) => (first === null || fastBefore(time) > fastBefore(first) ? time : first),
    null,
  )
}

const deepNight = 180
const nightBonus = 120

function mealName(index: number, count: number): string {
  if (count === 1) return 'Meal'
  if (index === 0) return 'Breakfast'
  if (index === count - 1) return 'Dinner'
  return count === 3 ? 'Lunch' : `Meal ${index + 1}`
}
