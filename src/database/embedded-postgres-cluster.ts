import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import {
  constants,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { giveToOwnerOf } from '../shared/give-to-owner.ts'
import { type Account, currentUid } from './embedded-postgres-account.ts'
import { type Binaries, prepareOwnFolder } from './embedded-postgres-binaries.ts'
import { runCommand } from './embedded-postgres-command.ts'
import { displayPath, EmbeddedPostgresError, orAbsent } from './embedded-postgres-error.ts'

/** What lies in the data folder. All paths are absolute. */
export interface EmbeddedPostgresFiles {
  readonly dataDir: string
  /** The database cluster, or a link to it */
  readonly cluster: string
  readonly password: string
  /** The port last used */
  readonly port: string
  readonly log: string
  readonly lock: string
  /** Clusters in the making, and files about to be renamed to their place. Under the lock they are left-overs. */
  readonly attemptPrefix: string
}

export function filesOf(dataDir: string): EmbeddedPostgresFiles {
  return {
    dataDir,
    cluster: join(dataDir, 'postgres'),
    password: join(dataDir, 'postgres-password'),
    port: join(dataDir, 'postgres-port'),
    log: join(dataDir, 'postgres.log'),
    lock: join(dataDir, 'postgres.lock'),
    attemptPrefix: join(dataDir, 'postgres.init-'),
  }
}

export interface Cluster {
  /** Where the data really are, links resolved */
  readonly dir: string
  readonly ownerUid: number | null
}

export const superuser = 'tributary'

/** 1 s here; minutes on a slow disk, which initdb writes 40 MB to. */
const initdbTimeoutMs = 120_000
const probeTimeoutMs = 15_000

/** Null where there are no data yet. An empty folder counts as none, so that somebody may have prepared it. */
export async function findCluster(files: EmbeddedPostgresFiles): Promise<Cluster | null> {
  const entry = await orAbsent(lstat(files.cluster))
  if (entry === null) return null
  const shown = displayPath(files.cluster)
  const dir = await orAbsent(realpath(files.cluster))
  if (dir === null) {
    throw new EmbeddedPostgresError(
      `${shown} is a link to ${await readlink(files.cluster)}, which is gone: bring that back, or delete the link to ` +
        'begin with an empty database.',
    )
  }
  const { uid } = await stat(dir)
  if (currentUid() !== null && currentUid() !== 0 && uid !== currentUid()) {
    throw new EmbeddedPostgresError(
      `The data in ${shown} belong to another user (uid ${uid}): run the gateway as that user or as root, or set ` +
        'DATA_DIR to another folder.',
    )
  }
  const names = await readdir(dir)
  if (names.length === 0) return null
  if (names.includes('PG_VERSION')) return { dir, ownerUid: currentUid() === null ? null : uid }
  throw new EmbeddedPostgresError(
    `${shown} holds something else than PostgreSQL's data: move it away, or set DATA_DIR to another folder.`,
  )
}

/** @throws EmbeddedPostgresError where these binaries cannot read the data */
export async function checkMajorVersion(files: EmbeddedPostgresFiles, cluster: Cluster, binaries: Binaries) {
  const major = (await readFile(join(cluster.dir, 'PG_VERSION'), 'utf8')).trim()
  if (major === String(binaries.major)) return
  const shown = displayPath(files.cluster)
  throw new EmbeddedPostgresError(
    `The data in ${shown} were written by PostgreSQL ${major}, and the embedded one is ${binaries.major}: start the ` +
      `version of the gateway that wrote them to save what you need, or move ${shown} away to begin with an empty ` +
      'database.',
  )
}

/**
 * Makes the cluster, whole or not at all: initdb works under a name of its own and a rename puts the result in place.
 *
 * Where the account cannot come to the data folder, as below a home with mode 0700, the data go to `systemDir` and a
 * link stands for them. The link is there first, under the attempt's name, so that what a killed start leaves behind
 * can always be found from the data folder.
 */
export async function createCluster(options: {
  files: EmbeddedPostgresFiles
  binaries: Binaries
  account: Account | null
  password: string
  systemDir: string
  log: (message: string) => void
  signal: AbortSignal | undefined
}): Promise<Cluster> {
  const { files, binaries, account, systemDir, log } = options
  const id = randomBytes(6).toString('hex')
  const attempt = `${files.attemptPrefix}${id}`
  let target = attempt
  if (account !== null) {
    if (await canReach(binaries, account, files.dataDir)) {
      await makeFolderFor(account, attempt)
    } else {
      target = join(systemDir, `data-${id}`)
      await makeFolderElsewhere({ ...options, account, attempt, target })
    }
  }
  await runInitdb(options, target)
  // PostgreSQL's own writes are durable only if the name that leads to them is.
  await rename(attempt, files.cluster)
  await syncFolder(files.dataDir)
  if (target !== attempt) {
    log(
      `${account?.name} may not enter ${displayPath(files.dataDir)}, so the data are in ${target}, and ${displayPath(files.cluster)} is a link to them`,
    )
  }
  return { dir: await realpath(files.cluster), ownerUid: account?.uid ?? currentUid() }
}

async function makeFolderElsewhere(options: {
  files: EmbeddedPostgresFiles
  binaries: Binaries
  account: Account
  systemDir: string
  attempt: string
  target: string
}): Promise<void> {
  const { files, binaries, account, systemDir, attempt, target } = options
  if ((await prepareOwnFolder(systemDir)) && (await canReach(binaries, account, systemDir))) {
    await symlink(target, attempt)
    return makeFolderFor(account, target)
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root, and ${account.name}, which it would run as, may enter neither ` +
      `${displayPath(files.dataDir)} nor ${systemDir}: set DATA_DIR to a folder it may enter, or set DATABASE_URL to ` +
      'a PostgreSQL 15 or later.',
  )
}

async function runInitdb(
  options: {
    files: EmbeddedPostgresFiles
    binaries: Binaries
    account: Account | null
    password: string
    systemDir: string
    signal: AbortSignal | undefined
  },
  target: string,
): Promise<void> {
  const { files, binaries, account, password, systemDir, signal } = options
  const passwordFile = `${target}.password`
  await writePasswordFor(account, passwordFile, password)
  const outcome = await runCommand(
    binaries.initdb,
    [
      `--pgdata=${target}`,
      `--username=${superuser}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // PostgreSQL's own C.UTF-8: sorts by code point and knows the case of every letter, the same on each machine,
      // whatever locales it has or has not.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
    ],
    { account, timeoutMs: initdbTimeoutMs, signal },
  )
  await rm(passwordFile, { force: true })
  if (outcome.ok && !signal?.aborted) return
  await removeAttempts(files, systemDir)
  signal?.throwIfAborted()
  const said = outcome.stderr.trim().split('\n').slice(-5).join('\n  ')
  const nameless = outcome.stderr.includes('could not look up effective user ID')
  throw new EmbeddedPostgresError(
    nameless
      ? `The user with uid ${currentUid()} has no name, which PostgreSQL's initdb demands: add it to /etc/passwd, or ` +
          'set DATABASE_URL to a PostgreSQL 15 or later.'
      : `PostgreSQL's initdb could not create ${displayPath(files.cluster)} (${outcome.reason}); mend what it says, ` +
          `or set DATABASE_URL to a PostgreSQL 15 or later:\n  ${said}`,
  )
}

