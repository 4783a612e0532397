import { fromPrisma, PgBoss } from 'pg-boss'
import type { DatabaseClient } from '../database/client.ts'
import { handBackJob, JOBS_SCHEMA, type TakenJob } from '../database/jobs.ts'
import { isDatabaseAway } from '../database/postgres-errors.ts'
import { schemaExists } from '../database/schemas.ts'
import type { Transaction } from '../database/transaction.ts'
import { inTime } from '../shared/abort.ts'
import type { JsonValue } from '../shared/json.ts'
import type { Logger } from '../shared/logger.ts'

/** Work that must be done although whoever ordered it may die: made in the transaction that makes it necessary. */
export interface Jobs {
  /**
   * Part of the caller's transaction: the job is there when it commits, and only then. One of this instance's workers is
   * woken after the commit; should nobody hear, a poll finds the job.
   */
  enqueue(transaction: Transaction, queue: string, payload: { [key: string]: JsonValue }): Promise<void>
  /**
   * Takes jobs of a queue, each by one worker of one instance at a time. A handler that throws is run again, with growing
   * pauses, `MAX_RETRIES` times at most; so is the job of an instance that died, within half a minute. A job that ended may
   * still be run again, when the word of its end was lost: handlers must be idempotent.
   */
  work<Payload>(queue: string, handler: JobHandler<Payload>, options: { concurrency: number }): Promise<void>
  /** Makes one job of the queue, without a payload, at each time of a cron expression in UTC, on whichever instance comes first. */
  schedule(queue: string, cron: string): Promise<void>
  /**
   * Takes no more jobs; waits for those at work, for `timeoutMs` at most, and then hands them back: whoever is left takes them within
   * a second, and none has lost a try by it. Ends within `HAND_BACK_MS` after that, twice. Idempotent.
   */
  stop(timeoutMs: number): Promise<void>
}

export type JobHandler<Payload> = (
  payload: Payload,
  run: {
    /** Aborts when the job is lost to another instance, or handed back because this one stops. */
    signal: AbortSignal
    /** When it fails now, it is not run again. */
    lastTry: boolean
  },
) => Promise<void>

const MAX_RETRIES = 8
/** The first pause; it doubles. */
const RETRY_DELAY_S = 1
const LONGEST_RETRY_DELAY_S = 60
/** The least that the library takes: an instance that is silent for so long has lost its jobs. */
const HEARTBEAT_S = 10
/** How often the heartbeats are looked at. */
const SUPERVISE_S = 5
/** Jobs of other instances' transactions, and those whose wake was lost. */
const POLL_S = 1
/** How often it is looked whether a scheduled job is due, and whether one was made; the most that the library takes. */
const CRON_S = 45
/** For a statement or two, over a database that may have gone silent. */
const HAND_BACK_MS = 2000
/**
 * Statements of the library at once. Its workers poll all the time: over a database that has gone silent they would soon have
 * every connection of the pool, and those who renew leases or answer requests none.
 */
const MAX_STATEMENTS = 2
/** Longer than any generation with all its retries. */
const LONGEST_JOB_S = 3600

const QUEUE = {
  retryLimit: MAX_RETRIES,
  retryDelay: RETRY_DELAY_S,
  retryBackoff: true,
  retryDelayMax: LONGEST_RETRY_DELAY_S,
  heartbeatSeconds: HEARTBEAT_S,
  expireInSeconds: LONGEST_JOB_S,
}

/**
 * pg-boss on the gateway's own pool, in a schema of its own that it creates and upgrades at start. Its completion is not
 * fenced: what a handler does must be, or be idempotent.
 */
