import { randomUUID } from 'node:crypto'
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
} from '../../src/coordination/lease.ts'
import type { Statement, Value } from '../../src/database/client.ts'
import type { GenerationPhase, GenerationRow, GenerationState } from '../../src/database/generations.ts'
import type { Transaction } from '../../src/database/transaction.ts'
import type { JsonValue } from '../../src/shared/json.ts'

/** Carries a statement to the database and its answer back. What may happen on the way is the test's to say. */
export type Wire = <T>(
  statement: { name: string; of: string },
  run: () => T | Promise<T>,
  describe?: (answer: T) => string,
) => Promise<T>

export interface StoredResult {
  id: string
  key: string
  runId: string
  epoch: number
  revision: number
  committedAtMs: number
}

/** What a store tells whoever judges it, in the moment in which it is true. */
export type StoreEvent =
  | { type: 'granted'; lease: Lease; owner: number; before: LeaseRow | undefined }
  | { type: 'advanced'; before: LeaseRow; after: LeaseRow }
  | { type: 'committed'; row: LeaseRow; results: readonly StoredResult[] }
  | { type: 'failed'; row: LeaseRow; failure: RunFailure }
  | { type: 'handed over'; row: LeaseRow }

export interface LeaseRow {
  readonly key: string
  readonly state: GenerationState
  readonly epoch: number
  /** Of the acquisition that was given the lease. */
  readonly claim: string
  readonly owner: number
  readonly leaseUntilMs: number
  readonly runId: string
  readonly takeoverCause: Lease['takeoverCause']
  readonly phase: GenerationPhase
  readonly progress: number
  readonly attempts: number
  readonly retryAfterMs: number | null
  readonly request: JsonValue
  readonly lostOwners: number
  /** Not a column: since when nobody but its owner's silence has brought its end nearer. */
  readonly renewedAtMs: number
  /** Not a column. */
  readonly wasHandedOver: boolean
}

/** In the order in which a run goes through them. */
export const PHASES: readonly GenerationPhase[] = ['WAITING', 'COLLECTING', 'GENERATING', 'STORING', 'DONE']

/** `progress` is that of a run that failed. */
type RunRecord = Omit<GenerationRow, 'phase' | 'retryAt' | 'abandoned'>

const ENDED = { phase: 'DONE', request: null } as const

/** The statement by which a simulated transaction stores a result: id, run, epoch, revision. */
export const STORE_RESULT: Statement = { name: 'simulated-store-result', text: '' }

/**
 * The tables of src/database/leases.ts and the statements on them, clause by clause, each whole or not at all. Time is
 * the store's own. An owner lives as long as its number is in `living`, as its session holds an advisory lock.
 */
export class SimulatedStore {
  readonly living = new Set<number>()
  readonly results: StoredResult[] = []
  readonly #nowMs: () => number
  readonly #notify: (runId: string) => void
  readonly #observe: (event: StoreEvent) => void
  readonly #rowByKey = new Map<string, LeaseRow>()
  readonly #runById = new Map<string, RunRecord>()
  /** Rows that a commit has fenced and not yet committed: locked, and for others as they were before. */
  readonly #commitByKey = new Map<string, Promise<void>>()
  readonly #runIdByClaim = new Map<string, string>()

  constructor(options: {
    nowMs: () => number
    notify?: (runId: string) => void
    observe?: (event: StoreEvent) => void
  }) {
    this.#nowMs = options.nowMs
    this.#notify = options.notify ?? (() => {})
    this.#observe = options.observe ?? (() => {})
  }

