import type { Jobs } from '../../coordination/jobs.ts'
import { type SyncKey, takeDueSyncs } from '../../database/account-syncs.ts'
import type { Clock } from '../../shared/clock.ts'
import { SyncAccount, type SyncAccountOptions } from './sync-account.ts'

export interface AccountsOptions extends SyncAccountOptions {
  jobs: Jobs
  clock: Clock
  /** 0: nothing is synced unasked. */
  syncIntervalMs: number
}

export interface Accounts {
  readonly syncAccount: SyncAccount
  close(): Promise<void>
}

export const ACCOUNT_SYNC_QUEUE = 'account-sync'
/** Of one instance: providers count all the requests of an application together. */
const SYNCS_AT_ONCE = 2
/** In one transaction; more of them follow at once. */
const BATCH = 100
/** How often is looked for what is due: a twentieth of the interval late at most, a minute at most. */
const ROUND_MS = { min: 100, max: 60_000 }

/** Connected accounts, at work: whose sync is due gets a job, one on whichever instance looks first. */
export async function startAccounts(options: AccountsOptions): Promise<Accounts> {
  const { transaction, jobs, clock, syncIntervalMs, logger } = options
  const syncAccount = new SyncAccount(options)
  // What the provider does not give now is fetched at the next time: the outcome is in the account's row.
  const sync = async (key: SyncKey) => void (await syncAccount.execute(key))
  await jobs.work<SyncKey>(ACCOUNT_SYNC_QUEUE, sync, { concurrency: SYNCS_AT_ONCE })

  const enqueueDue = () =>
    transaction('enqueue-account-syncs', async transaction => {
      const due = await takeDueSyncs(transaction, syncIntervalMs, BATCH)
      for (const { userId, provider } of due)
        await jobs.enqueue(transaction, ACCOUNT_SYNC_QUEUE, { userId, provider })
      return due.length
    })
  let closed = false
  let cancelTimer = () => {}
  let round = Promise.resolve()
  const look = async () => {
    try {
      while (!closed && (await enqueueDue()) === BATCH);
    } catch (error) {
      logger.warn({ err: error }, 'accounts whose sync is due could not be looked for')
    }
    lookLater()
  }
  const lookLater = () => {
    if (closed || syncIntervalMs === 0) return
    cancelTimer = clock.setTimer(
      () => {
        round = look()
      },
      Math.min(ROUND_MS.max, Math.max(ROUND_MS.min, syncIntervalMs / 20)),
    )
  }
  lookLater()
  return {
    syncAccount,
    async close() {
      closed = true
      cancelTimer()
      await round
      await syncAccount.close()
    },
  }
}