export async function createJobs(options: {
  client: DatabaseClient
  queues: readonly string[]
  logger: Logger
}): Promise<Jobs> {
  const { client, logger } = options
  // Even where it exists, the statement that makes it needs a right that the user of a shared database may not have.
  const createSchema = !(await schemaExists(client, JOBS_SCHEMA))
  const boss = new PgBoss({
    db: { executeSql: limited((text, values) => client.pool.query(text, values)) },
    schema: JOBS_SCHEMA,
    createSchema,
    // Hourly and monthly work: a minute late is early enough.
    schedule: true,
    cronMonitorIntervalSeconds: CRON_S,
    cronWorkerIntervalSeconds: CRON_S,
    registerInstance: false,
    superviseIntervalSeconds: SUPERVISE_S,
    monitorIntervalSeconds: SUPERVISE_S,
    // Jobs are few and short-lived; autovacuum is enough.
    reindex: false,
    monitorVacuum: false,
  })
  let away = false
  // While the database is away, each poll would tell of it.
  boss.on('error', error => {
    if (!away) logger.warn({ err: error }, 'jobs cannot be read; they are kept and read later')
    away = true
  })
  await boss.start()
  for (const queue of options.queues) {
    await boss.createQueue(queue, QUEUE)
    // One that an earlier version has made is made to fit.
    await boss.updateQueue(queue, QUEUE)
    // Reads what the library keeps of a queue now: later, inside a transaction, it would take a second connection.
    await boss.getQueue(queue)
  }
  const workerByQueue = new Map<string, string>()
  const atWork = new Set<JobAtWork>()
  let stopped: Promise<void> | undefined

  /**
   * The library itself fails what is at work when its time is over: that costs a try, the last one ends the job for good, and others
   * wait for up to a minute.
   */
  async function stop(timeoutMs: number): Promise<void> {
    const libraryStopped = boss.stop({ close: false, graceful: true, timeout: timeoutMs + HAND_BACK_MS })
    await inTime(libraryStopped, timeoutMs, () => {})
    const leave = async (job: JobAtWork) => {
      // First of all: a handler that is aborted fails, and with it the job.
      await handBackJob(client, job).finally(job.leave)
    }
    await inTime(Promise.allSettled([...atWork].map(leave)), HAND_BACK_MS, () => {})
    for (const job of atWork) job.leave()
    await inTime(libraryStopped, HAND_BACK_MS, () => {})
  }

  return {
    async enqueue(transaction, queue, payload) {
      const id = await boss.send(queue, payload, { db: fromPrisma(transaction.prisma) })
      if (id === null) throw new Error(`no job of ${queue} was made`)
      transaction.afterCommit(() => {
        const worker = workerByQueue.get(queue)
        if (worker) boss.notifyWorker(worker)
      })
    },
    async work<Payload>(
      queue: string,
      handler: JobHandler<Payload>,
      { concurrency }: { concurrency: number },
    ) {
      const worker = await boss.work(
        queue,
        {
          pollingIntervalSeconds: POLL_S,
          batchSize: 1,
          localConcurrency: concurrency,
          includeMetadata: true,
        },
        async ([job]) => {
          away = false
          if (!job) return
          const taken = { queue, id: job.id, attempt: job.retryCount }
          // It was on its way when this instance was told to stop.
          if (stopped) return handBackJob(client, taken)
          const left = Promise.withResolvers<void>()
          const leaving = new AbortController()
          const mine: JobAtWork = {
            ...taken,
            leave() {
              left.resolve()
              leaving.abort(new Error('the job was handed back'))
            },
          }
          atWork.add(mine)
          try {
            const handled = handler(job.data as Payload, {
              signal: AbortSignal.any([job.signal, leaving.signal]),
              lastTry: job.retryCount >= job.retryLimit,
            })
            // One that does not obey its signal is left behind.
            await Promise.race([handled, left.promise])
          } catch (error) {
            // The run that it waits for is handed over, too.
            if (!stopped || !isDatabaseAway(error)) throw error
            await handBackJob(client, taken)
          } finally {
            atWork.delete(mine)
          }
        },
      )
      workerByQueue.set(queue, worker)
    },
    async schedule(queue, cron) {
      // Of what fell due while no instance lived, one job is enough.
      await boss.schedule(queue, cron, {}, { tz: 'UTC', missed: 'once' })
    },
    stop(timeoutMs) {
      stopped ??= stop(timeoutMs)
      return stopped
    },
  }
}

interface JobAtWork extends TakenJob {
  /** Ends its handling here, which settles nothing any more. */
  leave(): void
}

type ExecuteSql = (text: string, values?: unknown[]) => Promise<{ rows: unknown[] }>

/** First come, first served; those who wait are the library's own workers, whose number is bounded. */
function limited(execute: ExecuteSql): ExecuteSql {
  let atWork = 0
  const waiting: (() => void)[] = []
  return async (text, values) => {
    if (atWork < MAX_STATEMENTS) atWork++
    else await new Promise<void>(resolve => waiting.push(resolve))
    try {
      return await execute(text, values)
    } finally {
      const next = waiting.shift()
      if (next) next()
      else atWork--
    }
  }
}