  get rows(): LeaseRow[] {
    return [...this.#rowByKey.values()]
  }

  findRow(key: string): LeaseRow | undefined {
    return this.#rowByKey.get(key)
  }

  /** @returns undefined where the WHERE clause holds for no row, or the row is locked for longer than a statement waits. */
  acquire(
    subject: RunSubject,
    owner: number,
    ttlMs: number,
    { claim, request = null, continues }: AcquireOptions & { claim: string },
  ): Lease | undefined {
    if (this.#commitByKey.has(subject.key)) return undefined
    const nowMs = this.#nowMs()
    const before = this.#rowByKey.get(subject.key)
    if (continues !== undefined && (before?.state !== 'RUNNING' || before.runId !== continues))
      return undefined
    let takeoverCause: Lease['takeoverCause'] = null
    let again = false
    let lostOwners = 0
    if (before) {
      const running = before.state === 'RUNNING'
      const mayFollow = before.retryAfterMs === null || before.retryAfterMs <= nowMs
      const ended = !running && mayFollow && !this.#runIdByClaim.has(claim)
      const expired = running && before.leaseUntilMs < nowMs
      const ownerGone = running && this.living.has(owner) && !this.living.has(before.owner)
      again = running && before.claim === claim
      if (!ended && !again && !expired && !ownerGone) return undefined
      if (running) takeoverCause = expired ? 'expired' : 'owner_gone'
      if (again) takeoverCause = before.takeoverCause
      const handedOver = before.leaseUntilMs === Number.NEGATIVE_INFINITY
      if (running) lostOwners = before.lostOwners + (again || handedOver ? 0 : 1)
    }
    const kept = again ? before : undefined
    const row: LeaseRow = {
      key: subject.key,
      state: 'RUNNING',
      claim,
      epoch: kept?.epoch ?? (before?.epoch ?? 0) + 1,
      owner,
      leaseUntilMs: nowMs + ttlMs,
      runId: before?.state === 'RUNNING' ? before.runId : this.#beginRun(claim),
      takeoverCause,
      phase: kept?.phase ?? 'COLLECTING',
      progress: kept?.progress ?? 0,
      attempts: before?.attempts ?? 0,
      retryAfterMs: null,
      request: before?.state === 'RUNNING' ? before.request : request,
      lostOwners,
      renewedAtMs: nowMs,
      wasHandedOver: false,
    }
    this.#rowByKey.set(row.key, row)
    const { runId, epoch, attempts } = row
    const known = this.#runById.get(runId)
    const started: RunRecord = {
      ...subject,
      id: runId,
      state: 'RUNNING',
      epoch,
      text: null,
      inputRevision: null,
      startedAt: new Date(nowMs),
      finishedAt: null,
      error: null,
      errorRetryable: null,
      resultId: null,
      progress: 0,
    }
    const lease: Lease = {
      ...subject,
      runId,
      epoch,
      attempts,
      takeoverCause,
      lostOwners,
      request: row.request,
    }
    if (again) return lease
    this.#runById.set(runId, known ? { ...known, epoch, inputRevision: null } : started)
    this.#observe({ type: 'granted', lease, owner, before })
    return lease
  }

  readHolder(key: string): { state: GenerationState; runId: string; retryAt: Date | null } | undefined {
    const row = this.#rowByKey.get(key)
    if (!row) return undefined
    const { state, runId, retryAfterMs } = row
    const retryAt =
      retryAfterMs !== null && retryAfterMs > this.#nowMs() ? new Date(Math.ceil(retryAfterMs)) : null
    return { state, runId, retryAt }
  }

  async renew(leases: readonly Lease[], ttlMs: number): Promise<Lease[]> {
    const renewed: Lease[] = []
    for (const lease of leases) {
      await this.#fenced(lease, row => {
        if (!row) return
        const nowMs = this.#nowMs()
        this.#rowByKey.set(row.key, { ...row, leaseUntilMs: nowMs + ttlMs, renewedAtMs: nowMs })
        renewed.push(lease)
      })
    }
    return renewed
  }

