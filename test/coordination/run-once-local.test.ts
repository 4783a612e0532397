import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { LocalLeases } from '../../src/coordination/local-leases.ts'
import type { RunTransaction, Transaction } from '../../src/database/transaction.ts'
import { leasesContract } from '../support/simulated-leases-contract.ts'

/** COORDINATION=local: one instance, whose memory is the table of leases. */

leasesContract('LocalLeases', { expiry: false, owners: false, claims: false }, async () => {
  const { leases, storage, clock } = setUp()
  return {
    first: leases,
    second: leases,
    newSubject: () => subjectOf(randomUUID()),
    newResultId: () => randomUUID(),
    storing: id => storage.storing(id),
    isStored: async id => storage.ids.has(id),
    endBackoff: async () => {
      clock.nowMs += 61_000
    },
    close: async () => {},
  }
})

describe('LocalLeases', () => {
  test('tells whoever watches of every change, after it has been made', async () => {
    const { leases, changes } = setUp()
    const lease = await acquired(leases, 'a')
    await leases.advance(lease, { phase: 'GENERATING', progress: 0.5 })
    await leases.commit(lease, async () => 'result')
    const failing = await acquired(leases, 'a')
    await leases.handOver(failing)
    const taken = await acquired(leases, 'a')
    await leases.fail(taken, { message: 'no', retryable: false, retryAfterMs: null })
    expect(changes).toEqual([
      `${lease.runId} RUNNING GENERATING`,
      `${lease.runId} SUCCEEDED DONE`,
      `${failing.runId} RUNNING COLLECTING abandoned`,
      `${failing.runId} FAILED DONE`,
    ])
  })

  test('who has read a run keeps what it has read', async () => {
    const { leases } = setUp()
    const lease = await acquired(leases, 'a')
    const [before] = await leases.find([lease.runId])
    await leases.commit(lease, async () => 'result')
    expect(before).toMatchObject({ state: 'RUNNING', resultId: null })
  })

  test('a commit whose transaction fails leaves the run to its owner', async () => {
    const { leases, storage } = setUp()
    const lease = await acquired(leases, 'a')
    storage.failNext = new Error('of the database')
    await expect(leases.commit(lease, storage.storing('result'))).rejects.toBe(storage.failNext)
    storage.failNext = undefined
    await leases.commit(lease, storage.storing('result'))
    expect(storage.ids).toEqual(new Set(['result']))
  })

  test('remembers 10,000 runs that have ended, and every one that goes on', async () => {
    const { leases } = setUp()
    const running = await acquired(leases, 'running')
    const first = await acquired(leases, 'first')
    await leases.commit(first, async () => 'result')
    for (let run = 0; run < 10_000; run++)
      await leases.commit(await acquired(leases, `key ${run}`), async () => 'result')
    await acquired(leases, 'one more')
    expect(await leases.find([first.runId])).toEqual([])
    expect(await leases.find([running.runId])).toHaveLength(1)
    expect(await leases.renew([running])).toEqual([running])
  })

  test('a lease whose run has been forgotten is good for nothing', async () => {
    const { leases, storage } = setUp()
    const stale = await acquired(leases, 'a')
    await leases.commit(stale, async () => 'result')
    for (let run = 0; run < 10_000; run++)
      await leases.commit(await acquired(leases, `key ${run}`), async () => 'result')
    const running = await acquired(leases, 'a')
    expect(await leases.renew([stale])).toEqual([])
    expect(await leases.advance(stale, { phase: 'STORING', progress: 1 })).toBe(false)
    await expect(leases.commit(stale, storage.storing('late'))).rejects.toThrow()
    expect(storage.ids).toEqual(new Set())
    expect((await leases.find([running.runId]))[0]).toMatchObject({ state: 'RUNNING', phase: 'COLLECTING' })
  })
})

function subjectOf(key: string) {
  return { key, kind: 'BEHAVIOR_ANALYSIS' as const, userId: 'ada', archetype: null }
}

async function acquired(leases: LocalLeases, key: string) {
  const acquisition = await leases.acquire(subjectOf(key))
  if (acquisition.type !== 'acquired') throw new Error(`no lease, but ${acquisition.type}`)
  return acquisition.lease
}

function setUp() {
  const clock = { nowMs: 1_000_000 }
  const storage = new Storage()
  const changes: string[] = []
  const leases: LocalLeases = new LocalLeases({
    transaction: storage.transaction,
    onChange: runId =>
      void leases.find([runId]).then(([run]) => {
        changes.push(`${runId} ${run?.state} ${run?.phase}${run?.abandoned ? ' abandoned' : ''}`)
      }),
    now: () => new Date(clock.nowMs++),
  })
  return { leases, clock, storage, changes }
}

/** What transactions store, when they commit. */
class Storage {
  readonly ids = new Set<string>()
  failNext: Error | undefined
  readonly #stagedBy = new Map<Transaction, string[]>()

  readonly transaction: RunTransaction = async (_, work) => {
    if (this.failNext) throw this.failNext
    const transaction = { afterCommit() {} } as unknown as Transaction
    const staged: string[] = []
    this.#stagedBy.set(transaction, staged)
    const answer = await work(transaction)
    for (const id of staged) this.ids.add(id)
    return answer
  }

  storing(id: string) {
    return async (transaction: Transaction) => {
      this.#stagedBy.get(transaction)?.push(id)
      return id
    }
  }
}
