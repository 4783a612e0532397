import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '../shared/backoff.ts'
import type { Logger } from '../shared/logger.ts'
import type { Metrics } from '../shared/metrics.ts'
import { inSpan, type Tracing } from '../shared/tracing.ts'
import { runInTransactionScope, runOutsideTransactionScope } from '../shared/transaction-scope.ts'
import {
  type DatabaseClient,
  prepareInTransactions,
  type Queryable,
  type Statement,
  toParameter,
  tracedStatement,
  type Value,
} from './client.ts'
import type { Prisma } from './generated/client.ts'
import { isRetryableTransactionError } from './postgres-errors.ts'

/** One connection inside BEGIN … COMMIT. Usable until `work` settles. */
export interface Transaction extends Queryable {
  readonly prisma: Prisma.TransactionClient
  /** Called once, in order, after the commit; never after a rollback. A failure is logged: the commit stands. */
  afterCommit(action: () => void | Promise<void>): void
  /** Runs `work` in a savepoint: when it throws, what it did is undone, the transaction lives, and the error is returned. */
  savepoint(work: () => Promise<void>): Promise<{ error: unknown } | undefined>
}

export interface TransactionOptions {
  isolationLevel?: Prisma.TransactionIsolationLevel
  /** From BEGIN to the last statement. */
  timeoutMs?: number
}

export type RunTransaction = <T>(
  name: string,
  work: (transaction: Transaction) => Promise<T>,
  options?: TransactionOptions,
) => Promise<T>

/** Several times the slowest use case; a transaction that takes longer holds its locks against everybody. */
const TIMEOUT_MS = 15_000
/** How long to wait for a connection of the pool. */
const MAX_WAIT_MS = 10_000
/** A deadlock's victim seldom loses twice; a storm of conflicts must end. */
const MAX_TRIES = 4

/**
 * The one way to write. Prisma's interactive transaction with a name, a timeout, bounded retries of serialization
 * failures and deadlocks, and actions after the commit. `work` may run more than once, so it must only use the database.
 * A commit whose answer is lost is not retried here: whoever can tell whether it happened must decide.
 */
export function createRunTransaction(
  client: DatabaseClient,
  options: { logger: Logger; metrics: Metrics; tracing?: Tracing | undefined },
): RunTransaction {
  const { logger, metrics, tracing } = options
  const run: RunTransaction = async (name, work, { isolationLevel, timeoutMs = TIMEOUT_MS } = {}) => {
    const startedAt = performance.now()
    for (let attempt = 1; ; attempt++) {
      const actions: (() => void | Promise<void>)[] = []
      try {
        const result = await client.prisma.$transaction(
          prisma => {
            logger.debug({ transaction: name, attempt }, 'begin')
            return runInTransactionScope(name, () => work(bind(prisma, actions, tracing)))
          },
          { maxWait: MAX_WAIT_MS, timeout: timeoutMs, ...(isolationLevel && { isolationLevel }) },
        )
        logger.debug({ transaction: name, ms: performance.now() - startedAt }, 'commit')
        metrics.transactions.inc({ name, outcome: 'commit' })
        metrics.transactionSeconds.observe({ name }, (performance.now() - startedAt) / 1000)
        for (const action of actions) {
          try {
            await runOutsideTransactionScope(action)
          } catch (error) {
            logger.error({ err: error, transaction: name }, 'an action after the commit failed')
          }
        }
        return result
      } catch (error) {
        const retry = attempt < MAX_TRIES && isRetryableTransactionError(error)
        logger.debug({ transaction: name, attempt, ms: performance.now() - startedAt, retry }, 'rollback')
        metrics.transactions.inc({ name, outcome: retry ? 'retry' : 'rollback' })
        if (!retry) {
          metrics.transactionSeconds.observe({ name }, (performance.now() - startedAt) / 1000)
          throw error
        }
        await sleep(backoffMs(attempt, { baseMs: 20, maxMs: 500 }))
      }
    }
  }
  return (name, work, options) => inSpan(tracing, `transaction ${name}`, {}, () => run(name, work, options))
}

const SAVEPOINT = 'SAVEPOINT inner_work'
const ROLLBACK_TO_SAVEPOINT = 'ROLLBACK TO SAVEPOINT inner_work'
const RELEASE_SAVEPOINT = 'RELEASE SAVEPOINT inner_work'

function bind(
  prisma: Prisma.TransactionClient,
  actions: (() => void | Promise<void>)[],
  tracing: Tracing | undefined,
): Transaction {
  return {
    prisma,
    query<Row>(statement: Statement, values: readonly Value[] = []) {
      prepareInTransactions(statement)
      // Prisma's promises begin with their `then`.
      return tracedStatement(tracing, statement, async () =>
        prisma.$queryRawUnsafe<Row[]>(statement.text, ...values.map(toParameter)),
      )
    },
    afterCommit(action) {
      actions.push(action)
    },
    async savepoint(work) {
      await prisma.$executeRawUnsafe(SAVEPOINT)
      try {
        await work()
        await prisma.$executeRawUnsafe(RELEASE_SAVEPOINT)
        return undefined
      } catch (error) {
        await prisma.$executeRawUnsafe(ROLLBACK_TO_SAVEPOINT)
        return { error }
      }
    },
  }
}
