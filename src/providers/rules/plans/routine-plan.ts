import type { PlanDraft, PlanInput, PlanItemDraft } from '../../plan.ts'
import { type Concerns, readConcerns } from './analysis-concerns.ts'
import { aroundTheClock, type ClockTime, clockText, parseClockTime } from './clock-time.ts'
import { type DailyRhythm, observeRhythm } from './daily-rhythm.ts'
import { type Appointment, fitIn } from './day-schedule.ts'
import { archetypeName, otherNote, planEngine } from './plan-text.ts'
import { archetypeRoutines, blocksByConcern, endOfWork, type RoutineBlock } from './routine-blocks.ts'
import { hoursText, type RoutineDay, shapeDay } from './routine-day.ts'

const wakeMinutes = 5
const mealMinutes = 30
/** Work is closed at least so long after waking, and so long before the wind-down. */
const earliestEndOfWork = 300

/** One day by the clock, from waking to bed. */
export function planRoutine(input: PlanInput): PlanDraft {
  const { archetype, preferences, points, analysis } = input
  const rhythm = observeRhythm(points)
  const concerns = readConcerns(analysis.result)
  const mealTimes = preferences.mealTimes
    .map(parseClockTime)
    .filter(time => time !== null)
    .sort((a, b) => a - b)
  const day = shapeDay(archetype, rhythm, mealTimes, concerns)
  const { appointments, leftOut } = fillDay(input, day, rhythm, concerns)
  const notes = [
    ...day.notes,
    ...(leftOut.length > 0 ? [`There is no room for: ${leftOut.join(', ')}.`] : []),
    'Times are of the same clock as the recorded ones, UTC, and as the meal times.',
  ]
  return {
    title: `A day from ${clockText(day.wake)} to ${clockText(day.wake + day.bed)}`,
    summary: summarise(input, day, concerns),
    items: appointments.map(appointment => itemOf(appointment, day.wake)),
    notes: notes.map(otherNote),
    metadata: {
      ...planEngine,
      wake: { time: clockText(day.wake), from: day.wakeFrom },
      bed: clockText(day.wake + day.bed),
      sleepMinutes: day.sleepMinutes,
      observed: {
        wake: timeOrNull(rhythm.wake),
        sleepHours: rhythm.sleepHours === null ? null : Math.round(rhythm.sleepHours * 100) / 100,
        movement: timeOrNull(rhythm.movement),
        focus: timeOrNull(rhythm.focus),
        workEnd: timeOrNull(rhythm.workEnd),
      },
      concerns: [...concerns.families],
      notes,
    },
  }
}

function fillDay(
  { archetype }: PlanInput,
  day: RoutineDay,
  rhythm: DailyRhythm,
  concerns: Concerns,
): { appointments: Appointment[]; leftOut: string[] } {
  const { blocks, windDown } = archetypeRoutines[archetype]
  const appointments: Appointment[] = [
    { title: 'Wake up', description: wakeText(day, concerns), start: 0, minutes: wakeMinutes },
    ...mealsOf(day),
    {
      title: 'Wind-down',
      description: `${windDown}${day.isShortOfSleep ? ' Earlier than usual, as your nights have been short.' : ''}`,
      start: day.windDown,
      minutes: day.windDownMinutes,
    },
  ]
  const leftOut: string[] = []
  const add = (block: RoutineBlock, start: number) => {
    const wanted = { ...block, start }
    const placed = fitIn(appointments, wanted, { from: wakeMinutes, to: day.windDown })
    if (placed) appointments.push(placed)
    else leftOut.push(block.title)
  }

  const [daylight, ...others] = blocks
  if (daylight) add(daylight, daylight.at)
  const workEnd = workEndOf(day, rhythm)
  if (concerns.tooMuch.has('work') || workEnd !== null) add(endOfWork, workEnd ?? endOfWork.at)
  for (const family of concerns.families) {
    const { block, onlyOfTooLittle = false } = blocksByConcern[family] ?? {}
    if (block && (!onlyOfTooLittle || concerns.tooLittle.has(family))) add(block, block.at)
  }
  for (const block of others) {
    const eased = block.observed === 'movement' && concerns.families.has('recovery') ? ease(block) : block
    add(eased, startOf(eased, day, rhythm))
  }
  appointments.push({
    title: 'Lights out',
    description: `${hoursText(day.sleepMinutes)} of sleep fit until ${clockText(day.wake)}, with a quarter of an hour to fall asleep.`,
    start: day.bed,
    minutes: 0,
  })
  return { appointments: appointments.sort((a, b) => a.start - b.start), leftOut }
}

