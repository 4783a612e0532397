import { stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import pg from 'pg'
import { superuser } from './embedded-postgres-cluster.ts'

/** One session with the embedded server, which neither ends the process when it breaks nor keeps it alive. */
export interface Connection {
  readonly client: pg.Client
  readonly lost: boolean
  /** Called once, also when it was lost before. Not called for `close`. */
  onLost(listener: () => void): void
  /** From now on the process waits for what is asked: for the last questions before the end. */
  keepProcessAlive(): void
  close(): Promise<void>
}

/** On loopback a server that lives answers within milliseconds; this is for a machine that has stalled. */
const connectTimeoutMs = 5_000
/** Enough for CREATE DATABASE on a slow disk. */
const queryTimeoutMs = 30_000
/** An orderly end is a courtesy to the server's log. */
const closeTimeoutMs = 500

export async function connect(options: {
  port: number
  password: string
  applicationName: string
}): Promise<Connection> {
  const socket = new Socket()
  const client = new pg.Client({
    host: '127.0.0.1',
    port: options.port,
    user: superuser,
    password: options.password,
    // The one database that nobody has a reason to drop or to rename.
    database: 'postgres',
    application_name: options.applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    // Not what PGSSLMODE asks for: the server has no TLS, and needs none on loopback.
    ssl: false,
    stream: () => socket,
  })
  let lost = false
  let closed = false
  const listeners: (() => void)[] = []
  const markLost = () => {
    if (lost || closed) return
    lost = true
    for (const listener of listeners) listener()
  }
  client.on('error', markLost)
  client.on('end', markLost)
  try {
    await client.connect()
  } catch (error) {
    closed = true
    socket.destroy()
    throw error
  }
  socket.unref()
  return {
    client,
    get lost() {
      return lost
    },
    onLost(listener) {
      if (lost) listener()
      else listeners.push(listener)
    },
    keepProcessAlive() {
      socket.ref()
    },
    async close() {
      closed = true
      socket.ref()
      const cutOff = setTimeout(() => socket.destroy(), closeTimeoutMs)
      await client.end().catch(() => {})
      clearTimeout(cutOff)
      socket.destroy()
    },
  }
}

/**
 * Whether the server at the other end is the one of this data folder. A name does not say so: the folder may have been
 * copied, password and all, while its server ran; and one folder can have several names.
 */
export async function serves(connection: Connection, dir: string): Promise<boolean> {
  const { rows } = await connection.client.query<{ dir: string }>(
    "SELECT current_setting('data_directory') AS dir",
  )
  const theirs = rows[0]?.dir
  return theirs !== undefined && (theirs === dir || (await isSameFolder(theirs, dir)))
}

export async function isSameFolder(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map(path => stat(path, { bigint: true }).catch(() => null)))
  return a != null && b != null && a.ino === b.ino && a.dev === b.dev
}