/**
 * Really tries, with a program that looks for its settings there: what it has to say is that there are none, and not
 * that it was not let in. Nothing is written to a folder whose owner may be somebody else.
 */
async function canReach(binaries: Binaries, account: Account, dir: string): Promise<boolean> {
  const args = ['-D', dir, '-C', 'data_directory']
  const outcome = await runCommand(binaries.postgres, args, { account, timeoutMs: probeTimeoutMs })
  return outcome.ok || outcome.stderr.includes('postgresql.conf": No such file or directory')
}

/** On the open folder and not on its path: who owns the folder above could have put a link there in between. */
async function makeFolderFor(account: Account, path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 })
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    await folder.chown(account.uid, account.gid)
  } finally {
    await folder.close()
  }
}

async function writePasswordFor(account: Account | null, path: string, password: string): Promise<void> {
  await writeNew(path, `${password}\n`, 0o600, async file => {
    if (account !== null) await file.chown(account.uid, account.gid)
  })
}

async function writeNew(
  path: string,
  text: string,
  mode: number,
  adapt: (file: FileHandle) => Promise<void>,
) {
  const file = await open(path, 'wx', mode)
  try {
    await file.writeFile(text)
    await adapt(file)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Removes what starts left that were killed on their way. The caller holds the lock. */
export async function removeAttempts(files: EmbeddedPostgresFiles, systemDir: string): Promise<void> {
  for (const name of await readdir(files.dataDir)) {
    if (!name.startsWith(basename(files.attemptPrefix))) continue
    const path = join(files.dataDir, name)
    if ((await lstat(path)).isSymbolicLink()) {
      const target = await readlink(path)
      // A link is only followed to where this file lays them.
      if (dirname(target) === systemDir && /^data-[0-9a-f]+$/.test(basename(target))) {
        await removeQuietly(target)
        await removeQuietly(`${target}.password`)
      }
    }
    await removeQuietly(path)
  }
}

/** An initdb whose gateway was killed may still be writing there; then the next start removes it. */
async function removeQuietly(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => {})
}

/** Replaces a small file as a whole, and makes it last. */
export async function writeWhole(files: EmbeddedPostgresFiles, path: string, text: string): Promise<void> {
  const half = `${files.attemptPrefix}${randomBytes(6).toString('hex')}`
  await writeNew(half, text, 0o600, file => giveToOwnerOf(path, file))
  await rename(half, path)
}

/** The superuser's password: made once, before the data, which are useless without it. */
export async function findPassword(files: EmbeddedPostgresFiles): Promise<string | null> {
  const password = (await orAbsent(readFile(files.password, 'utf8')))?.trim()
  return password === undefined || password === '' ? null : password
}

export async function getOrCreatePassword(files: EmbeddedPostgresFiles): Promise<string> {
  const known = await findPassword(files)
  if (known !== null) return known
  const password = randomBytes(24).toString('base64url')
  await writeWhole(files, files.password, `${password}\n`)
  return password
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders, and needs it for nothing.
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
