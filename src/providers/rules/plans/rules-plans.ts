import { setImmediate } from 'node:timers/promises'
import { type GenerationContext, GenerationError } from '../../generator.ts'
import type { PlanDraft, PlanGenerator, PlanInput } from '../../plan.ts'
import { planMenu } from './menu-plan.ts'
import { planNutrition } from './nutrition-plan.ts'
import { findPreferenceConflicts } from './preference-conflicts.ts'
import { planRoutine } from './routine-plan.ts'

/**
 * The built-in plans: computed from what the user recorded, the analysis and the preferences, and for menus from the
 * built-in recipes; without a call to anybody. The same input gives the same plan.
 */
export function createRulesPlans(): PlanGenerator {
  return { generatePlan, findPreferenceConflicts }
}

/** @throws GenerationError for preferences that findPreferenceConflicts finds fault with */
async function generatePlan(input: PlanInput, context: GenerationContext): Promise<PlanDraft> {
  context.signal.throwIfAborted()
  const conflicts = findPreferenceConflicts(input)
  if (conflicts.length > 0) {
    throw new GenerationError(conflicts.map(({ message }) => message).join(' '), { retryable: false })
  }
  context.reportProgress(0)
  // Other requests get their turn first: a plan is of use to one, and keeps all waiting.
  await setImmediate()
  context.signal.throwIfAborted()
  const draft = await draftOf(input, context)
  context.reportProgress(1)
  return draft
}

async function draftOf(input: PlanInput, context: GenerationContext): Promise<PlanDraft> {
  switch (input.kind) {
    case 'ROUTINE':
      return planRoutine(input)
    case 'NUTRITION':
      return planNutrition(input)
    case 'MENU':
      return planMenu(input, context)
  }
}
