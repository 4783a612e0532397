import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type Acquisition,
  FencedError,
  type Lease,
  type Leases,
  type RunSubject,
  type StoreResult,
} from '../../src/coordination/lease.ts'
import type { GenerationRow } from '../../src/database/generations.ts'

export interface LeasesUnderTest {
  /** Two instances' ways to the same leases; one and the same where there is but one instance. */
  readonly first: Leases
  readonly second: Leases
  /** Of a key that nobody has used. */
  newSubject(): RunSubject
  /** An id such as results have. */
  newResultId(): string
  /** Stores something of that id in the commit's transaction. */
  storing(id: string): StoreResult
  isStored(id: string): Promise<boolean>
  /** The wait after a failure is over. */
  endBackoff(key: string): Promise<void>
  /** Where leases have a TTL: it has run out. */
  expire?(key: string): Promise<void>
  /** Where owners can be gone: the first one is. */
  killFirst?(): Promise<void>
  /** Where runs may be gone before their leases: the record of this one is. */
  forget?(runId: string): Promise<void>
  close(): Promise<void>
}

const FAILURE = { message: 'as the test wanted', retryable: false, retryAfterMs: null }
const FAILURE_WITH_PAUSE = { message: 'as the test wanted', retryable: true, retryAfterMs: 60_000 }

/**
 * The promises of `Leases`, for every implementation. For each clause of the acquire statement and of the fence there is a
 * test that fails when the clause is gone.
 */
