import {
  DAILY_TARGET,
  type PlanInput,
  type PlanItemDraft,
  type PlanKind,
  type PlanNote,
  type PlanPreferences,
} from '../plan.ts'
import { clockText, parseClockTime } from '../rules/plans/clock-time.ts'
import { isMainSlot, planMealSlots } from '../rules/plans/meal-slots.ts'
import { archetypeDescriptions } from './archetype-descriptions.ts'
import type { Question } from './ask-model.ts'
import { digestPoints } from './metric-digest.ts'
import { type PlanAnswers, planForms, type Slot } from './plan-forms.ts'
import { menuNotes, nutritionNotes, warnedSummary } from './plan-notes.ts'
import { isMealTime } from './preference-conflicts.ts'
import { asData, loadPrompt, type PromptTemplate } from './prompt-template.ts'
import { digestResult } from './result-digest.ts'

type PlanPlaceholder =
  | 'archetype'
  | 'date'
  | 'days'
  | 'analysis'
  | 'measurements'
  | 'preferences'
  | 'slots'
  | 'avoid'
export type PlanPrompts = { [Kind in PlanKind]: PromptTemplate<PlanPlaceholder> }

/** A plan from an answer, and what in it is not as asked for. */
interface PlanContent {
  title: string
  summary: string
  items: PlanItemDraft[]
  notes: PlanNote[]
  /** Titles that the next menu does not repeat; of a menu alone. */
  mainDishes?: string[]
}

export interface PlanQuestion<Answer> {
  question: Question<Answer>
  read(answer: Answer): PlanContent
}

/** Where nobody said when to eat. */
const USUAL_MEAL_TIMES = ['08:00', '12:30', '18:30']
const MOST_AVOIDED_DISHES = 100
const MOST_LIST_ENTRIES = 100
const MOST_ENTRY_CHARACTERS = 120
const MOST_SUMMARY_CHARACTERS = 4000

const EXPECTED_PLAN_CHARACTERS = 3500
const EXPECTED_DISH_CHARACTERS = 700

const everyPlan = ['archetype', 'date', 'analysis', 'measurements', 'preferences'] as const

export function loadPlanPrompts() {
  return {
    ROUTINE: loadPrompt('routine.v1', everyPlan),
    NUTRITION: loadPrompt('nutrition.v1', [...everyPlan, 'slots']),
    MENU: loadPrompt('menu.v1', [...everyPlan, 'slots', 'days', 'avoid']),
  } satisfies { [Kind in PlanKind]: unknown }
}

/** What every prompt of a plan may tell. */
export async function planFacts(
  input: PlanInput,
  signal: AbortSignal,
): Promise<Record<PlanPlaceholder, string>> {
  const { analysis, points, preferences } = input
  const instants = points.map(({ recordedAt }) => recordedAt.getTime()).filter(Number.isFinite)
  const window = {
    from: new Date(instants.reduce((a, b) => Math.min(a, b), analysis.createdAt.getTime())),
    to: new Date(instants.reduce((a, b) => Math.max(a, b), analysis.createdAt.getTime())),
  }
  const digest = await digestPoints(points, input.archetype, window, signal)
  return {
    archetype: archetypeDescriptions[input.archetype],
    date: input.date,
    days: String(input.days),
    analysis: asData({
      ...digestResult(analysis.result),
      summary: analysis.summary.slice(0, MOST_SUMMARY_CHARACTERS),
      createdAt: analysis.createdAt.toISOString(),
    }),
    measurements: asData(digest),
    preferences: asData(boundedPreferences(preferences)),
    slots: asData(slotsOf(preferences)),
    avoid: asData(boundedList(input.previousDishes, MOST_AVOIDED_DISHES)),
  }
}

export function routineQuestion(prompt: Question<unknown>['prompt']): PlanQuestion<PlanAnswers['ROUTINE']> {
  return {
    question: {
      name: 'routine_plan',
      form: planForms.ROUTINE(),
      prompt,
      expectedCharacters: EXPECTED_PLAN_CHARACTERS,
    },
    read: ({ title, summary, activities }) => ({
      title,
      summary,
      items: activities
        .map(({ hour, minute, ...described }) => item({ ...described, time: clockTime(hour, minute) }))
        .sort((a, b) => (a.time ?? '').localeCompare(b.time ?? '')),
      notes: [],
    }),
  }
}

