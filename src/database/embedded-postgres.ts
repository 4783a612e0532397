import { resolve } from 'node:path'
import { inTime } from '../shared/abort.ts'
import { makeFolder } from '../shared/make-folder.ts'
import { type Account, chooseAccount } from './embedded-postgres-account.ts'
import { locateBinaries } from './embedded-postgres-binaries.ts'
import {
  checkMajorVersion,
  createCluster,
  type EmbeddedPostgresFiles,
  filesOf,
  findCluster,
  findPassword,
  getOrCreatePassword,
  removeAttempts,
  superuser,
} from './embedded-postgres-cluster.ts'
import type { Connection } from './embedded-postgres-connection.ts'
import { displayPath, EmbeddedPostgresError, errorCode, explainFileError } from './embedded-postgres-error.ts'
import { Hold, type RestartLimits, restartLimits, type TakeServer } from './embedded-postgres-hold.ts'
import { acquireFileLock } from './embedded-postgres-lock.ts'
import { identifyProcess, readPidFile, stopPostmaster } from './embedded-postgres-postmaster.ts'
import {
  findRunningServer,
  type ServerOptions,
  serverTimeoutMs,
  startServer,
  withLog,
} from './embedded-postgres-server.ts'

/*
 * A PostgreSQL that needs nothing but `npm ci`: the server of the package @embedded-postgres/<platform>, with its data
 * below the data folder. It is not the embedded-postgres class that runs it, because the server has to be found again
 * after a kill, shared by gateways, and run by another account where the gateway is root.
 *
 * The protocol between gateways on one data folder:
 * - Who starts or stops holds the lock of the folder, from the first look to the last step. The kernel drops it with
 *   its process, so that a kill at any point leaves either nothing or something the next start recognises.
 * - Who uses the server holds a shared advisory lock in it, taken before the folder's lock is let go.
 * - Who uses it and finds it ended starts it again, at the same port, which is part of everybody's address of it.
 * - Who leaves and is alone stops it. As nobody can begin to use it meanwhile, no starter is left without a server.
 */

export { EmbeddedPostgresError } from './embedded-postgres-error.ts'

export interface EmbeddedPostgres {
  /** Of the database `tributary`, with the password in it */
  readonly url: string
  /** `initialised`: with new data; `started`: with those of an earlier start; `adopted`: it was running */
  readonly origin: 'initialised' | 'started' | 'adopted'
  /** Stops the server unless another gateway uses it. Idempotent; takes some 25 s at the very most, never rejects. */
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  readonly dataDir: string
  readonly log: (message: string) => void
  /** Ends a start that is still under way: it rejects with the signal's reason, and has stopped what it had started. */
  readonly signal?: AbortSignal | undefined
  /** For tests: the platform's package, in place of the installed one */
  readonly packageDir?: string
  /** For tests: how long a server that has ended is started again */
  readonly restarts?: RestartLimits
  /** For tests: where root keeps what PostgreSQL's account must reach and cannot, in place of /var/lib/tributary */
  readonly systemDir?: string
}

const database = 'tributary'
/** Who has it may copy the programs, create the data and wait for a server, each with its own bound. */
const startLockMs = 240_000
/** After this the wait is worth a line. */
const noticeMs = 1_000
/** A supervisor that asks to stop waits for some 30 s until it kills; these two leave the server its share. */
const stopLockMs = 8_000
const answerMs = 4_000

