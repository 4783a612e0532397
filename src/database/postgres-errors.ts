/** SQLSTATE codes that the code reacts to. https://www.postgresql.org/docs/current/errcodes-appendix.html */
export const SQLSTATE = {
  uniqueViolation: '23505',
  foreignKeyViolation: '23503',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  adminShutdown: '57P01',
  crashShutdown: '57P02',
  cannotConnectNow: '57P03',
  tooManyConnections: '53300',
  insufficientPrivilege: '42501',
  /** feature_not_supported: "cached plan must not change result type" */
  cachedPlanChanged: '0A000',
  unknownStatement: '26000',
} as const

const RETRYABLE_STATES = new Set<string>([SQLSTATE.serializationFailure, SQLSTATE.deadlockDetected])
const AWAY_STATES = new Set<string>([
  SQLSTATE.adminShutdown,
  SQLSTATE.crashShutdown,
  SQLSTATE.cannotConnectNow,
  SQLSTATE.tooManyConnections,
  SQLSTATE.lockNotAvailable,
])
/** What the operating system or the driver says when the server cannot be reached or has hung up. */
const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EAI_AGAIN',
])
/** Prisma: cannot reach the server, timed out, pool timed out, transaction API error, conflict. */
const PRISMA_AWAY = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024'])
const AWAY_MESSAGE =
  /connection terminated|connection ended|not queryable|timeout exceeded when trying to connect|query read timeout|unable to start a transaction|expired transaction|client has encountered a connection error|ConnectionClosed|DatabaseNotReachable/i

/**
 * Beside a server that is away: conflicts, resources that ran out, statements and transactions that took too long, a server
 * that reads only because another is the primary now. By class, the first two characters, or whole.
 */
const PASSING_CLASSES = new Set(['08', '40', '53', '57', '58'])
const PASSING_STATES = new Set(['25006', '25P03', '25P04'])
/** Prisma: transaction API error, among them a transaction that took too long; conflict. */
const PRISMA_PASSING = new Set(['P2028', 'P2034'])

/** An error and the causes that Prisma's adapter and its client hide it in, outermost first. */
function* causes(error: unknown): Generator<Record<string, unknown>> {
  let current: unknown = error
  for (let depth = 0; depth < 8 && current !== null && typeof current === 'object'; depth++) {
    const record = current as Record<string, unknown>
    yield record
    const meta = record.meta as Record<string, unknown> | undefined
    current = meta?.driverAdapterError ?? record.cause
  }
}

/** The SQLSTATE behind an error of `pg` or of Prisma, if there is one. */
export function sqlState(error: unknown): string | undefined {
  for (const cause of causes(error)) {
    for (const code of [cause.originalCode, cause.code]) {
      if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^P\d{4}$/.test(code)) return code
    }
  }
  return undefined
}

/** A transaction that failed so did nothing, and may succeed when it is run again. */
export function isRetryableTransactionError(error: unknown): boolean {
  const state = sqlState(error)
  if (state !== undefined) return RETRYABLE_STATES.has(state)
  for (const cause of causes(error)) {
    if (cause.code === 'P2034') return true
  }
  return false
}

/** The database has been away for longer than anybody should wait. */
export class DatabaseAwayError extends Error {
  override readonly name: string = 'DatabaseAwayError'
}

/** The server is away, is shutting down, or has no connection left: a later try may succeed. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof DatabaseAwayError) return true
  const state = sqlState(error)
  if (state !== undefined && AWAY_STATES.has(state)) return true
  for (const cause of causes(error)) {
    if (typeof cause.code === 'string' && (AWAY_CODES.has(cause.code) || PRISMA_AWAY.has(cause.code)))
      return true
    if (typeof cause.message === 'string' && AWAY_MESSAGE.test(cause.message)) return true
    if (typeof cause.kind === 'string' && AWAY_MESSAGE.test(cause.kind)) return true
    if (cause instanceof AggregateError && cause.errors.some(isDatabaseAway)) return true
  }
  return false
}

/** It says nothing against what was asked: the same may succeed later, and fail a hundred times before. */
export function mayPass(error: unknown): boolean {
  if (isDatabaseAway(error)) return true
  const state = sqlState(error)
  if (state !== undefined) return PASSING_CLASSES.has(state.slice(0, 2)) || PASSING_STATES.has(state)
  for (const cause of causes(error))
    if (typeof cause.code === 'string' && PRISMA_PASSING.has(cause.code)) return true
  return false
}