export function nutritionQuestion(
  prompt: Question<unknown>['prompt'],
  { preferences }: PlanInput,
): PlanQuestion<PlanAnswers['NUTRITION']> {
  const slots = slotsOf(preferences)
  return {
    question: {
      name: 'nutrition_plan',
      form: planForms.NUTRITION(slots),
      prompt,
      expectedCharacters: EXPECTED_PLAN_CHARACTERS,
    },
    read: ({ title, summary, dailyTarget, targetReason, meals, guidelines }) => {
      const items = [
        item({ title: DAILY_TARGET, description: targetReason, nutrition: dailyTarget }),
        ...meals.map(({ foods, ...meal }, index) =>
          item({ ...meal, ingredients: foods, time: slots[index]?.time ?? null }),
        ),
        ...guidelines.map(item),
      ]
      const notes = nutritionNotes(items, { title: DAILY_TARGET, nutrition: dailyTarget }, preferences)
      return { title, summary: warnedSummary(summary, notes), items, notes }
    },
  }
}

export function menuQuestion(
  prompt: Question<unknown>['prompt'],
  input: PlanInput,
): PlanQuestion<PlanAnswers['MENU']> {
  const slots = slotsOf(input.preferences)
  const mainTimes = mainTimesOf(slots)
  return {
    question: {
      name: 'menu_plan',
      form: planForms.MENU(slots, input.days),
      prompt,
      expectedCharacters: EXPECTED_DISH_CHARACTERS * slots.length * input.days,
    },
    read: ({ title, summary, days }) => {
      const items = days.flatMap(({ dishes }, index) =>
        dishes.map((dish, place) => item({ ...dish, day: index + 1, time: slots[place]?.time ?? null })),
      )
      const isMain = ({ time }: PlanItemDraft) => time !== null && mainTimes.has(time)
      const notes = menuNotes(items, input, isMain)
      const mainDishes = items.filter(isMain).map(({ title }) => title)
      return { title, summary: warnedSummary(summary, notes), items, notes, mainDishes }
    },
  }
}

function slotsOf({ mealTimes, snacksPerDay }: PlanPreferences): Slot[] {
  const times = mealTimes.filter(isMealTime)
  return [
    ...(times.length > 0 ? times : USUAL_MEAL_TIMES).map(time => ({ type: 'meal' as const, time })),
    ...Array.from({ length: Math.max(0, snacksPerDay) }, () => ({ type: 'snack' as const, time: null })),
  ]
}

/** Breakfasts and small meals may come again, as in the built-in menus. */
function mainTimesOf(slots: readonly Slot[]): Set<string> {
  const times = slots.flatMap(({ time }) => (time === null ? [] : (parseClockTime(time) ?? [])))
  const meals = planMealSlots(
    times.sort((a, b) => a - b),
    0,
  )
  return new Set(meals.filter(isMainSlot).map(({ time }) => clockText(time)))
}

function item(draft: Partial<PlanItemDraft> & Pick<PlanItemDraft, 'title' | 'description'>): PlanItemDraft {
  return { day: 1, time: null, ingredients: [], nutrition: null, ...draft }
}

const clockTime = (hour: number, minute: number) =>
  `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`

function boundedPreferences(preferences: PlanPreferences) {
  return Object.fromEntries(
    Object.entries(preferences).map(([name, value]) => {
      if (typeof value === 'string') return [name, value.slice(0, MOST_ENTRY_CHARACTERS)]
      return [name, Array.isArray(value) ? boundedList(value, MOST_LIST_ENTRIES) : value]
    }),
  )
}

const boundedList = (list: readonly string[], mostEntries: number) =>
  list.slice(0, mostEntries).map(entry => entry.slice(0, MOST_ENTRY_CHARACTERS))
