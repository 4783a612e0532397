import type { FieldIssue } from './field-issues.ts'

/** Longer than any generation may take: who would wait for longer should follow the run instead. */
const MAX_WAIT_MS = 600_000

export function waitIssues(waitMs: number | null): FieldIssue[] {
  if (waitMs === null || (waitMs >= 0 && waitMs <= MAX_WAIT_MS)) return []
  return [{ path: ['input', 'waitMs'], message: `expected 0 to ${MAX_WAIT_MS}` }]
}
