import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Queryable } from '../../src/database/client.ts'
import { paced } from '../../src/domain/collections/ingestion-pace.ts'

const PACE = { batchDocuments: 25, maxRestMs: 25, maxYieldMs: 100 }

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Begins one statement of so long. @returns how long it all took, once it is over */
function begin(tookMs: number, isBusy: () => boolean) {
  const looks: number[] = []
  const fromMs = performance.now()
  const db: Queryable = {
    async query() {
      looks.push(performance.now() - fromMs)
      return [{ busy: isBusy() }] as never
    },
  }
  const state: { endedMs?: number; result?: string } = {}
  void paced(db, PACE, async () => {
    await new Promise(resolve => setTimeout(resolve, tookMs))
    return 'stored'
  }).then(result => {
    state.endedMs = performance.now() - fromMs
    state.result = result
  })
  return { state, looks }
}

test.each([
  [10, 20],
  [25, 50],
  [400, 425],
])(
  'after a statement of %i ms it goes on at %i: it rests for as long, 25 ms at most',
  async (tookMs, endedMs) => {
    const { state } = begin(tookMs, () => false)
    await vi.advanceTimersByTimeAsync(1000)
    expect(state).toEqual({ endedMs, result: 'stored' })
  },
)

test('it waits while somebody else is at work, looking again and again, and goes on as soon as nobody is', async () => {
  let busy = true
  const { state, looks } = begin(10, () => busy)
  await vi.advanceTimersByTimeAsync(60)
  expect(state).toEqual({})
  busy = false
  await vi.advanceTimersByTimeAsync(3)
  expect(state.endedMs).toBeLessThanOrEqual(63)
  expect(looks.slice(0, 4)).toEqual([20, 23, 26, 29])
})

test('it goes on after 100 ms, whoever is at work', async () => {
  const { state } = begin(10, () => true)
  await vi.advanceTimersByTimeAsync(119)
  expect(state).toEqual({})
  await vi.advanceTimersByTimeAsync(4)
  expect(state.endedMs).toBeLessThanOrEqual(123)
})