  advance(lease: Lease, to: Parameters<Leases['advance']>[1]): Promise<boolean> {
    return this.#fenced(lease, before => {
      if (!before) return false
      const phase = PHASES[Math.max(PHASES.indexOf(before.phase), PHASES.indexOf(to.phase))] ?? to.phase
      const after = { ...before, phase, progress: Math.max(before.progress, to.progress) }
      this.#rowByKey.set(before.key, after)
      if (to.inputRevision !== undefined) this.#record(before.runId, { inputRevision: to.inputRevision })
      this.#observe({ type: 'advanced', before, after })
      this.#notify(before.runId)
      return true
    })
  }

  /** @throws FencedError, and what `store` throws; nothing is stored then. */
  commit(lease: Lease, store: StoreResult): Promise<string> {
    return this.#fenced(lease, async row => {
      if (!row) throw new FencedError('the lease has passed on')
      const ended = Promise.withResolvers<void>()
      this.#commitByKey.set(row.key, ended.promise)
      try {
        const committedAt = new Date(this.#nowMs())
        const transaction = new SimulatedTransaction()
        const resultId = await store(transaction, { runId: lease.runId, epoch: lease.epoch, committedAt })
        const results = transaction.staged.map(staged => ({
          ...staged,
          key: row.key,
          committedAtMs: committedAt.getTime(),
        }))
        this.results.push(...results)
        this.#rowByKey.set(row.key, { ...row, ...ENDED, state: 'SUCCEEDED', progress: 1, attempts: 0 })
        this.#record(row.runId, { state: 'SUCCEEDED', finishedAt: committedAt, resultId })
        this.#observe({ type: 'committed', row, results })
        this.#notify(row.runId)
        return resultId
      } finally {
        this.#commitByKey.delete(row.key)
        ended.resolve()
      }
    })
  }

  fail(lease: Lease, failure: RunFailure): Promise<{ retryAt: Date | null } | undefined> {
    return this.#fenced(lease, row => {
      if (!row) return undefined
      const nowMs = this.#nowMs()
      const retryAfterMs = failure.retryAfterMs === null ? null : nowMs + failure.retryAfterMs
      const attempts = row.attempts + 1
      this.#rowByKey.set(row.key, { ...row, ...ENDED, state: 'FAILED', attempts, retryAfterMs })
      const { message: error, retryable: errorRetryable } = failure
      const { progress } = row
      this.#record(row.runId, {
        ...{ state: 'FAILED', finishedAt: new Date(nowMs), error, errorRetryable, progress },
      })
      this.#observe({ type: 'failed', row, failure })
      this.#notify(row.runId)
      return { retryAt: retryAfterMs === null ? null : new Date(Math.ceil(retryAfterMs)) }
    })
  }

  handOver(lease: Lease, { byOrder } = { byOrder: true }): Promise<void> {
    return this.#fenced(lease, row => {
      if (!row) return
      const leaseUntilMs = byOrder ? Number.NEGATIVE_INFINITY : this.#nowMs() - 1
      this.#rowByKey.set(row.key, { ...row, leaseUntilMs, wasHandedOver: true })
      this.#observe({ type: 'handed over', row })
      this.#notify(row.runId)
    })
  }

  withdraw(lease: Lease, found: { resultId: string; inputRevision: number }): Promise<void> {
    return this.#fenced(lease, row => {
      if (!row) return
      this.#rowByKey.set(row.key, { ...row, ...ENDED, state: 'SUCCEEDED', progress: 1, attempts: 0 })
      this.#record(row.runId, { ...found, state: 'SUCCEEDED', finishedAt: new Date(this.#nowMs()) })
      this.#notify(row.runId)
    })
  }

  find(runIds: readonly string[]): GenerationRow[] {
    return runIds.flatMap(runId => {
      const run = this.#runById.get(runId)
      if (!run) return []
      const newest = this.#rowByKey.get(run.key)
      const row = newest?.runId === runId ? newest : undefined
      const running = run.state === 'RUNNING'
      return {
        ...run,
        phase: running ? (row?.phase ?? 'WAITING') : 'DONE',
        progress: running ? (row?.progress ?? 0) : run.state === 'SUCCEEDED' ? 1 : run.progress,
        retryAt: row && row.retryAfterMs !== null ? new Date(Math.ceil(row.retryAfterMs)) : null,
        abandoned: running && (!row || row.leaseUntilMs < this.#nowMs() || !this.living.has(row.owner)),
      }
    })
  }

  findAbandoned(limit: number): AbandonedRun[] {
    const abandoned = this.rows.filter(
      row => row.state === 'RUNNING' && (row.leaseUntilMs < this.#nowMs() || !this.living.has(row.owner)),
    )
    return abandoned.slice(0, limit).map(({ runId, key, epoch, request, leaseUntilMs }) => {
      const nobody = { kind: null, userId: null, archetype: null }
      const { kind, userId, archetype } = this.#runById.get(runId) ?? nobody
      return { runId, key, epoch, request, expired: leaseUntilMs < this.#nowMs(), kind, userId, archetype }
    })
  }

  endOrphaned({ key, epoch, runId }: AbandonedRun): void {
    const row = this.#rowByKey.get(key)
    if (row?.epoch === epoch && row.state === 'RUNNING' && !this.#runById.has(runId))
      this.#rowByKey.set(key, { ...row, ...ENDED, state: 'FAILED' })
  }

  /** The run's user is deleted. */
  forget(runId: string): void {
    this.#runById.delete(runId)
  }

  /** The run that a claim has begun; the claim itself would do as its id, and be worse to read. */
  runOf(claim: string): string {
    return this.#runIdByClaim.get(claim) ?? claim
  }

  #beginRun(claim: string): string {
    const runId = `run-${this.#runIdByClaim.size + 1}`
    this.#runIdByClaim.set(claim, runId)
    return runId
  }

  /** Brings the end of a lease, or of a wait after a failure, nearer than any clock would. */
  age(key: string, columns: { leaseUntilMs: number } | { retryAfterMs: number }): void {
    const row = this.#rowByKey.get(key)
    if (row) this.#rowByKey.set(key, { ...row, ...columns })
  }

  /** The fence: the row of the key, once nobody locks it, where the epoch is still this one and the run has not ended. */
  async #fenced<T>(lease: Lease, work: (row: LeaseRow | undefined) => T | Promise<T>): Promise<T> {
    for (;;) {
      const commit = this.#commitByKey.get(lease.key)
      if (!commit) {
        const row = this.#rowByKey.get(lease.key)
        return work(row?.epoch === lease.epoch && row.state === 'RUNNING' ? row : undefined)
      }
      await commit
    }
  }

  #record(runId: string, change: Partial<RunRecord>): void {
    const run = this.#runById.get(runId)
    if (run) this.#runById.set(runId, { ...run, ...change })
  }
}

