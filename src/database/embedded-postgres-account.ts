import { readFile, stat } from 'node:fs/promises'
import { EmbeddedPostgresError, orAbsent } from './embedded-postgres-error.ts'

/** Whom PostgreSQL runs as where it is not simply the user of this process. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** Null on Windows, which has no uids. */
export function currentUid(): number | null {
  return process.geteuid?.() ?? null
}

/**
 * PostgreSQL refuses to run as root. Null: this process is not root, so PostgreSQL runs as whoever runs the gateway.
 *
 * Data that exist decide, because PostgreSQL demands to run as the user who owns them. For new data the order is:
 * - the owner of the data folder, unless that is root, so that `sudo npm start` in one's own clone leaves data that
 *   also work without sudo;
 * - `postgres`, which exists for this where Debian's or Alpine's server is or was installed;
 * - `nobody`, which every system has. Other daemons may run as it and could then read the data; still it is far
 *   less than root, and to add an account to somebody's machine unasked would be worse.
 * An entry in /etc/passwd is demanded of new data only: initdb looks up the name of its user, the server does not.
 */
export async function chooseAccount(dataDir: string, dataOwnerUid: number | null): Promise<Account | null> {
  if (currentUid() !== 0) return null
  const accounts = await readAccounts()
  if (dataOwnerUid !== null) {
    if (dataOwnerUid === 0) {
      throw new EmbeddedPostgresError(
        `The data in ${dataDir}/postgres belong to root, and PostgreSQL does not run as root: give them to the ` +
          `account they had (chown -R ${accounts.has('postgres') ? 'postgres' : 'nobody'} ${dataDir}/postgres/).`,
      )
    }
    const known = [...accounts.values()].find(account => account.uid === dataOwnerUid)
    return (
      known ?? {
        name: `uid ${dataOwnerUid}`,
        uid: dataOwnerUid,
        gid: (await stat(`${dataDir}/postgres`)).gid,
      }
    )
  }
  const folderUid = (await stat(dataDir)).uid
  const chosen =
    [...accounts.values()].find(account => account.uid === folderUid && account.uid !== 0) ??
    accounts.get('postgres') ??
    accounts.get('nobody')
  if (chosen !== undefined) return chosen
  throw new EmbeddedPostgresError(
    'PostgreSQL does not run as root, and /etc/passwd knows neither postgres nor nobody: start the gateway as a ' +
      'normal user, or set DATABASE_URL to a PostgreSQL 15 or later.',
  )
}

/** By name; what has no positive uid is left out (macOS gives `nobody` -2). */
async function readAccounts(): Promise<Map<string, Account>> {
  const accounts = new Map<string, Account>()
  for (const line of ((await orAbsent(readFile('/etc/passwd', 'utf8'))) ?? '').split('\n')) {
    const [name = '', , uid = '', gid = ''] = line.split(':')
    if (/^\d+$/.test(uid) && /^\d+$/.test(gid) && !accounts.has(name)) {
      accounts.set(name, { name, uid: Number(uid), gid: Number(gid) })
    }
  }
  return accounts
}
