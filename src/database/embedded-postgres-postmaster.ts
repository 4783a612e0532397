import { readFile } from 'node:fs/promises'
import { basename, isAbsolute, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Account } from './embedded-postgres-account.ts'
import { runCommand } from './embedded-postgres-command.ts'
import { isSameFolder } from './embedded-postgres-connection.ts'
import { errorCode, orAbsent } from './embedded-postgres-error.ts'

/** What a server writes into its data folder, and what a killed one leaves there. */
export interface PidFile {
  readonly pid: number
  /** Null while the server has not come as far as to write it */
  readonly port: number | null
  readonly status: 'starting' | 'ready' | 'stopping' | null
}

export const pidFilePath = (dir: string): string => join(dir, 'postmaster.pid')

/** Null: there is none. 'empty': a server died while it wrote it, or is about to write it. */
export async function readPidFile(dir: string): Promise<PidFile | 'empty' | null> {
  const text = await orAbsent(readFile(pidFilePath(dir), 'utf8'))
  if (text === null) return null
  // Lines: pid, data folder, time of start, port, socket folder, address, shared memory, status.
  const [pid = '', , , port = '', , , , status = ''] = text.split('\n').map(line => line.trim())
  // A negative one is that of a single-user server, which somebody runs by hand.
  if (!/^-?[1-9]\d*$/.test(pid)) return 'empty'
  return {
    pid: Math.abs(Number(pid)),
    port: /^[1-9]\d*$/.test(port) ? Number(port) : null,
    status: status === 'starting' || status === 'ready' || status === 'stopping' ? status : null,
  }
}

/**
 * What a process is to a data folder:
 * - `ours`: a server that was started for it;
 * - `none`: no process, one that died and was not yet reaped, or a program with other business, to which the number of
 *   a dead server was given;
 * - `unknown`: alive, and this system does not tell what it is.
 */
export type ProcessKind = 'ours' | 'none' | 'unknown'

export async function identifyProcess(pid: number, dir: string): Promise<ProcessKind> {
  if (!isAlive(pid)) return 'none'
  const args = await commandLine(pid)
  if (args === null) return isAlive(pid) ? 'unknown' : 'none'
  // Not always first: where another processor is emulated, the emulator comes before it. A server's helpers do not
  // match, as they call themselves "postgres: checkpointer".
  const program = args.slice(0, 4).findIndex(arg => /^postgres(\.exe)?$/.test(basename(arg)))
  if (program === -1) return 'none'
  const option = args.indexOf('-D', program)
  const folder = option === -1 ? undefined : args[option + 1]
  if (folder === undefined && program > 0) return 'none'
  if (folder === undefined || !isAbsolute(folder)) return 'unknown'
  return folder === dir || (await isSameFolder(folder, dir)) ? 'ours' : 'none'
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** Null where the system does not tell. Empty for a process that is dead but for its entry. */
async function commandLine(pid: number): Promise<string[] | null> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null)
    return text === null ? null : text.split('\0').filter(part => part !== '')
  }
  if (process.platform === 'win32') return null
  const outcome = await runCommand('/bin/ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
    account: null,
    timeoutMs: 5_000,
  })
  // Without the bounds between arguments: `-D` and what follows up to the next option will do.
  const parts = /^(\S+)(?:.*? -D (.+?)(?= -\w |$))?/.exec(outcome.stdout.trim())
  if (!outcome.ok || parts === null) return null
  return parts[2] === undefined ? [parts[1] ?? ''] : [parts[1] ?? '', '-D', parts[2]]
}

/** A fast stop ends sessions and writes a checkpoint of at most the shared buffers. */
const fastStopMs = 10_000
/** An immediate one does not: it leaves the next start to recover, which loses nothing. */
const immediateStopMs = 3_000
const pollMs = 10

export type StopOutcome = 'stopped' | 'refused' | 'still running'

/**
 * Stops a server that the caller knows to be the one of `dir`.
 *
 * What `pg_ctl stop -m fast` does, without its steps of 100 ms and without the need to become the account first; on
 * Windows, which has no such signals, pg_ctl itself.
 */
export async function stopPostmaster(options: {
  pid: number
  dir: string
  pgCtl: () => Promise<string>
  account: Account | null
}): Promise<StopOutcome> {
  const { pid, dir, account } = options
  for (const [mode, signal, timeoutMs] of [
    ['fast', 'SIGINT', fastStopMs],
    ['immediate', 'SIGQUIT', immediateStopMs],
  ] as const) {
    if (process.platform === 'win32') {
      const args = ['stop', '-D', dir, '-m', mode, '-W']
      await runCommand(await options.pgCtl(), args, { account, timeoutMs })
    } else {
      try {
        process.kill(pid, signal)
      } catch (error) {
        return errorCode(error) === 'ESRCH' ? 'stopped' : 'refused'
      }
    }
    if (await waitUntilGone(pid, dir, timeoutMs)) return 'stopped'
  }
  return 'still running'
}

async function waitUntilGone(pid: number, dir: string, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (performance.now() < deadline) {
    if ((await identifyProcess(pid, dir)) === 'none') return true
    await delay(pollMs)
  }
  return false
}