export function leasesContract(
  name: string,
  has: { expiry: boolean; owners: boolean; claims: boolean },
  create: () => Promise<LeasesUnderTest>,
): void {
  describe(`the contract of leases, kept by ${name}`, () => {
    let under: LeasesUnderTest
    let first: Leases
    let second: Leases
    let subject: RunSubject
    beforeEach(async () => {
      under = await create()
      first = under.first
      second = under.second
      subject = under.newSubject()
    })
    afterEach(() => under.close())

    const take = async (leases: Leases, of = subject): Promise<Lease> => granted(await leases.acquire(of))
    const read = async (lease: Lease): Promise<GenerationRow | undefined> =>
      (await first.find([lease.runId]))[0]
    const commit = async (leases: Leases, lease: Lease): Promise<string> => {
      const id = under.newResultId()
      await leases.commit(lease, under.storing(id))
      return id
    }
    /** The run of a lease passes on to the other instance. */
    const passOn = async (lease: Lease): Promise<Lease> => {
      await first.handOver(lease)
      return take(second)
    }

    describe('acquire', () => {
      test('gives a key that nobody has used its first run', async () => {
        const lease = await take(first)
        expect(lease).toMatchObject({ ...subject, epoch: 1, attempts: 0, takeoverCause: null })
        expect(await read(lease)).toMatchObject({
          ...subject,
          ...{ id: lease.runId, state: 'RUNNING', epoch: 1, phase: 'COLLECTING', progress: 0 },
          ...{ inputRevision: null, finishedAt: null, error: null, resultId: null, abandoned: false },
        })
      })

      test('tells everybody, the owner too, to follow a run that goes on', async () => {
        const { runId } = await take(first)
        expect(await second.acquire(subject)).toEqual({ type: 'running', runId })
        expect(await first.acquire(subject)).toEqual({ type: 'running', runId })
      })

      test('gives one of many who ask at once the lease, and the others its run to follow', async () => {
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, index) => (index % 2 ? first : second).acquire(subject)),
        )
        const leases = answers.filter(answer => answer.type === 'acquired').map(granted)
        expect(leases).toHaveLength(1)
        const others = answers.filter(answer => answer.type !== 'acquired')
        expect(new Set(others.map(other => JSON.stringify(other)))).toEqual(
          new Set([JSON.stringify({ type: 'running', runId: leases[0]?.runId })]),
        )
      })

      test('keeps keys apart', async () => {
        const other = under.newSubject()
        const lease = await take(first)
        expect((await take(second, other)).epoch).toBe(1)
        await first.fail(lease, FAILURE_WITH_PAUSE)
        expect((await second.acquire(other)).type).toBe('running')
      })

      test('starts another run after one that succeeded', async () => {
        const lease = await take(first)
        await commit(first, lease)
        const next = await take(second)
        expect(next).toMatchObject({ epoch: 2, attempts: 0, takeoverCause: null })
        expect(next.runId).not.toBe(lease.runId)
      })

      test('starts another run at once after a failure without a pause, and counts the failures in a row', async () => {
        const lease = await take(first)
        await first.fail(lease, FAILURE)
        const next = await take(second)
        expect(next).toMatchObject({ epoch: 2, attempts: 1, takeoverCause: null })
        expect(next.runId).not.toBe(lease.runId)
        await second.fail(next, FAILURE)
        const third = await take(first)
        expect(third.attempts).toBe(2)
        await commit(first, third)
        expect((await take(first)).attempts).toBe(0)
      })

      test('lets nobody start a run while a failed one keeps the next waiting, and anybody afterwards', async () => {
        const lease = await take(first)
        const failed = await first.fail(lease, FAILURE_WITH_PAUSE)
        for (const leases of [first, second])
          expect(await leases.acquire(subject)).toEqual({
            type: 'backing-off',
            runId: lease.runId,
            retryAt: failed?.retryAt,
          })
        await under.endBackoff(subject.key)
        const next = await take(second)
        expect(next).toMatchObject({ epoch: 2, attempts: 1, takeoverCause: null })
        expect(await read(next)).toMatchObject({ state: 'RUNNING', retryAt: null })
      })

      test.runIf(has.expiry)('takes a run over whose lease has expired, under the next epoch', async () => {
        const lease = await take(first)
        await under.expire?.(subject.key)
        const taken = await take(second)
        expect(taken).toMatchObject({ runId: lease.runId, epoch: 2, takeoverCause: 'expired' })
      })

      test.runIf(has.owners)('takes a run over at once whose owner is gone', async () => {
        const lease = await take(first)
        await under.killFirst?.()
        const taken = await take(second)
        expect(taken).toMatchObject({ runId: lease.runId, epoch: 2, takeoverCause: 'owner_gone' })
        // It has an owner again, and one that lives.
        expect(await second.acquire(subject)).toEqual({ type: 'running', runId: lease.runId })
        expect((await second.find([lease.runId]))[0]).toMatchObject({ abandoned: false })
      })

      test('takes a run over at once that was handed over', async () => {
        const lease = await take(first)
        await first.handOver(lease)
        expect(await take(second)).toMatchObject({ runId: lease.runId, epoch: 2 })
      })

      test('has whoever takes a run over begin it anew', async () => {
        const lease = await take(first)
        await first.advance(lease, { phase: 'GENERATING', progress: 0.5, inputRevision: 7 })
        const started = await read(lease)
        const taken = await passOn(lease)
        expect(await read(taken)).toMatchObject({
          ...{ state: 'RUNNING', epoch: 2, phase: 'COLLECTING', progress: 0, inputRevision: null },
          ...{ startedAt: started?.startedAt, abandoned: false },
        })
      })

      test.runIf(has.expiry)('does not mind the TTL of a run that has ended', async () => {
        await first.fail(await take(first), FAILURE_WITH_PAUSE)
        await under.expire?.(subject.key)
        expect((await second.acquire(subject)).type).toBe('backing-off')
      })

      test.runIf(has.owners)('does not mind who owned a run that has ended', async () => {
        await first.fail(await take(first), FAILURE_WITH_PAUSE)
        await under.killFirst?.()
        expect((await second.acquire(subject)).type).toBe('backing-off')
      })

      test.runIf(has.claims)(
        'gives the same lease again to who asks again because the answer was lost',
        async () => {
          const claim = randomUUID()
          const lease = granted(await first.acquire(subject, { claim }))
          expect(await first.acquire(subject, { claim })).toEqual({ type: 'acquired', lease })
          expect(await second.acquire(subject, { claim: randomUUID() })).toEqual({
            type: 'running',
            runId: lease.runId,
          })
          await commit(first, lease)
        },
      )

      test.runIf(has.claims)('does not set a run back when it is asked for once more', async () => {
        const claim = randomUUID()
        const lease = granted(await first.acquire(subject, { claim }))
        await first.advance(lease, { phase: 'GENERATING', progress: 0.5, inputRevision: 7 })
        await first.acquire(subject, { claim })
        expect(await read(lease)).toMatchObject({ phase: 'GENERATING', progress: 0.5, inputRevision: 7 })
      })

      test.runIf(has.claims)('gives nothing for a claim whose lease has passed on', async () => {
        const claim = randomUUID()
        const lease = granted(await first.acquire(subject, { claim }))
        const successor = await passOn(lease)
        expect(await first.acquire(subject, { claim })).toEqual({ type: 'running', runId: lease.runId })
        await commit(second, successor)
      })

      test.runIf(has.claims)('gives no second life to a run that has ended', async () => {
        const claim = randomUUID()
        const lease = granted(await first.acquire(subject, { claim }))
        const id = await commit(first, lease)
        // As it comes to the server late; it is told of the run that it had.
        expect(await first.acquire(subject, { claim })).toEqual({ type: 'running', runId: lease.runId })
        await expect(commit(first, lease)).rejects.toBeInstanceOf(FencedError)
        expect(await read(lease)).toMatchObject({ state: 'SUCCEEDED', resultId: id })
        const next = await take(second)
        expect(next.epoch).toBeGreaterThan(lease.epoch)
        expect(next.runId).not.toBe(lease.runId)
        await commit(second, next)
        await first.acquire(subject, { claim }).catch(() => {})
        expect(await read(lease)).toMatchObject({ state: 'SUCCEEDED', epoch: 1, resultId: id })
        expect((await take(second)).runId).not.toBe(lease.runId)
      })

      test.runIf(has.claims)('gives no second life to a run that was taken over and has ended', async () => {
        const claim = randomUUID()
        await first.handOver(await take(first))
        const lease = granted(await second.acquire(subject, { claim }))
        const id = await commit(second, lease)
        const again = await second.acquire(subject, { claim }).catch(() => undefined)
        if (again?.type === 'acquired') expect(again.lease.epoch).toBeGreaterThan(lease.epoch)
        await expect(commit(second, lease)).rejects.toBeInstanceOf(FencedError)
        expect(await read(lease)).toMatchObject({ state: 'SUCCEEDED', epoch: 2, resultId: id })
      })

      test('continues the run that is named, and no other, and only while it goes on and nobody works at it', async () => {
        const lease = await take(first)
        const continuing = (runId = lease.runId) => second.acquire(subject, { continues: runId })
        const refused = (runId = lease.runId) => ({ type: 'running', runId })
        // It has an owner.
        expect(await continuing()).toEqual(refused())
        await first.handOver(lease)
        const other = under.newResultId()
        expect(await continuing(other)).toEqual(refused(other))
        const taken = granted(await continuing())
        expect(taken).toMatchObject({ runId: lease.runId, epoch: 2 })
        await second.fail(taken, FAILURE)
        // It has ended, and nothing keeps the next one waiting.
        expect(await continuing()).toEqual(refused())
        const next = await take(first)
        expect(next).toMatchObject({ epoch: 3 })
        await first.handOver(next)
        expect(await continuing()).toEqual(refused())
        await take(second)
      })

      test('begins no run of a key that has none where one is to be continued', async () => {
        const runId = under.newResultId()
        expect(await first.acquire(subject, { continues: runId })).toEqual({ type: 'running', runId })
        expect(await take(second)).toMatchObject({ epoch: 1, takeoverCause: null })
      })

      test.runIf(has.expiry)(
        'counts the owners that a run has lost, not those that handed it over',
        async () => {
          const claim = randomUUID()
          expect((await take(first)).lostOwners).toBe(0)
          await under.expire?.(subject.key)
          const second1 = granted(await second.acquire(subject, { claim }))
          expect(second1.lostOwners).toBe(1)
          // The same again, because the answer was lost.
          expect(granted(await second.acquire(subject, { claim })).lostOwners).toBe(1)
          await second.handOver(second1)
          const third = await take(first)
          expect(third.lostOwners).toBe(1)
          await under.expire?.(subject.key)
          const fourth = await take(second)
          expect(fourth.lostOwners).toBe(2)
          await second.handOver(fourth, { byOrder: false })
          const fifth = await take(first)
          expect(fifth).toMatchObject({ lostOwners: 3, takeoverCause: 'expired' })
          await commit(first, fifth)
          expect((await take(first)).lostOwners).toBe(0)
        },
      )

      test.runIf(has.owners)('counts an owner that is gone as lost', async () => {
        await take(first)
        await under.killFirst?.()
        expect((await take(second)).lostOwners).toBe(1)
      })

      test('raises the epoch with every lease, however the one before ended', async () => {
        const epochs: number[] = []
        const next = async () => {
          const lease = await take(first)
          epochs.push(lease.epoch)
          return lease
        }
        await commit(first, await next())
        await first.fail(await next(), FAILURE)
        await first.withdraw(await next(), { resultId: under.newResultId(), inputRevision: 1 })
        await first.handOver(await next())
        await next()
        expect(epochs).toEqual([1, 2, 3, 4, 5])
      })
    })

    describe('commit', () => {
      test('stores the result and ends the run in one', async () => {
        const lease = await take(first)
        const id = under.newResultId()
        let told: Parameters<StoreResult>[1] | undefined
        await first.commit(lease, (transaction, run) => {
          told = run
          return under.storing(id)(transaction, run)
        })
        expect(told).toMatchObject({ runId: lease.runId, epoch: lease.epoch })
        expect(await under.isStored(id)).toBe(true)
        expect(await read(lease)).toMatchObject({
          ...{ state: 'SUCCEEDED', epoch: 1, phase: 'DONE', progress: 1, resultId: id, abandoned: false },
          finishedAt: told?.committedAt,
        })
      })

      test('is refused to an owner that lost its lease, and harms its successor in nothing', async () => {
        const lease = await take(first)
        const successor = await passOn(lease)
        const id = under.newResultId()
        await expect(first.commit(lease, under.storing(id))).rejects.toBeInstanceOf(FencedError)
        expect(await under.isStored(id)).toBe(false)
        expect(await read(successor)).toMatchObject({ state: 'RUNNING', epoch: 2, resultId: null })
        const committed = await commit(second, successor)
        expect(await read(successor)).toMatchObject({ state: 'SUCCEEDED', epoch: 2, resultId: committed })
      })

      test('happens once', async () => {
        const lease = await take(first)
        const committed = await commit(first, lease)
        const id = under.newResultId()
        await expect(first.commit(lease, under.storing(id))).rejects.toBeInstanceOf(FencedError)
        expect(await under.isStored(id)).toBe(false)
        expect((await read(lease))?.resultId).toBe(committed)
      })

      test('happens once when it is tried twice at the same time', async () => {
        const lease = await take(first)
        const ids = [under.newResultId(), under.newResultId()]
        const tries = await Promise.allSettled(ids.map(id => first.commit(lease, under.storing(id))))
        expect(tries.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
        const stored = await Promise.all(ids.map(id => under.isStored(id)))
        expect(stored.filter(Boolean)).toHaveLength(1)
        expect((await read(lease))?.resultId).toBe(ids[stored.indexOf(true)])
      })

      test('is refused when the run has failed or was withdrawn', async () => {
        const failed = await take(first)
        await first.fail(failed, FAILURE)
        const withdrawn = await take(first, under.newSubject())
        await first.withdraw(withdrawn, { resultId: under.newResultId(), inputRevision: 1 })
        for (const lease of [failed, withdrawn]) {
          const id = under.newResultId()
          await expect(first.commit(lease, under.storing(id))).rejects.toBeInstanceOf(FencedError)
          expect(await under.isStored(id)).toBe(false)
        }
      })

      test('ends no run of another key, though its epoch is the same', async () => {
        const lease = await take(first)
        const other = await take(first, under.newSubject())
        expect(other.epoch).toBe(lease.epoch)
        await commit(first, lease)
        expect(await read(other)).toMatchObject({ state: 'RUNNING', phase: 'COLLECTING' })
        await commit(first, other)
      })

      test('that fails stores nothing and ends nothing', async () => {
        const lease = await take(first)
        const id = under.newResultId()
        const failure = new Error('of the store')
        const commit = first.commit(lease, async (transaction, run) => {
          await under.storing(id)(transaction, run)
          throw failure
        })
        await expect(commit).rejects.toBe(failure)
        expect(await under.isStored(id)).toBe(false)
        expect(await read(lease)).toMatchObject({ state: 'RUNNING', resultId: null })
        await first.commit(lease, under.storing(id))
        expect((await read(lease))?.resultId).toBe(id)
      })

      test('that is under way keeps everybody off, also where its lease would be lost meanwhile', async () => {
        const lease = await take(first)
        const id = under.newResultId()
        const begun = Promise.withResolvers<void>()
        const gate = Promise.withResolvers<void>()
        const commit = first.commit(lease, async (transaction, run) => {
          begun.resolve()
          await gate.promise
          return under.storing(id)(transaction, run)
        })
        await begun.promise
        const late = Promise.allSettled([first.handOver(lease), first.fail(lease, FAILURE)])
        expect(await second.acquire(subject)).toEqual({ type: 'running', runId: lease.runId })
        gate.resolve()
        await commit
        await late
        expect(await read(lease)).toMatchObject({ state: 'SUCCEEDED', epoch: 1, resultId: id })
      })
    })

    describe('renew', () => {
      test('gives back those that are held, of many', async () => {
        const held = await take(first)
        const ended = await take(first, under.newSubject())
        await commit(first, ended)
        const failed = await take(first, under.newSubject())
        await first.fail(failed, FAILURE)
        const lostSubject = under.newSubject()
        const lost = await take(first, lostSubject)
        await first.handOver(lost)
        await take(second, lostSubject)
        expect(await first.renew([held, ended, failed, lost])).toEqual([held])
      })

      test('tells two leases of one key apart', async () => {
        const lease = await take(first)
        const successor = await passOn(lease)
        expect(await first.renew([lease, successor])).toEqual([successor])
      })

      test.runIf(has.expiry)('puts the end of the TTL off', async () => {
        const lease = await take(first)
        await under.expire?.(subject.key)
        expect(await first.renew([lease])).toEqual([lease])
        expect((await second.acquire(subject)).type).toBe('running')
      })

      test.runIf(has.expiry)(
        'of a lease does nothing for another key, though its epoch is the same',
        async () => {
          const other = under.newSubject()
          const lease = await take(first)
          expect((await take(first, other)).epoch).toBe(lease.epoch)
          await under.expire?.(other.key)
          expect(await first.renew([lease])).toEqual([lease])
          expect(await take(second, other)).toMatchObject({ takeoverCause: 'expired' })
        },
      )

      test.runIf(has.expiry)('of a lease that was lost does nothing for its successor', async () => {
        const lease = await take(first)
        await passOn(lease)
        await under.expire?.(subject.key)
        expect(await first.renew([lease])).toEqual([])
        expect(await take(first)).toMatchObject({ epoch: 3 })
      })
    })

    describe('advance', () => {
      test('shows everybody how far the run has come', async () => {
        const lease = await take(first)
        expect(await first.advance(lease, { phase: 'COLLECTING', progress: 0 })).toBe(true)
        expect(await first.advance(lease, { phase: 'GENERATING', progress: 0.25, inputRevision: 3 })).toBe(
          true,
        )
        expect((await second.find([lease.runId]))[0]).toMatchObject({
          ...{ state: 'RUNNING', phase: 'GENERATING', progress: 0.25, inputRevision: 3 },
        })
        expect(await first.advance(lease, { phase: 'GENERATING', progress: 0.5 })).toBe(true)
        expect(await read(lease)).toMatchObject({ progress: 0.5, inputRevision: 3 })
      })

      test('never goes back, in whatever order its statements arrive', async () => {
        const lease = await take(first)
        await first.advance(lease, { phase: 'STORING', progress: 1 })
        expect(await first.advance(lease, { phase: 'GENERATING', progress: 0.5 })).toBe(true)
        expect(await read(lease)).toMatchObject({ phase: 'STORING', progress: 1 })
      })

      test('is refused when the lease has passed on or the run has ended, and changes nothing', async () => {
        const lease = await take(first)
        const successor = await passOn(lease)
        const to = { phase: 'GENERATING' as const, progress: 0.5, inputRevision: 9 }
        expect(await first.advance(lease, to)).toBe(false)
        expect(await read(successor)).toMatchObject({ phase: 'COLLECTING', progress: 0, inputRevision: null })
        await commit(second, successor)
        expect(await second.advance(successor, to)).toBe(false)
        expect(await read(successor)).toMatchObject({ phase: 'DONE', progress: 1, inputRevision: null })
      })
    })

    describe('fail', () => {
      test('ends the run with what went wrong', async () => {
        const lease = await take(first)
        const failed = await first.fail(lease, FAILURE_WITH_PAUSE)
        expect(failed?.retryAt).toBeInstanceOf(Date)
        expect((await second.find([lease.runId]))[0]).toMatchObject({
          ...{ state: 'FAILED', phase: 'DONE', error: FAILURE_WITH_PAUSE.message, errorRetryable: true },
          ...{ retryAt: failed?.retryAt, resultId: null, abandoned: false },
          finishedAt: expect.any(Date),
        })
      })

      test('is refused when the lease has passed on or the run has ended, and changes nothing', async () => {
        const lease = await take(first)
        const successor = await passOn(lease)
        expect(await first.fail(lease, FAILURE_WITH_PAUSE)).toBeUndefined()
        expect(await read(successor)).toMatchObject({ state: 'RUNNING', error: null })
        const id = await commit(second, successor)
        expect(await second.fail(successor, FAILURE_WITH_PAUSE)).toBeUndefined()
        expect(await read(successor)).toMatchObject({ state: 'SUCCEEDED', error: null, resultId: id })
        expect((await take(first)).attempts).toBe(0)
      })
    })

    describe('handOver and withdraw', () => {
      test('a run that is handed over is abandoned, and goes on where somebody takes it', async () => {
        const lease = await take(first)
        await first.handOver(lease)
        expect(await read(lease)).toMatchObject({ state: 'RUNNING', abandoned: true })
        const successor = await take(second)
        await first.handOver(lease)
        expect(await read(successor)).toMatchObject({ state: 'RUNNING', abandoned: false })
      })

      test('a run that is withdrawn makes way for the next at once', async () => {
        const lease = await take(first)
        await first.withdraw(lease, { resultId: under.newResultId(), inputRevision: 1 })
        const next = await take(second)
        expect(next).toMatchObject({ epoch: 2, attempts: 0, takeoverCause: null })
        expect(next.runId).not.toBe(lease.runId)
      })

      test('a run that is withdrawn ends with the result that was found, and with what that one had read', async () => {
        const lease = await take(first)
        const resultId = under.newResultId()
        await first.withdraw(lease, { resultId, inputRevision: 7 })
        expect((await second.find([lease.runId]))[0]).toMatchObject({
          ...{ state: 'SUCCEEDED', phase: 'DONE', progress: 1, resultId, inputRevision: 7 },
          ...{ error: null, abandoned: false, finishedAt: expect.any(Date) },
        })
      })

      test('a run that is withdrawn ends the count of failures in a row', async () => {
        await first.fail(await take(first), FAILURE)
        const lease = await take(first)
        expect(lease.attempts).toBe(1)
        await first.withdraw(lease, { resultId: under.newResultId(), inputRevision: 1 })
        expect((await take(second)).attempts).toBe(0)
      })

      test('withdrawing is refused when the run has ended, and changes nothing', async () => {
        const failed = await take(first)
        await first.fail(failed, FAILURE_WITH_PAUSE)
        const committed = await take(first, under.newSubject())
        const id = await commit(first, committed)
        for (const lease of [failed, committed])
          await first.withdraw(lease, { resultId: under.newResultId(), inputRevision: 9 })
        expect(await read(failed)).toMatchObject({ state: 'FAILED', resultId: null, inputRevision: null })
        expect(await read(committed)).toMatchObject({ state: 'SUCCEEDED', resultId: id, inputRevision: null })
        expect((await second.acquire(subject)).type).toBe('backing-off')
      })

      test('withdrawing is refused when the lease has passed on', async () => {
        const lease = await take(first)
        const successor = await passOn(lease)
        await first.withdraw(lease, { resultId: under.newResultId(), inputRevision: 1 })
        expect(await read(successor)).toMatchObject({ state: 'RUNNING', epoch: 2 })
        await commit(second, successor)
      })
    })

    test.each<[string, (lease: Lease) => Promise<unknown>]>([
      ['goes on', lease => first.advance(lease, { phase: 'GENERATING', progress: 0.5, inputRevision: 7 })],
      ['is committed', lease => commit(first, lease)],
      ['fails', lease => first.fail(lease, FAILURE_WITH_PAUSE)],
      ['is handed over', lease => first.handOver(lease)],
      ['is withdrawn', lease => first.withdraw(lease, { resultId: under.newResultId(), inputRevision: 7 })],
    ])('that one run %s is nothing to any other, though their epochs are the same', async (_, happen) => {
      const otherSubject = under.newSubject()
      const [lease, other] = [await take(first), await take(first, otherSubject)]
      expect(other.epoch).toBe(lease.epoch)
      const ended = await take(first, under.newSubject())
      await first.fail(ended, FAILURE)
      const before = await first.find([other.runId, ended.runId])
      await happen(lease)
      const after = await first.find([other.runId, ended.runId])
      expect(after.toSorted(byId)).toEqual(before.toSorted(byId))
      expect(await second.acquire(otherSubject)).toEqual({ type: 'running', runId: other.runId })
      await commit(first, other)
    })

    describe.runIf(has.owners)('findAbandoned', () => {
      /** Of these keys: what other tests have left behind in a store that they share does not count. */
      const abandoned = async (keys = [subject.key]) => {
        const found = await second.findAbandoned(100_000)
        return found.filter(({ key }) => keys.includes(key)).toSorted(byKey)
      }

      test('names the runs that have expired, that were handed over, and whose owner is gone, with what they were begun with', async () => {
        const keys: string[] = []
        const begin = async (leases: Leases, request: { n: number }) => {
          const of = under.newSubject()
          keys.push(of.key)
          return granted(await leases.acquire(of, { request }))
        }
        const expired = await begin(second, { n: 1 })
        await under.expire?.(expired.key)
        const handedOver = await begin(second, { n: 2 })
        await second.handOver(handedOver)
        await begin(second, { n: 3 })
        const failed = await begin(first, { n: 4 })
        await first.fail(failed, FAILURE)
        const committed = await begin(first, { n: 5 })
        await commit(first, committed)
        const withdrawn = await begin(first, { n: 6 })
        await first.withdraw(withdrawn, { resultId: under.newResultId(), inputRevision: 1 })
        const ofTheFirst = await begin(first, { n: 7 })
        const known = (await abandoned(keys)).map(({ key }) => key)
        expect(known).toEqual([expired.key, handedOver.key].toSorted())
        await under.killFirst?.()
        const row = (lease: Lease, n: number, isExpired: boolean) => {
          const { key, runId, epoch, kind, userId, archetype } = lease
          return { key, runId, epoch, kind, userId, archetype, request: { n }, expired: isExpired }
        }
        expect(await abandoned(keys)).toEqual(
          [row(expired, 1, true), row(handedOver, 2, true), row(ofTheFirst, 7, false)].toSorted(byKey),
        )
        expect(await second.findAbandoned(2)).toHaveLength(2)
      })

      test('tells what a run was begun with, whoever has taken it over since, and nothing of the run before', async () => {
        const lease = granted(await first.acquire(subject, { request: 'the first' }))
        expect(lease.request).toBe('the first')
        await first.handOver(lease)
        const taken = granted(await second.acquire(subject, { request: 'the second' }))
        expect(taken).toMatchObject({ runId: lease.runId, request: 'the first' })
        await second.handOver(taken)
        expect(await abandoned()).toMatchObject([{ runId: lease.runId, epoch: 2, request: 'the first' }])
        await second.fail(await take(second), FAILURE)
        await second.handOver(await take(second))
        expect(await abandoned()).toMatchObject([{ epoch: 4, request: null }])
      })

      test('ends no lease whose run is still there', async () => {
        const lease = await take(first)
        await first.handOver(lease)
        const [run] = await abandoned()
        if (!run) throw new Error('nothing is abandoned')
        await second.endOrphaned(run)
        expect(await read(lease)).toMatchObject({ state: 'RUNNING', abandoned: true })
      })

      test('a lease whose run is gone is named as such, and can be ended for good', async () => {
        const lease = await take(first)
        await first.handOver(lease)
        await under.forget?.(lease.runId)
        const [run] = await abandoned()
        if (!run) throw new Error('nothing is abandoned')
        expect(run).toMatchObject({ key: subject.key, runId: lease.runId, kind: null, userId: null })
        await second.endOrphaned({ ...run, epoch: run.epoch + 1 })
        await second.endOrphaned({ ...run, key: 'another' })
        expect(await abandoned()).toEqual([run])
        await second.endOrphaned(run)
        expect(await abandoned()).toEqual([])
        expect(await take(second)).toMatchObject({ epoch: 2, takeoverCause: null })
      })
    })

    describe('find', () => {
      test('knows the runs of all instances, in any number, and no others', async () => {
        const one = await take(first)
        const other = await take(second, under.newSubject())
        const unknown = under.newResultId()
        const found = await second.find([one.runId, unknown, other.runId])
        expect(found.map(({ id }) => id).toSorted()).toEqual([one.runId, other.runId].toSorted())
        expect(await first.find([])).toEqual([])
      })

      test('keeps a run that has ended as it was while the next goes on', async () => {
        const lease = await take(first)
        const id = await commit(first, lease)
        const next = await take(second)
        await second.advance(next, { phase: 'GENERATING', progress: 0.5 })
        expect(await read(lease)).toMatchObject({
          state: 'SUCCEEDED',
          phase: 'DONE',
          progress: 1,
          resultId: id,
        })
      })

      test('keeps a run that has failed as it was while the next goes on and fails', async () => {
        const lease = await take(first)
        await first.advance(lease, { phase: 'GENERATING', progress: 0.75 })
        await first.fail(lease, FAILURE)
        const failed = await read(lease)
        expect(failed).toMatchObject({ state: 'FAILED', progress: 0.75, retryAt: null })
        const next = await take(second)
        await second.advance(next, { phase: 'GENERATING', progress: 0.5 })
        expect(await read(lease)).toEqual(failed)
        await second.fail(next, FAILURE_WITH_PAUSE)
        expect(await read(lease)).toEqual(failed)
      })

      test.runIf(has.expiry)('calls a run abandoned whose lease has expired', async () => {
        const lease = await take(first)
        await under.expire?.(subject.key)
        expect(await read(lease)).toMatchObject({ state: 'RUNNING', abandoned: true })
      })

      test.runIf(has.owners)('calls a run abandoned whose owner is gone, unless it has ended', async () => {
        const lease = await take(first)
        const ended = await take(first, under.newSubject())
        await commit(first, ended)
        await under.killFirst?.()
        expect((await second.find([lease.runId]))[0]).toMatchObject({ abandoned: true })
        expect((await second.find([ended.runId]))[0]).toMatchObject({ abandoned: false })
      })
    })
  })
}

const byKey = (one: { key: string }, other: { key: string }) => one.key.localeCompare(other.key)
const byId = (one: GenerationRow, other: GenerationRow) => one.id.localeCompare(other.id)

function granted(acquisition: Acquisition): Lease {
  if (acquisition.type !== 'acquired') throw new Error(`no lease, but ${JSON.stringify(acquisition)}`)
  return acquisition.lease
}