/**
 * Starts the server of `dataDir`, creating its data if there are none, or joins the one that runs; the gateway holds it
 * until `stop`. Any number of processes may do this at any moment.
 *
 * @throws EmbeddedPostgresError with a sentence for whoever started the gateway
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  try {
    const files = filesOf(resolve(options.dataDir))
    await makeFolder(files.dataDir)
    using lock = await acquireStartLock(options, files)
    if (lock !== null) return await startLocked(options, files)
    throw new EmbeddedPostgresError(
      `Another gateway is starting or stopping the embedded PostgreSQL of ${displayPath(files.dataDir)} for over ` +
        `${startLockMs / 1000} s: end it, and start again.`,
    )
  } catch (error) {
    throw explainFileError(error)
  }
}

async function acquireStartLock({ log, signal }: EmbeddedPostgresOptions, files: EmbeddedPostgresFiles) {
  const lock = await acquireFileLock(files.lock, noticeMs, signal)
  if (lock !== null) return lock
  log('waiting for another gateway, which is starting or stopping the embedded PostgreSQL')
  return acquireFileLock(files.lock, startLockMs, signal)
}

async function startLocked(
  {
    log,
    signal,
    packageDir,
    systemDir = '/var/lib/tributary',
    restarts: limits = restartLimits,
  }: EmbeddedPostgresOptions,
  files: EmbeddedPostgresFiles,
): Promise<EmbeddedPostgres> {
  await removeAttempts(files, systemDir)
  let cluster = await findCluster(files)
  const account = await chooseAccount(files.dataDir, cluster?.ownerUid ?? null)
  const locate = () => locateBinaries({ account, dataDir: files.dataDir, systemDir, packageDir, log })
  const shown = displayPath(files.cluster)
  let origin: EmbeddedPostgres['origin'] = 'started'
  let password = await findPassword(files)

  if (cluster === null) {
    log(`starting the embedded PostgreSQL (first start: creating its data in ${shown})`)
    password = await getOrCreatePassword(files)
    const binaries = await locate()
    cluster = await createCluster({ files, binaries, account, password, systemDir, log, signal })
    origin = 'initialised'
  } else if (password === null) {
    throw new EmbeddedPostgresError(
      `${displayPath(files.password)} is gone, and with it the password of ${shown}: put it back, or move ${shown} ` +
        'away to begin with an empty database.',
    )
  }

  const options: ServerOptions = { files, dir: cluster.dir, password, log, signal }
  const deadline = performance.now() + serverTimeoutMs
  let server = await findRunningServer(options, deadline)
  if (server !== null) {
    origin = 'adopted'
    log(`joining the embedded PostgreSQL that already runs (data in ${shown})`)
  } else {
    const binaries = await locate()
    await checkMajorVersion(files, cluster, binaries)
    if (origin === 'started') log(`starting the embedded PostgreSQL (data in ${shown})`)
    server = await startServer({ ...options, binaries, account }, deadline)
  }

  /** What happens to the server while the gateway lives, by whomever, shall not end the gateway's work. */
  const restart = async (port: number, leaving: AbortSignal, take: TakeServer): Promise<void> => {
    using lock = await acquireFileLock(files.lock, startLockMs, leaving)
    if (lock === null) throw new Error('another gateway is starting or stopping it')
    const wanted = { ...options, signal: leaving }
    const until = performance.now() + serverTimeoutMs
    const running = await findRunningServer(wanted, until)
    if (running?.port === port) return take(running)
    if (running) {
      await running.connection.close()
      throw new Error(`somebody has started it at port ${running.port} instead of ${port}`)
    }
    log('the embedded PostgreSQL has ended; starting it again')
    await take(await startServer({ ...wanted, binaries: await locate(), account, port }, until))
    log('the embedded PostgreSQL runs again')
  }
  const use: Use = {
    options,
    account,
    pgCtl: async () => (await locate()).pgCtl,
    hold: new Hold({ ...options, restart, limits }, server),
  }
  try {
    await use.hold.take()
    await createDatabase(server.connection)
    signal?.throwIfAborted()
  } catch (error) {
    await leave(use)
    signal?.throwIfAborted()
    throw await withLog(
      files,
      `The embedded PostgreSQL runs and does not work (${(error as Error).message})`,
      error,
    )
  }
  const url = `postgresql://${superuser}:${password}@127.0.0.1:${server.port}/${database}`
  let stopped: Promise<void> | null = null
  return {
    url,
    origin,
    stop() {
      stopped ??= leaveInOrder(use)
      return stopped
    },
  }
}

async function createDatabase({ client }: Connection): Promise<void> {
  const { rows } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database])
  if (rows.length > 0) return
  try {
    await client.query(`CREATE DATABASE ${database}`)
  } catch (error) {
    // The lock leaves this to one gateway at a time; somebody by hand may still be faster.
    if (errorCode(error) !== '42P04' && errorCode(error) !== '23505') throw error
  }
}

/** What one gateway has of the server. */
interface Use {
  readonly options: ServerOptions
  readonly account: Account | null
  readonly pgCtl: () => Promise<string>
  readonly hold: Hold
}

async function leaveInOrder(use: Use): Promise<void> {
  const { files, log } = use.options
  use.hold.leave()
  try {
    using lock = await acquireFileLock(files.lock, stopLockMs)
    if (lock !== null) return await leave(use)
    log('leaving the embedded PostgreSQL running: another gateway is just starting or stopping it')
  } catch (error) {
    log(`leaving the embedded PostgreSQL as it is: ${(error as Error).message}`)
  }
  await use.hold.close()
}

/** The caller has the lock of the data folder. */
async function leave({ options, account, pgCtl, hold }: Use): Promise<void> {
  const { dir, log } = options
  try {
    const alone = await inTime(hold.release(), answerMs, () => null)
    if (alone === false) return log('leaving the embedded PostgreSQL running: another gateway uses it')
    const pidFile = await readPidFile(dir)
    if (pidFile === null || pidFile === 'empty' || (await identifyProcess(pidFile.pid, dir)) === 'none')
      return
    if (alone === null) return log('leaving the embedded PostgreSQL as it is: it does not answer')
    log('stopping the embedded PostgreSQL')
    const outcome = await stopPostmaster({ pid: pidFile.pid, dir, pgCtl, account })
    if (outcome === 'refused')
      log(`the embedded PostgreSQL (process ${pidFile.pid}) may only be stopped by its user`)
    if (outcome === 'still running') log(`the embedded PostgreSQL (process ${pidFile.pid}) does not stop`)
  } finally {
    await hold.close()
  }
}
