import { type StdioOptions, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { constants, type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { giveToOwnerOf } from '../shared/give-to-owner.ts'
import type { Account } from './embedded-postgres-account.ts'
import type { Binaries } from './embedded-postgres-binaries.ts'
import { type EmbeddedPostgresFiles, writeWhole } from './embedded-postgres-cluster.ts'
import { surroundings } from './embedded-postgres-command.ts'
import { type Connection, connect, serves } from './embedded-postgres-connection.ts'
import { displayPath, EmbeddedPostgresError, errorCode, orAbsent } from './embedded-postgres-error.ts'
import {
  identifyProcess,
  isAlive,
  pidFilePath,
  readPidFile,
  stopPostmaster,
} from './embedded-postgres-postmaster.ts'

/**
 * From nothing, or from a server that is there and does not answer yet, to a connection. A start takes 0.1 s; what
 * takes long is recovery after a kill, which reads at most max_wal_size.
 */
export const serverTimeoutMs = 60_000
const pollMs = 10
/** After this the wait is worth a line. */
const noticeMs = 1_000
/** A server writes its pid file in one step after creating it; one that stays empty has nobody who fills it. */
const emptyPidFileMs = 2_000
const logLimitBytes = 5 * 1024 * 1024
/** Sessions of a killed server end when they next look, some 10 ms later as a rule. */
const retryMs = 50

export const holdName = 'tributary-embedded-hold'

export interface ServerOptions {
  readonly files: EmbeddedPostgresFiles
  /** The data folder, links resolved */
  readonly dir: string
  readonly password: string
  readonly log: (message: string) => void
  /** Ends what waits for a server */
  readonly signal?: AbortSignal | undefined
}

export interface RunningServer {
  readonly port: number
  readonly connection: Connection
}

/**
 * The server that already runs for this data folder; null where none does, and then its pid file is no obstacle to a
 * new one. One that is starting, stopping or recovering is waited for. The caller holds the lock, so that no other
 * gateway starts or stops one meanwhile.
 *
 * The pid file alone proves nothing: it outlives a killed server, and its number may since belong to any process. So
 * the process must be a server of this folder, and answer to our password, and say that this is its folder.
 */
export async function findRunningServer(
  options: ServerOptions,
  deadline: number,
): Promise<RunningServer | null> {
  const { files, dir } = options
  const since = performance.now()
  let noticed = false
  for (;;) {
    options.signal?.throwIfAborted()
    const pidFile = await readPidFile(dir)
    if (pidFile === null) return null
    let doing = 'starting'
    if (pidFile === 'empty') {
      if (performance.now() - since > emptyPidFileMs) {
        await rm(pidFilePath(dir), { force: true })
        return null
      }
    } else {
      const kind = await identifyProcess(pidFile.pid, dir)
      if (kind === 'none') {
        // Left where its process is gone: PostgreSQL then also looks for sessions of that server that still end.
        // Where the number belongs to another process PostgreSQL takes that for the server, if the user is the same.
        if (isAlive(pidFile.pid)) await rm(pidFilePath(dir), { force: true })
        return null
      }
      const ready = pidFile.status === 'ready' && pidFile.port !== null
      const found = ready ? await tryConnect(options, pidFile.port) : null
      if (found !== null && typeof found === 'object') return found
      if (kind === 'unknown') {
        if (found === 'other') await rm(pidFilePath(dir), { force: true })
        // What does not answer, and cannot be known, is left to PostgreSQL's own judgement of its pid file.
        if (found !== 'busy') return null
      }
      if (ready) {
        doing = 'not answering yet'
      } else if (pidFile.status !== null) {
        doing = pidFile.status
      }
    }
    const now = performance.now()
    if (now > deadline) {
      throw await withLog(
        files,
        `The embedded PostgreSQL of ${displayPath(files.cluster)} runs, and is ${doing} for over ` +
          `${Math.round((now - since) / 1000)} s: wait for it, or end its process${pidFile === 'empty' ? '' : ` ${pidFile.pid}`}, and start again`,
      )
    }
    if (!noticed && now - since > noticeMs) {
      noticed = true
      options.log(`waiting for the embedded PostgreSQL, which is ${doing}`)
    }
    await delay(pollMs)
  }
}

/** 'refused': nobody listens there; 'busy': somebody does, and cannot serve now; 'other': it serves other data. */
async function tryConnect(
  options: ServerOptions,
  port: number,
): Promise<RunningServer | 'refused' | 'busy' | 'other'> {
  const { files, dir, password } = options
  let connection: Connection | null = null
  try {
    connection = await connect({ port, password, applicationName: holdName })
    if (await serves(connection, dir)) return { port, connection }
    await connection.close()
    return 'other'
  } catch (error) {
    await connection?.close()
    const code = errorCode(error)
    if (code === '28P01') {
      throw new EmbeddedPostgresError(
        `The embedded PostgreSQL does not take the password in ${displayPath(files.password)}: put back the file that ` +
          `belongs to ${displayPath(files.cluster)}, or set DATABASE_URL.`,
        { cause: error },
      )
    }
    return code === 'ECONNREFUSED' ? 'refused' : 'busy'
  }
}

/**
 * Starts a server and waits until it answers. The caller holds the lock and has found none running.
 *
 * `postgres` itself, in a session of its own so that the terminal's Ctrl-C reaches only the gateway, which then stops
 * it in order. pg_ctl would do the same through a shell, look every 100 ms only, hide why a server ended, and need a
 * log file that the account may write.
 */
export async function startServer(
  options: ServerOptions & {
    binaries: Binaries
    account: Account | null
    /** Where somebody counts on it; otherwise the one last used, or another where that is taken. */
    port?: number
  },
  deadline: number,
): Promise<RunningServer> {
  const { files } = options
  const known = Number(await orAbsent(readFile(files.port, 'utf8')))
  let port = options.port ?? (Number.isInteger(known) && known > 0 && known < 65_536 ? known : randomPort())
  for (;;) {
    const outcome = await launch(options, port, deadline)
    if (outcome === 'ready') {
      if (port !== known) await writeWhole(files, files.port, `${port}\n`)
    } else if (performance.now() > deadline) {
      throw await withLog(files, `The embedded PostgreSQL could not be started (${outcome})`)
    } else if (outcome === 'port taken') {
      if (options.port !== undefined)
        throw new EmbeddedPostgresError(`port ${port}, at which it was, is taken by another program`)
      port = randomPort()
      continue
    } else {
      await delay(retryMs)
    }
    // Also where it is not ours: what occupies the data may be a server that somebody started by hand.
    const server = await findRunningServer(outcome === 'ready' ? unabortable(options) : options, deadline)
    if (server !== null) return server
    if (outcome === 'ready') throw await withLog(files, 'The embedded PostgreSQL started, and ended again')
  }
}

/** What was started is connected to, also when nobody wants it any more: who is connected can stop it in order. */
const unabortable = (options: ServerOptions): ServerOptions => ({ ...options, signal: undefined })

/**
 * Below the ranges from which systems take ports for outgoing connections (Linux: from 32768), so that it is still free
 * at the next start, and what has it in its settings (a psql, a database viewer) goes on working. Whether it is free now
 * is found out by binding it, which the server does anyway.
 */
const randomPort = () => randomInt(20_000, 30_000)

/** Everything but the port. On the command line, so that a new version of the gateway brings its own to old data. */
const settings: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  max_wal_size: '512MB',
  // Three helper processes less. What fits into memory, as these data do, gains nothing from them.
  io_method: 'sync',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
}

async function launch(
  options: ServerOptions & { binaries: Binaries; account: Account | null },
  port: number,
  deadline: number,
): Promise<'ready' | 'port taken' | 'occupied'> {
  const { files, dir, binaries, account } = options
  // The server has its own copies of the descriptor, so this one is closed with this function.
  await using log = await openLog(files)
  const logStart = (await log.stat()).size
  const args = ['-D', dir, '-c', `port=${port}`]
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`)
  const end: { reason: string | null } = { reason: null }
  const stdio: StdioOptions = ['ignore', log.fd, log.fd]
  const child = spawn(binaries.postgres, args, { ...surroundings(account), detached: true, stdio })
  child.once('error', error => {
    end.reason = error.message
  })
  child.once('exit', (code, signal) => {
    end.reason = signal ?? `exit code ${code}`
  })
  child.unref()

  while (end.reason === null) {
    const pidFile = await readPidFile(dir)
    if (pidFile !== null && pidFile !== 'empty' && pidFile.pid === child.pid && pidFile.status === 'ready')
      return 'ready'
    if (options.signal?.aborted) {
      const pgCtl = async () => binaries.pgCtl
      if (child.pid !== undefined) await stopPostmaster({ pid: child.pid, dir, pgCtl, account })
      throw options.signal.reason
    }
    if (performance.now() > deadline) {
      throw await withLog(files, 'The embedded PostgreSQL is still not ready; it goes on, so try again later')
    }
    await delay(pollMs)
  }
  const said = await readLog(files, logStart)
  if (/could not create any TCP\/IP sockets|could not bind IPv4 address/.test(said)) return 'port taken'
  // A server somebody else started, or what is left of a killed one: it is looked for again, or waited for.
  if (/lock file "postmaster.pid" already exists|pre-existing shared memory block/.test(said))
    return 'occupied'
  throw await withLog(files, `The embedded PostgreSQL did not start (${end.reason})`)
}

/** Ours to open, also as root: the server only gets the descriptor, and so needs no rights in the data folder. */
async function openLog(files: EmbeddedPostgresFiles): Promise<FileHandle> {
  const size = (await orAbsent(stat(files.log)))?.size ?? 0
  if (size > logLimitBytes) await rename(files.log, `${files.log}.1`)
  const noFollow = process.platform === 'win32' ? 0 : constants.O_NOFOLLOW
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | noFollow
  const log = await open(files.log, flags, 0o600)
  if (size === 0) await giveToOwnerOf(files.log, log)
  return log
}

const logTailBytes = 4_096
const logTailLines = 6

/** An error whose last lines are those of the server's log. */
export async function withLog(
  files: EmbeddedPostgresFiles,
  sentence: string,
  cause?: unknown,
): Promise<EmbeddedPostgresError> {
  const size = (await orAbsent(stat(files.log)))?.size ?? 0
  const lines = (await readLog(files, Math.max(0, size - logTailBytes)))
    .trim()
    .split('\n')
    .slice(-logTailLines)
  return new EmbeddedPostgresError(
    `${sentence}; ${displayPath(files.log)} says more, or set DATABASE_URL to a PostgreSQL 15 or later:` +
      lines.map(line => `\n  ${line}`).join(''),
    { cause },
  )
}

async function readLog(files: EmbeddedPostgresFiles, start: number): Promise<string> {
  return (await orAbsent(readFile(files.log)))?.subarray(start).toString('utf8') ?? ''
}
