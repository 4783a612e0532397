import { sqlState } from './postgres-errors.ts'

/** The database of DATABASE_URL cannot be used, in a sentence that says what to do. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
}

/**
 * What somebody who set DATABASE_URL needs to know of why it does not work; undefined for what nobody expected.
 * @param reached whether anything took the connection
 */
export function explainDatabase(error: unknown, url: string, reached: boolean): string | undefined {
  const names = namesIn(url)
  const { host } = names
  const said = error instanceof Error ? error.message : String(error)
  const { code: systemCode = '', syscall } = error as NodeJS.ErrnoException
  const code = sqlState(error) ?? systemCode
  // Another file that is missing is not the database's socket.
  if (code === 'ENOENT' && syscall !== 'connect') return undefined
  if (Object.hasOwn(sentences, code)) return sentences[code]?.({ ...names, said })
  if (/password must be a (non-empty )?string/.test(said))
    return `The database at ${host} asks for a password, and DATABASE_URL has none: write it as postgresql://user:password@host/database.`
  if (said === 'timeout expired')
    return reached
      ? `Something listens at ${host} and does not answer as a PostgreSQL does: see whether DATABASE_URL has the right host and port.`
      : noAnswer({ ...names, said })
  if (/Connection terminated|socket hang up/i.test(said))
    return `What listens at ${host} hangs up: see whether it is a PostgreSQL, and whether DATABASE_URL has the right host and port.`
  if (said.includes('does not support SSL'))
    return `The database at ${host} has no TLS, and DATABASE_URL asks for it: take sslmode out, or set up TLS there.`
  if (/CERT|VERIFY/.test(code))
    return `The certificate of the database at ${host} cannot be verified (${said}): name its authority with sslrootcert in DATABASE_URL.`
  return undefined
}

interface Names {
  host: string
  database: string
  user: string
  /** By the server, or the driver. */
  said: string
}

function namesIn(address: string): Omit<Names, 'said'> {
  const url = new URL(address)
  // A socket's folder stands in a parameter.
  const host = url.host || url.searchParams.get('host') || 'localhost'
  const user = decoded(url.username) || 'of this system'
  return { host, user, database: decoded(url.pathname.slice(1)) || user }
}

/** The driver takes a % that stands for nothing as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const noAnswer = ({ host }: Names) =>
  `No database answers at ${host}: start it, set DATABASE_URL to where it is, or leave DATABASE_URL away for the embedded one.`
const unknownHost = ({ host }: Names) =>
  `The host of ${host} in DATABASE_URL has no address: see whether it is written right, or leave DATABASE_URL away for the embedded one.`
const refused = ({ host, said }: Names) =>
  `The database at ${host} refuses the user or the password in DATABASE_URL (${said}): set the ones it knows.`

const lacksRights = ({ user, database, said }: Names) =>
  `The user ${user} in DATABASE_URL lacks rights in the database ${database} (${said}): make it the owner of the ` +
  `database, or name the user who owns its tables.`

/** By the system's code or PostgreSQL's. */
const sentences: Partial<Record<string, (names: Names) => string>> = {
  ECONNREFUSED: noAnswer,
  ECONNRESET: noAnswer,
  EHOSTUNREACH: noAnswer,
  ENETUNREACH: noAnswer,
  ETIMEDOUT: noAnswer,
  ENOENT: noAnswer,
  ENOTFOUND: unknownHost,
  EAI_AGAIN: unknownHost,
  '28P01': refused,
  '28000': refused,
  '3D000': ({ host, database }) =>
    `The database ${database} does not exist at ${host}: create it, or name another one in DATABASE_URL.`,
  // The schemas that it may use are none.
  '3F000': lacksRights,
  '42501': lacksRights,
  '53300': ({ host }) =>
    `The database at ${host} has no connection left: end what holds them, or raise its max_connections.`,
  '57P03': ({ host, said }) =>
    `The database at ${host} takes no connections yet (${said}): try again in a moment.`,
}
