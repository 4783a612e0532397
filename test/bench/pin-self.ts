import { execFileSync } from 'node:child_process'

/** This process, every thread of it, on one core; those it has started before keep theirs. */
export function pinSelf(core: number): void {
  execFileSync('taskset', ['-a', '-c', '-p', String(core), String(process.pid)], { stdio: 'ignore' })
}
