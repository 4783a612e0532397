import { EventEmitter } from 'node:events'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { retireSocket } from '../../src/http/retire-socket.ts'
import { Retirement } from '../../src/http/retirement.ts'

/** Every sleep of what is tested, which the test ends. */
const sleeps: { ms: number; wake: () => void }[] = []
vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number, value: unknown) =>
    new Promise(resolve => sleeps.push({ ms, wake: () => resolve(value) })),
}))
const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}
const wake = async (...ms: number[]) => {
  for (const one of ms) sleeps.find(sleep => sleep.ms === one)?.wake()
  await settle()
}
beforeEach(() => void sleeps.splice(0))

describe('the subscriptions of an instance that stops', () => {
  test('end each at its own time, over 10 ms for each of them', async () => {
    const draws = [0, 0.5, 0.99]
    const retirement = new Retirement(() => draws.shift() ?? 0)
    const ended: string[] = []
    for (const name of ['a', 'b', 'c']) retirement.add(async () => void ended.push(name))
    expect(retirement.begun).toBe(false)
    const run = retirement.run(8000)
    expect(retirement.begun).toBe(true)
    expect(sleeps.map(({ ms }) => ms)).toEqual([0, 15, 29.7, 8000])
    expect(ended).toEqual([])
    await wake(15)
    expect(ended).toEqual(['b'])
    expect(retirement.size).toBe(2)
    await wake(29.7, 0)
    await run
    expect(ended).toEqual(['b', 'c', 'a'])
    expect(retirement.size).toBe(0)
  })

  test('end within 5 seconds, however many, and within half of the time that is left', () => {
    for (const [timeoutMs, latest] of [
      [60_000, 5000],
      [4000, 2000],
    ] as const) {
      sleeps.splice(0)
      const retirement = new Retirement(() => 1)
      for (let i = 0; i < 1000; i++) retirement.add(async () => {})
      void retirement.run(timeoutMs)
      expect(sleeps.slice(0, -1).every(({ ms }) => ms === latest)).toBe(true)
    }
  })

  test('are waited for no longer than was said, and may be waited for again', async () => {
    const retirement = new Retirement()
    retirement.add(() => new Promise(() => {}))
    const run = retirement.run(4000)
    sleeps[0]?.wake()
    await settle()
    const over = vi.fn()
    void run.then(over)
    await settle()
    expect(over).not.toHaveBeenCalled()
    await wake(4000)
    expect(over).toHaveBeenCalled()
    const count = sleeps.length
    void retirement.run(1000)
    // None is ended twice.
    expect(sleeps.slice(count).map(({ ms }) => ms)).toEqual([1000])
  })

  test('that end by themselves meanwhile are left alone', async () => {
    const retirement = new Retirement(() => 0.5)
    const end = vi.fn(async () => {})
    const forget = retirement.add(end)
    const run = retirement.run(8000)
    forget()
    expect(retirement.size).toBe(0)
    await wake(5)
    await run
    expect(end).not.toHaveBeenCalled()
  })

  test('that come although the instance is stopping are ended after a moment, and waited for', async () => {
    const draws = [0, 0, 1]
    const retirement = new Retirement(() => draws.shift() ?? 0)
    retirement.add(async () => {})
    const over = vi.fn()
    void retirement.run(8000).then(over)
    const end = vi.fn(async () => {})
    retirement.add(() => end())
    retirement.add(() => end())
    expect(sleeps.map(({ ms }) => ms)).toEqual([0, 8000, 500, 1500])
    await wake(0, 500)
    expect(over).not.toHaveBeenCalled()
    await wake(1500)
    expect(end).toHaveBeenCalledTimes(2)
    expect(over).toHaveBeenCalled()
  })

  test('one whose end fails keeps nobody', async () => {
    const retirement = new Retirement(() => 0)
    retirement.add(() => Promise.reject(new Error('the socket is gone')))
    const run = retirement.run(8000)
    await wake(0)
    await run
  })
})

describe('a socket of an instance that stops', () => {
  function scene(isAnswering: () => boolean) {
    const retirement = new Retirement(() => 0)
    const socket = Object.assign(new EventEmitter(), { close: vi.fn() })
    retireSocket(retirement, socket as unknown as WebSocket, isAnswering)
    return { retirement, socket }
  }

  test('is closed as one of a service that restarts, which clients come back after', async () => {
    const { retirement, socket } = scene(() => false)
    const run = retirement.run(8000)
    await wake(0)
    await run
    expect(socket.close).toHaveBeenCalledExactlyOnceWith(1012, expect.any(String))
  })

  test('is closed after what is under way on it is answered', async () => {
    let answering = true
    const { retirement, socket } = scene(() => answering)
    void retirement.run(8000)
    await wake(0)
    for (let look = 0; look < 3; look++) {
      expect(socket.close).not.toHaveBeenCalled()
      sleeps.at(-1)?.wake()
      await settle()
    }
    answering = false
    sleeps.at(-1)?.wake()
    await settle()
    expect(socket.close).toHaveBeenCalledOnce()
  })

  test('waits for 10 seconds at most', async () => {
    const { retirement, socket } = scene(() => true)
    void retirement.run(60_000)
    await wake(0)
    let waitedMs = 0
    while (socket.close.mock.calls.length === 0 && waitedMs < 60_000) {
      const { ms, wake: over } = sleeps.at(-1) as (typeof sleeps)[0]
      waitedMs += ms
      over()
      await settle()
    }
    expect(waitedMs).toBe(10_000)
  })

  test('that was closed is forgotten', () => {
    const { retirement, socket } = scene(() => false)
    expect(retirement.size).toBe(1)
    socket.emit('close')
    expect(retirement.size).toBe(0)
  })
})
