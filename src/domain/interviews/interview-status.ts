import type { InterviewStatus } from '../../database/interviews.ts'

/**
 * Every change of status that there is. READY comes with the prompt, in one transaction; FAILED with a reason.
 */
const successors: Record<InterviewStatus, readonly InterviewStatus[]> = {
  ENHANCING: ['READY', 'FAILED'],
  READY: ['IN_PROGRESS'],
  IN_PROGRESS: ['COMPLETED'],
  COMPLETED: [],
  FAILED: ['ENHANCING'],
}

export function mayBecome(from: InterviewStatus, to: InterviewStatus): boolean {
  return successors[from].includes(to)
}

export interface InvalidTransition {
  type: 'invalid-transition'
  from: InterviewStatus
  to: InterviewStatus
}
