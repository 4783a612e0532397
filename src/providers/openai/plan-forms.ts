import { z } from 'zod'
import type { PlanKind } from '../plan.ts'

/** What of a plan has a fixed place: every day has these, in this order. */
export interface Slot {
  type: 'meal' | 'snack'
  /** HH:MM; null for a snack. */
  time: string | null
}

const grams = z.number().min(0).max(2000)
/** Up to what a whole day of an athlete takes. */
const nutrition = z.object({
  calories: z.number().min(0).max(20_000),
  proteinGrams: grams,
  carbsGrams: grams,
  fatGrams: grams,
})
const heading = {
  title: z.string().describe('The name of the plan, a few words.'),
  summary: z.string().describe('Two or three sentences: what the plan aims at and why.'),
}
const described = { title: z.string(), description: z.string() }

/** Keep to what strict-schema.ts lets a schema say: dishes have their time by their place, not by what a model writes. */
export const planForms = {
  ROUTINE: () =>
    z.object({
      ...heading,
      activities: z
        .array(
          z.object({
            hour: z.int().min(0).max(23).describe('Of the day, in UTC.'),
            minute: z.int().min(0).max(59),
            ...described,
          }),
        )
        .min(4)
        .max(24)
        .describe('From getting up to going to bed.'),
    }),
  NUTRITION: (slots: readonly Slot[]) =>
    z.object({
      ...heading,
      dailyTarget: nutrition,
      targetReason: z.string().describe('One or two sentences: why these amounts.'),
      meals: z
        .array(z.object({ ...described, foods: z.array(z.string()).max(20), nutrition }))
        .length(slots.length)
        .describe('One for each slot, in the order of the slots.'),
      guidelines: z.array(z.object(described)).min(1).max(8),
    }),
  MENU: (slots: readonly Slot[], days: number) =>
    z.object({
      ...heading,
      days: z
        .array(
          z.object({
            dishes: z
              .array(
                z.object({
                  title: z.string(),
                  description: z.string().describe('How it is made, with the minutes it takes.'),
                  ingredients: z.array(z.string()).min(1).max(40).describe('With amounts, for all servings.'),
                  nutrition: nutrition.describe('Of one serving.'),
                }),
              )
              .length(slots.length)
              .describe('One for each slot, in the order of the slots.'),
          }),
        )
        .length(days)
        .describe('One entry a day.'),
    }),
} satisfies Record<PlanKind, (slots: readonly Slot[], days: number) => z.ZodType>

export type PlanAnswers = { [Kind in PlanKind]: z.infer<ReturnType<(typeof planForms)[Kind]>> }
