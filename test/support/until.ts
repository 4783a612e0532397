import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for a condition, and fails with what it was when the deadline is over. Never a fixed sleep. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: { what: string; deadlineMs?: number },
): Promise<void> {
  const deadlineAt = performance.now() + (options.deadlineMs ?? 20_000)
  while (!(await condition())) {
    if (performance.now() > deadlineAt) throw new Error(`waited in vain for ${options.what}`)
    await sleep(5)
  }
}
