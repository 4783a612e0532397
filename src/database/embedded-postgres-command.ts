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

/** Runs a program to its end, to SIGKILL after `timeoutMs`, or to SIGTERM, at which it may tidy up, when the signal aborts. Never rejects. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: { account: Account | null; timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<CommandOutcome> {
  return new Promise(resolve => {
    const { account, signal } = options
    const settings = {
      ...surroundings(account),
      encoding: 'utf8',
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: 1 << 20,
    } as const
    let onAbort = () => {}
    const settle = (error: Error | null, stdout: string, stderr: string) => {
      signal?.removeEventListener('abort', onAbort)
      resolve({ ok: error === null, reason: error === null ? '' : describe(error), stdout, stderr })
    }
    try {
      const child = execFile(file, args, settings, settle)
      child.stdin?.end()
      onAbort = () => void child.kill('SIGTERM')
      signal?.addEventListener('abort', onAbort, { once: true })
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
