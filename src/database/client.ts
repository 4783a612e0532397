import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { parseUtcInstant } from '../shared/instant.ts'
import type { Logger } from '../shared/logger.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { Tracing } from '../shared/tracing.ts'
import { CancellablePool } from './cancellable-client.ts'
import { PrismaClient } from './generated/client.ts'
import type { ColumnTypes } from './prepared-query.ts'

export type Value = string | number | boolean | null | Date

/** A statement that the server parses and plans once on each connection; `name` is unique in the process. */
export interface Statement {
  readonly name: string
  readonly text: string
}

/** What runs a statement: the pool, or a transaction on one connection of it. */
export interface Queryable {
  query<Row>(statement: Statement, values?: readonly Value[]): Promise<Row[]>
}

export interface DatabaseClient extends Queryable {
  readonly prisma: PrismaClient
  readonly pool: pg.Pool
  close(): Promise<void>
}

export interface DatabaseOptions {
  url: string
  poolSize: number
  lockTimeoutMs: number
  logger: Logger
  metrics: Metrics
  tracing?: Tracing | undefined
}

/** A statement of a request that runs so long is broken, or waits for something that will not come. */
const STATEMENT_TIMEOUT_MS = 30_000
/** Over a connection that has gone silent not even the server's own timeout arrives: an answer is waited for only so long. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5000
/** A transaction that does nothing for so long has lost its owner; the server ends it and frees its locks. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000
/** How long a request waits for a connection before it is told that the database is busy. */
const CONNECT_TIMEOUT_MS = 10_000

const preparedNames = new Map<string, string>()

/** Has the server parse and plan it once on each connection in transactions too, which know a statement by its text alone. */
export function prepareInTransactions({ name, text }: Statement): void {
  preparedNames.set(text, name)
}

/** The bounds of every session, and UTC, because Prisma's adapter sends instants without a zone. */
export function sessionUrl(databaseUrl: string, settings: Record<string, string | number>): string {
  const url = new URL(databaseUrl)
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  url.searchParams.set('options', [url.searchParams.get('options'), ...ours].filter(Boolean).join(' '))
  return url.href
}

/** One pool for Prisma and for prepared statements alike, so that the bound on connections is one bound. */
export function createDatabaseClient(options: DatabaseOptions): DatabaseClient {
  const { logger, metrics } = options
  const types = typesInUtc()
  const pool = new CancellablePool({
    connectionString: sessionUrl(options.url, {
      TimeZone: 'UTC',
      lock_timeout: options.lockTimeoutMs,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    }),
    max: options.poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
    application_name: 'tributary',
    keepAlive: true,
    types,
  })
  // A connection that the server ends while it is idle is replaced by the next query; without a listener it would end the process.
  pool.on('error', error => logger.warn({ err: error }, 'an idle database connection was lost'))
  // One that is lent out has the borrower's listener, and for a moment around that none: an error then, as when a server
  // shuts down under load, would end the process. Whoever has sent something on it hears of it by that.
  pool.on('connect', connection => connection.on('error', () => {}))
  pool.on('acquire', () => logger.debug('database connection acquired'))
  pool.on('release', () => logger.debug('database connection released'))
  metrics.observePool(() => ({
    total: pool.totalCount,
    idle: pool.idleCount,
    waiting: pool.waitingCount,
  }))
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, { statementNameGenerator: ({ sql }) => preparedNames.get(sql) ?? '' }),
  })
  let closed: Promise<void> | undefined
  return {
    pool,
    prisma,
    query<Row>(statement: Statement, values: readonly Value[] = []) {
      return tracedStatement(options.tracing, statement, async () =>
        pool.runPrepared<Row>(statement, values.map(toText), types as unknown as ColumnTypes),
      )
    },
    close() {
      closed ??= prisma.$disconnect().then(() => pool.end())
      return closed
    },
  }
}

/** Instants are most of what a page of rows has to be made of; the driver's own way is several times as slow. */
function typesInUtc() {
  const { TIMESTAMPTZ } = pg.types.builtins
  const types = new pg.TypeOverrides()
  const parse = pg.types.getTypeParser(TIMESTAMPTZ)
  types.setTypeParser(TIMESTAMPTZ, text => parseUtcInstant(text) ?? parse(text))
  return types
}

/** A span has the statement's name, and neither its text nor what it was given. The wait for a connection is part of it. */
export function tracedStatement<T>(
  tracing: Tracing | undefined,
  { name }: Statement,
  work: () => Promise<T>,
): Promise<T> {
  if (!tracing) return work()
  const attributes = { 'db.system.name': 'postgresql', 'db.query.summary': name }
  return tracing.span(`SQL ${name}`, { kind: 'client', attributes }, work)
}

function toText(value: Value): string | null {
  const parameter = toParameter(value)
  return parameter === null ? null : String(parameter)
}

/** Instants go out as ISO 8601 in UTC, whichever driver carries them. */
export function toParameter(value: Value): string | number | boolean | null {
  return value instanceof Date ? value.toISOString() : value
}