/** One instance's way to the store: as many statements as PostgresLeases sends, over its wire. */
export class SimulatedLeases implements Leases {
  readonly #store: SimulatedStore
  readonly #wire: Wire
  readonly #owner: number
  readonly #ttlMs: number

  constructor(options: { store: SimulatedStore; wire: Wire; owner: number; ttlMs: number }) {
    this.#store = options.store
    this.#wire = options.wire
    this.#owner = options.owner
    this.#ttlMs = options.ttlMs
  }

  async acquire(subject: RunSubject, options: AcquireOptions = {}): Promise<Acquisition> {
    const { claim = randomUUID(), continues } = options
    const { key } = subject
    for (let attempt = 1; attempt <= 10; attempt++) {
      const lease = await this.#wire(
        { name: 'acquire', of: key },
        () => this.#store.acquire(subject, this.#owner, this.#ttlMs, { ...options, claim }),
        granted => (granted ? `${nameOf(granted)}${causeOf(granted)}` : 'no row'),
      )
      if (lease) return { type: 'acquired', lease }
      if (continues !== undefined) return { type: 'running', runId: continues }
      const holder = await this.#wire(
        { name: 'read-holder', of: key },
        () => this.#store.readHolder(key),
        read => `${read?.runId} is ${read?.state}`,
      )
      if (holder?.state === 'RUNNING') return { type: 'running', runId: holder.runId }
      if (holder?.retryAt) return { type: 'backing-off', runId: holder.runId, retryAt: holder.retryAt }
    }
    return { type: 'running', runId: this.#store.runOf(claim) }
  }

  renew(leases: readonly Lease[]): Promise<readonly Lease[]> {
    return this.#wire(
      { name: 'renew', of: leases.map(nameOf).join(', ') },
      () => this.#store.renew(leases, this.#ttlMs),
      renewed => `${renewed.length} of ${leases.length}`,
    )
  }

  advance(lease: Lease, to: Parameters<Leases['advance']>[1]): Promise<boolean> {
    const step = `${to.phase} ${to.progress}`
    return this.#wire(
      { name: 'advance', of: `${nameOf(lease)} to ${step}` },
      () => this.#store.advance(lease, to),
      String,
    )
  }

  commit(lease: Lease, store: StoreResult): Promise<string> {
    return this.#wire({ name: 'commit', of: nameOf(lease) }, () => this.#store.commit(lease, store))
  }

  fail(lease: Lease, failure: RunFailure): Promise<{ retryAt: Date | null } | undefined> {
    return this.#wire(
      { name: 'fail', of: nameOf(lease) },
      () => this.#store.fail(lease, failure),
      failed => (failed ? 'failed' : 'no row'),
    )
  }

  handOver(lease: Lease, options?: { byOrder: boolean }): Promise<void> {
    return this.#wire({ name: 'hand-over', of: nameOf(lease) }, () => this.#store.handOver(lease, options))
  }

  withdraw(lease: Lease, found: { resultId: string; inputRevision: number }): Promise<void> {
    return this.#wire({ name: 'withdraw', of: nameOf(lease) }, () => this.#store.withdraw(lease, found))
  }

  find(runIds: readonly string[]): Promise<GenerationRow[]> {
    return this.#wire(
      { name: 'find', of: runIds.join(', ') },
      () => this.#store.find(runIds),
      runs => runs.map(run => `${run.state} ${run.phase}${run.abandoned ? ' abandoned' : ''}`).join(', '),
    )
  }

  findAbandoned(limit: number): Promise<AbandonedRun[]> {
    return this.#wire(
      { name: 'find-abandoned', of: `${limit}` },
      () => this.#store.findAbandoned(limit),
      runs => runs.map(({ runId, epoch }) => `${runId}#${epoch}`).join(', '),
    )
  }

  endOrphaned(run: AbandonedRun): Promise<void> {
    return this.#wire({ name: 'end-orphaned', of: run.key }, () => this.#store.endOrphaned(run))
  }
}

/** Keeps what is stored until the commit. */
class SimulatedTransaction implements Transaction {
  readonly staged: Omit<StoredResult, 'key' | 'committedAtMs'>[] = []

  get prisma(): never {
    throw new Error('a simulated transaction has no Prisma')
  }

  async query<Row>(statement: Statement, values: readonly Value[] = []): Promise<Row[]> {
    if (statement !== STORE_RESULT) throw new Error(`a simulated transaction knows no ${statement.name}`)
    const [id, runId, epoch, revision] = values
    this.staged.push({
      id: String(id),
      runId: String(runId),
      epoch: Number(epoch),
      revision: Number(revision),
    })
    return []
  }

  afterCommit(): void {}

  async savepoint(): Promise<undefined> {
    throw new Error('a simulated transaction has no savepoints')
  }
}

function nameOf(lease: Lease): string {
  return `${lease.key}/${lease.runId}#${lease.epoch}`
}

function causeOf({ takeoverCause }: Lease): string {
  return takeoverCause ? ` taken over, ${takeoverCause}` : ''
}
