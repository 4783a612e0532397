import { execFile } from 'node:child_process'
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded-postgres.ts'
import { filesOf } from '../../src/database/embedded-postgres-cluster.ts'
import { identifyProcess, readPidFile } from '../../src/database/embedded-postgres-postmaster.ts'
import { migrate } from '../../src/database/migrate.ts'
import type { TestDatabase } from './test-database.ts'
import { until } from './until.ts'

/** A PostgreSQL of a test file's own, to be stopped and started, with one migrated database after another. */
export interface OwnPostgres {
  /** A new database, and the handle to look into it. */
  createDatabase(): Promise<TestDatabase>
  /**
   * Ends the server and waits until it is gone: SIGINT ends its sessions and writes what it has, SIGQUIT just ends
   * them, SIGKILL leaves everything as it is.
   */
  stop(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void>
  /** SIGSTOP for the server and every session of it: connections stay, and nobody answers. */
  freeze(): Promise<{ resume(): void }>
  /** On the same port, with the same data. */
  start(): Promise<void>
  remove(): Promise<void>
}

const run = promisify(execFile)
const TEMPLATE = 'tributary_template'

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const home = await realpath(await mkdtemp(join(tmpdir(), 'tributary-faults-')))
  // As root the server runs as somebody else, who could not enter what mkdtemp makes.
  await chmod(home, 0o755)
  const options = {
    dataDir: join(home, 'data'),
    systemDir: join(home, 'system'),
    log: () => {},
    // What a test stops shall be away until the test starts it again.
    restarts: { attempts: 0, baseMs: 1, maxMs: 1 },
  }
  const started: EmbeddedPostgres[] = [await startEmbeddedPostgres(options)]
  const url = started[0]?.url ?? ''
  const urlOf = (name: string) => {
    const database = new URL(url)
    database.pathname = `/${name}`
    return database.href
  }
  const administer = async (statement: string) => {
    const client = new pg.Client({ connectionString: url, application_name: 'test' })
    client.on('error', () => {})
    await client.connect()
    await client.query(statement).finally(() => client.end())
  }
  await administer(`CREATE DATABASE ${TEMPLATE}`)
  await migrate(urlOf(TEMPLATE), () => {})
  let databases = 0
  return {
    async createDatabase() {
      const name = `test_${++databases}`
      await administer(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`)
      const pool = new pg.Pool({ connectionString: urlOf(name), max: 2, application_name: 'test' })
      pool.on('error', () => {})
      return {
        url: urlOf(name),
        query: async (text, values) => (await pool.query(text, values)).rows,
        drop: () => pool.end(),
      }
    },
    async stop(signal) {
      const dir = await realpath(filesOf(options.dataDir).cluster)
      const pidFile = await readPidFile(dir)
      if (pidFile === null || pidFile === 'empty') throw new Error('the server does not run')
      process.kill(pidFile.pid, signal)
      await until(async () => (await identifyProcess(pidFile.pid, dir)) === 'none', {
        what: 'PostgreSQL to be gone',
      })
    },
    async freeze() {
      const dir = await realpath(filesOf(options.dataDir).cluster)
      const pidFile = await readPidFile(dir)
      if (pidFile === null || pidFile === 'empty') throw new Error('the server does not run')
      const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pidFile.pid)])
      const pids = [pidFile.pid, ...stdout.split('\n').map(Number).filter(Boolean)]
      const signal = (name: 'SIGSTOP' | 'SIGCONT') => {
        for (const pid of pids) {
          try {
            process.kill(pid, name)
          } catch {
            // A session that has just ended.
          }
        }
      }
      signal('SIGSTOP')
      let frozen = true
      const resume = () => {
        if (frozen) signal('SIGCONT')
        frozen = false
      }
      onTestFinished(resume)
      return { resume }
    },
    async start() {
      const server = await startEmbeddedPostgres(options)
      started.push(server)
      if (server.url !== url) throw new Error(`PostgreSQL is back on another port: ${server.url}`)
    },
    async remove() {
      // The last one to leave stops it.
      for (const server of started) await server.stop()
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
