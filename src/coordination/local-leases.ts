import { randomUUID } from 'node:crypto'
import type { GenerationRow } from '../database/generations.ts'
import type { RunTransaction } from '../database/transaction.ts'
import {
  type AbandonedRun,
  type AcquireOptions,
  type Acquisition,
  FencedError,
  type Lease,
  type Leases,
  type RunFailure,
  type RunSubject,
  type StoreResult,
} from './lease.ts'

interface Entry {
  run: GenerationRow
  attempts: number
  /** A commit is under way: as behind a locked row, nobody else changes the run meanwhile. */
  committing: boolean
}

/** In their order. */
const PHASES = ['WAITING', 'COLLECTING', 'GENERATING', 'STORING', 'DONE']

/** Runs that have ended and are still remembered, so that `Generation` nodes and pending callers can read them. */
const MAX_REMEMBERED = 10_000

/**
 * COORDINATION=local: leases in the memory of this process, for when the distributed part misbehaves. Once on this
 * instance; several instances may each run the same generation.
 */
export class LocalLeases implements Leases {
  readonly #transaction: RunTransaction
  readonly #onChange: (runId: string) => void
  readonly #now: () => Date
  readonly #entryByKey = new Map<string, Entry>()
  readonly #runById = new Map<string, GenerationRow>()

  constructor(options: { transaction: RunTransaction; onChange: (runId: string) => void; now?: () => Date }) {
    this.#transaction = options.transaction
    this.#onChange = options.onChange
    this.#now = options.now ?? (() => new Date())
  }

  async acquire(subject: RunSubject, { continues }: AcquireOptions = {}): Promise<Acquisition> {
    const last = this.#entryByKey.get(subject.key)
    const now = this.#now()
    if (continues !== undefined && (last?.run.id !== continues || last.run.state !== 'RUNNING'))
      return { type: 'running', runId: continues }
    if (last?.run.state === 'RUNNING' && (last.committing || !last.run.abandoned))
      return { type: 'running', runId: last.run.id }
    if (last?.run.retryAt && last.run.retryAt > now)
      return { type: 'backing-off', runId: last.run.id, retryAt: last.run.retryAt }
    const takeover = last?.run.state === 'RUNNING'
    const lease: Lease = {
      ...subject,
      runId: takeover ? last.run.id : randomUUID(),
      epoch: (last?.run.epoch ?? 0) + 1,
      attempts: last?.attempts ?? 0,
      takeoverCause: takeover ? 'owner_gone' : null,
      // Nobody is lost without the whole process: what is taken over was handed over.
      lostOwners: 0,
      request: null,
    }
    const run: GenerationRow = {
      ...subject,
      id: lease.runId,
      epoch: lease.epoch,
      state: 'RUNNING',
      phase: 'COLLECTING',
      progress: 0,
      text: null,
      inputRevision: null,
      startedAt: takeover ? last.run.startedAt : now,
      finishedAt: null,
      error: null,
      errorRetryable: null,
      retryAt: null,
      resultId: null,
      abandoned: false,
    }
    this.#entryByKey.set(subject.key, { run, attempts: lease.attempts, committing: false })
    this.#remember(run)
    return { type: 'acquired', lease }
  }

  async renew(leases: readonly Lease[]): Promise<readonly Lease[]> {
    return leases.filter(lease => this.#current(lease))
  }

  async advance(lease: Lease, to: Parameters<Leases['advance']>[1]): Promise<boolean> {
    const entry = this.#held(lease)
    if (!entry) return false
    const { phase, progress, inputRevision, text } = entry.run
    this.#change(entry, {
      phase: PHASES.indexOf(to.phase) > PHASES.indexOf(phase) ? to.phase : phase,
      progress: Math.max(progress, to.progress),
      inputRevision: to.inputRevision ?? inputRevision,
      text: to.text ?? text,
    })
    return true
  }

  async commit(lease: Lease, store: StoreResult): Promise<string> {
    const entry = this.#held(lease)
    if (!entry) throw new FencedError('the lease has passed on')
    const { runId, epoch } = lease
    const finishedAt = this.#now()
    entry.committing = true
    try {
      const resultId = await this.#transaction('commit-local', transaction =>
        store(transaction, { runId, epoch, committedAt: finishedAt }),
      )
      entry.attempts = 0
      this.#change(entry, {
        state: 'SUCCEEDED',
        phase: 'DONE',
        progress: 1,
        text: null,
        finishedAt,
        resultId,
      })
      return resultId
    } finally {
      entry.committing = false
    }
  }

  async fail(lease: Lease, failure: RunFailure): Promise<{ retryAt: Date | null } | undefined> {
    const entry = this.#held(lease)
    if (!entry) return undefined
    const finishedAt = this.#now()
    const retryAt =
      failure.retryAfterMs === null ? null : new Date(finishedAt.getTime() + failure.retryAfterMs)
    entry.attempts++
    const { message: error, retryable: errorRetryable } = failure
    this.#change(entry, {
      state: 'FAILED',
      phase: 'DONE',
      text: null,
      finishedAt,
      error,
      errorRetryable,
      retryAt,
    })
    return { retryAt }
  }

  async handOver(lease: Lease): Promise<void> {
    const entry = this.#held(lease)
    if (entry) this.#change(entry, { abandoned: true })
  }

  async withdraw(lease: Lease, found: { resultId: string; inputRevision: number }): Promise<void> {
    const entry = this.#held(lease)
    if (!entry) return
    entry.attempts = 0
    this.#change(entry, { ...found, state: 'SUCCEEDED', phase: 'DONE', progress: 1, finishedAt: this.#now() })
  }

  async find(runIds: readonly string[]): Promise<GenerationRow[]> {
    return runIds.flatMap(runId => this.#runById.get(runId) ?? [])
  }

  /** None that outlives its process: what is handed over here has no other to go to. */
  async findAbandoned(): Promise<AbandonedRun[]> {
    return []
  }

  async endOrphaned(): Promise<void> {}

  /** The run of a lease that nobody has taken over. Told by its id too: a key that was forgotten begins at epoch 1 again. */
  #current(lease: Lease): Entry | undefined {
    const entry = this.#entryByKey.get(lease.key)
    const same = entry?.run.id === lease.runId && entry.run.epoch === lease.epoch
    return same && entry.run.state === 'RUNNING' ? entry : undefined
  }

  /** The same, where nothing is under way that will end the run. */
  #held(lease: Lease): Entry | undefined {
    const entry = this.#current(lease)
    return entry?.committing ? undefined : entry
  }

  /** Rows are replaced, never changed: a reader keeps what it has read. */
  #change(entry: Entry, change: Partial<GenerationRow>): void {
    entry.run = { ...entry.run, ...change }
    if (this.#runById.has(entry.run.id)) this.#runById.set(entry.run.id, entry.run)
    this.#onChange(entry.run.id)
  }

  #remember(run: GenerationRow): void {
    this.#runById.set(run.id, run)
    for (const [id, old] of this.#runById) {
      if (this.#runById.size <= MAX_REMEMBERED) break
      if (old.state === 'RUNNING') continue
      this.#runById.delete(id)
      const entry = this.#entryByKey.get(old.key)
      if (entry?.run.id === id) this.#entryByKey.delete(old.key)
    }
  }
}
