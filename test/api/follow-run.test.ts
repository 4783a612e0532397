import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import type { RunListener, RunWatch } from '../../src/coordination/run-watch.ts'
import type { GenerationRow } from '../../src/database/generations.ts'
import { followRun } from '../../src/schema/follow-run.ts'

/** What a subscription to a run makes of what the watch tells: the words of the API are in subscriptions.test.ts. */

const RUNNING = { state: 'RUNNING', phase: 'GENERATING', progress: 0.5, epoch: 1, text: null }
const row = (change: Partial<GenerationRow> = {}) => ({ ...RUNNING, ...change }) as GenerationRow

function setUp() {
  const listeners = new Set<RunListener>()
  const watch = {
    listen(_runId: string, listener: RunListener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  } as unknown as RunWatch
  const leaving = new AbortController()
  return {
    following: followRun(watch, 'run', leaving.signal),
    tell(run: GenerationRow | undefined) {
      for (const listener of listeners) listener(run)
    },
    leaving,
    left: () => ({ listeners: listeners.size, aborts: getEventListeners(leaving.signal, 'abort').length }),
  }
}

test('completes when its run is not known any more, also where something of it was seen', async () => {
  for (const seen of [false, true]) {
    const { following, tell, left } = setUp()
    const first = following.next()
    if (seen) {
      tell(row())
      expect(await first).toMatchObject({ value: { progress: 0.5 } })
    }
    const next = seen ? following.next() : first
    tell(undefined)
    expect(await next).toEqual({ done: true, value: undefined })
    expect(left().listeners).toBe(0)
  }
})

test('a request that is aborted ends it, while it waits and before', async () => {
  for (const when of ['before', 'while it waits'] as const) {
    const { following, leaving, left } = setUp()
    if (when === 'before') leaving.abort()
    const next = following.next()
    leaving.abort()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(left()).toEqual({ listeners: 0, aborts: 0 })
  }
})

test('a consumer that goes away while nothing happens leaves nothing behind', async () => {
  const { following, left } = setUp()
  const next = following.next()
  await following.return?.()
  expect(await next).toEqual({ done: true, value: undefined })
  expect(left().listeners).toBe(0)
})

test('what is told while nobody asks is brought up to date, and what changes nothing that is seen is not told', async () => {
  const { following, tell } = setUp()
  const first = following.next()
  tell(row())
  await first
  tell(row({ progress: 0.6 }))
  tell(row({ progress: 0.7 }))
  expect(await following.next()).toMatchObject({ value: { progress: 0.7 } })
  const next = following.next()
  tell(row({ progress: 0.7, inputRevision: 9 }))
  tell(row({ epoch: 2, progress: 0 }))
  expect(await next).toMatchObject({ value: { epoch: 2, progress: 0 } })
  const last = following.next()
  tell(row({ epoch: 2, state: 'SUCCEEDED', progress: 1 }))
  expect(await last).toMatchObject({ done: false, value: { state: 'SUCCEEDED' } })
  expect(await following.next()).toEqual({ done: true, value: undefined })
})