/** Effort where the body shows strain becomes half of it. */
function ease(block: RoutineBlock): RoutineBlock {
  return {
    ...block,
    title: `${block.title}, easy`,
    description: 'At half the effort today, slowly enough to talk: your recovery shows strain.',
    minutes: Math.max(block.leastMinutes, Math.round(block.minutes / 10) * 5),
  }
}

function mealsOf({ meals, windDown }: RoutineDay): Appointment[] {
  return meals.map(({ name, offset }, i) => ({
    title: name,
    description:
      i === meals.length - 1 && meals.length > 1
        ? 'Without a screen; it is the last of the day.'
        : 'Sitting down, without a screen.',
    start: offset,
    minutes: Math.min(mealMinutes, (meals[i + 1]?.offset ?? windDown) - offset),
  }))
}

function startOf(block: RoutineBlock, day: RoutineDay, rhythm: DailyRhythm): number {
  const seen = block.observed === undefined ? null : rhythm[block.observed]
  // What was observed is the middle; only the first focus block takes its place.
  if (seen !== null && (block.observed !== 'focus' || block.title === 'Focus block')) {
    const start = aroundTheClock(seen - block.minutes / 2 - day.wake)
    if (start + block.minutes <= day.windDown) return Math.round(start / 5) * 5
  }
  return block.at < 0 ? day.windDown + block.at : block.at
}

function workEndOf(day: RoutineDay, { workEnd }: DailyRhythm): number | null {
  if (workEnd === null) return null
  const offset = Math.round(aroundTheClock(workEnd - day.wake) / 5) * 5
  return offset >= earliestEndOfWork && offset + endOfWork.minutes <= day.windDown ? offset : null
}

function wakeText({ wakeFrom }: RoutineDay, { unevenSleep }: Concerns): string {
  const why = {
    observed: 'The time at which you usually wake.',
    'meal times': 'In time for your first meal.',
    archetype: 'Until your own nights are recorded, the usual time for your archetype.',
  }[wakeFrom]
  return unevenSleep ? `${why} At weekends too: nothing evens out the nights as much.` : why
}

function summarise({ archetype, points }: PlanInput, day: RoutineDay, { firstStep }: Concerns): string {
  const basis = {
    observed: 'the hour at which you were observed to wake',
    'meal times': 'your meal times',
    archetype:
      points.length === 0
        ? 'what suits most, as nothing is recorded yet'
        : 'what suits most, as your sleep is not recorded yet',
  }[day.wakeFrom]
  const sleep = `Lights go out at ${clockText(day.wake + day.bed)}, so that ${hoursText(day.sleepMinutes)} of sleep fit`
  return [
    `A day for a ${archetypeName(archetype)}, built on ${basis}.`,
    day.isShortOfSleep
      ? `${sleep}, with an earlier wind-down, because your nights have been short.`
      : `${sleep}.`,
    firstStep ? `From your analysis: ${firstStep}` : '',
  ]
    .filter(Boolean)
    .join(' ')
}

function itemOf({ title, description, start, minutes }: Appointment, wake: ClockTime): PlanItemDraft {
  return {
    day: 1,
    time: clockText(wake + start),
    title,
    description: minutes > wakeMinutes ? `${minutes} minutes. ${description}` : description,
    ingredients: [],
    nutrition: null,
  }
}

function timeOrNull(time: ClockTime | null): string | null {
  return time === null ? null : clockText(time)
}
