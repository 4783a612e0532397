import { execFile } from 'node:child_process'
import type { Account } from './embedded-postgres-account.ts'

export interface CommandOutcome {
  readonly ok: boolean
  /** '' when it ended well, else an exit code, a signal, 'timeout', or why it did not even begin (EACCES, ENOENT …) */
  readonly reason: string
  readonly stdout: string
  readonly stderr: string
}

const windows = process.platform === 'win32'

/**
 * The surroundings of every PostgreSQL process.
 * - It gets none of the gateway's environment, which holds secrets that another account must not read. Windows
 *   programs do not start without theirs, and there is no other account there.
 * - C and UTC, so that messages can be recognised and nothing depends on the machine's locales.
 * - The account may be unable to enter the folder in which the gateway runs, hence the root folder.
 */
export function surroundings(account: Account | null) {
  return {
    windowsHide: true,
    ...(windows ? {} : { cwd: '/', env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } }),
    ...(account === null ? {} : { uid: account.uid, gid: account.gid }),
  }
}

/** Runs a program to its end, or to SIGKILL after `timeoutMs`. Never rejects. */
export function runCommand(
  file: string,
  args: readonly string[],
  { account, timeoutMs }: { account: Account | null; timeoutMs: number },
): Promise<CommandOutcome> {
  return new Promise(resolve => {
    const options = {
      ...surroundings(account),
      encoding: 'utf8',
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: 1 << 20,
    } as const
    const settle = (error: Error | null, stdout: string, stderr: string) => {
      resolve({ ok: error === null, reason: error === null ? '' : describe(error), stdout, stderr })
    }
    try {
      execFile(file, args, options, settle).stdin?.end()
    } catch (error) {
      // Some failures to begin (EACCES for a uid that may not be taken on) are thrown and not emitted.
      settle(error as Error, '', '')
    }
  })
}

function describe(
  error: Error & { code?: string | number | null; killed?: boolean; signal?: unknown },
): string {
  if (error.killed === true) return 'timeout'
  return String(error.code ?? error.signal ?? error.message)
}
