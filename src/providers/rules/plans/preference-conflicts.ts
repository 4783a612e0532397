import type { PlanKind, PlanPreferences, PreferenceConflict } from '../../plan.ts'
import { type Demand, readDemands } from './demands.ts'
import { findCarbsProblem, findMenuProblem, type MenuProblem, problemText } from './menu-problem.ts'
import { findFaults } from './preference-faults.ts'

/**
 * Why no plan can be made: preferences that make no sense by themselves, then sets of preferences that exclude each other.
 * Each set is smallest: by itself it leaves no plan, and without any one of its demands it would.
 */
export function findPreferenceConflicts(request: {
  kind: PlanKind
  days: number
  preferences: PlanPreferences
}): PreferenceConflict[] {
  const { faults, sound } = findFaults(request.kind, request.preferences)
  if (request.kind === 'ROUTINE') return faults
  const findProblem: FindProblem = demands =>
    request.kind === 'MENU' ? findMenuProblem(demands, request.days) : findCarbsProblem(demands)
  return [...faults, ...conflictsAmong(readDemands(sound), findProblem)]
}

type FindProblem = (demands: readonly Demand[]) => MenuProblem | null

function conflictsAmong(demands: readonly Demand[], findProblem: FindProblem): PreferenceConflict[] {
  const conflicts: PreferenceConflict[] = []
  let left = [...Map.groupBy(demands, ({ preferences }) => preferences.join()).values()]
  // What is in a conflict is taken out, so that what stands apart from it is told in the same answer.
  while (findProblem(left.flat())) {
    const preferences = smallestWithProblem(left, groups => findProblem(groups.flat()))
    if (preferences.length === 0) break
    // Of a list only some entries may matter: the message names these.
    const entries = smallestWithProblem(preferences.flat(), findProblem)
    const problem = findProblem(entries)
    if (!problem) break
    conflicts.push({
      preferences: [...new Set(preferences.flat().flatMap(demand => demand.preferences))],
      message: problemText(problem, entries),
    })
    left = left.filter(group => !preferences.includes(group))
  }
  return conflicts
}

/**
 * Leaves out one after another for as long as there still is a problem, until nothing more can be left out. More than one
 * round, as fewer demands may also bring a problem about: without meal times the usual three meals are planned.
 */
function smallestWithProblem<Part>(
  parts: readonly Part[],
  findProblem: (parts: readonly Part[]) => MenuProblem | null,
): readonly Part[] {
  let smallest = parts
  for (let leftOut = true; leftOut; ) {
    leftOut = false
    for (const part of smallest) {
      const without = smallest.filter(other => other !== part)
      if (!findProblem(without)) continue
      smallest = without
      leftOut = true
    }
  }
  return smallest
}
