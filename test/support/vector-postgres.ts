import { execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { migrate } from '../../src/database/migrate.ts'
import { freePort } from './redis-server.ts'
import type { TestDatabase } from './test-database.ts'
import { until } from './until.ts'

/** Said where tests are skipped. */
export const NO_PGVECTOR =
  'needs a PostgreSQL 15 or later with pgvector (PGVECTOR_BIN, or /usr/lib/postgresql/*/bin: postgresql-*-pgvector)'

const run = promisify(execFile)
const TEMPLATE = 'tributary_template'

/** The folder of the programs of a PostgreSQL that has pgvector: the one that PGVECTOR_BIN names, or a Debian package's. */
export function findVectorPostgres(): string | undefined {
  const named = process.env.PGVECTOR_BIN
  if (named) return named
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : []
  const version = versions
    .filter(name => Number(name) >= 15 && existsSync(`/usr/lib/postgresql/${name}/bin/initdb`))
    .find(name => existsSync(`/usr/share/postgresql/${name}/extension/vector.control`))
  return version && `/usr/lib/postgresql/${version}/bin`
}

export interface VectorPostgres {
  /** A migrated database, without the extension as yet. */
  createDatabase(options?: { owner?: string }): Promise<TestDatabase>
  stop(): Promise<void>
}

/** A server with pgvector in a folder of its own, as another user where this one is root. */
export async function startVectorPostgres(bin: string): Promise<VectorPostgres> {
  const home = await mkdtemp(join(tmpdir(), 'tributary-vectors-'))
  const account = process.geteuid?.() === 0 ? await findAccount() : undefined
  await chmod(home, 0o755)
  const data = join(home, 'data')
  if (account) await chown(home, account.uid, account.gid)
  const env = { ...process.env, LC_ALL: 'C' }
  await run(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'], {
    ...account,
    env,
    cwd: home,
  })
  const port = await freePort()
  const settings = ['fsync=off', 'max_connections=200', 'unix_socket_directories=']
  const child = spawn(
    join(bin, 'postgres'),
    ['-D', data, '-p', String(port), '-h', '127.0.0.1', ...settings.flatMap(setting => ['-c', setting])],
    { ...account, env, cwd: home, stdio: 'ignore' },
  )
  const urlOf = (database: string, user = 'postgres') => `postgresql://${user}@127.0.0.1:${port}/${database}`
  const administer = async (...statements: string[]) => {
    const client = new pg.Client(urlOf('postgres'))
    client.on('error', () => {})
    await client.connect()
    try {
      for (const statement of statements) await client.query(statement)
    } finally {
      await client.end()
    }
  }
  await until(
    () =>
      administer().then(
        () => true,
        () => false,
      ),
    { what: 'PostgreSQL with pgvector to start' },
  )
  await administer(`CREATE DATABASE ${TEMPLATE}`)
  await migrate(urlOf(TEMPLATE), () => {})
  let databases = 0
  return {
    async createDatabase({ owner } = {}) {
      const name = `test_${++databases}`
      if (owner === undefined) await administer(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`)
      else {
        await administer(`CREATE ROLE ${owner} LOGIN`, `CREATE DATABASE ${name} OWNER ${owner}`)
        await migrate(urlOf(name, owner), () => {})
      }
      const pool = new pg.Pool({ connectionString: urlOf(name), max: 2, application_name: 'test' })
      pool.on('error', () => {})
      return {
        url: urlOf(name, owner),
        query: async (text, values) => (await pool.query(text, values)).rows,
        drop: () => pool.end(),
      }
    },
    async stop() {
      const gone = new Promise(resolve => child.once('exit', resolve))
      if (child.exitCode === null && child.kill('SIGQUIT')) await gone
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** PostgreSQL does not run as root. */
async function findAccount(): Promise<{ uid: number; gid: number }> {
  for (const name of ['postgres', 'nobody']) {
    const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find(row => row.startsWith(`${name}:`))
    const [, , uid, gid] = line?.split(':') ?? []
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('neither postgres nor nobody is an account here')
}
