import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { Flight } from '../../src/coordination/flight.ts'
import type { RunSubject } from '../../src/coordination/lease.ts'
import { Singleflight } from '../../src/coordination/singleflight.ts'
import { waitForFlight } from '../../src/coordination/wait-for-flight.ts'
import { SimulatedClock, SimulatedTime } from '../support/simulated-clock.ts'

/** What the flights of a process leave behind when they have ended, and when somebody leaves them: nothing. */

const subjectOf = (key: string): RunSubject => ({
  key,
  kind: 'BEHAVIOR_ANALYSIS',
  userId: 'ada',
  archetype: null,
})
const END = { type: 'result', result: 'made', runId: 'run', made: true } as const

describe('waiting for a flight', () => {
  const setUp = () => {
    const time = new SimulatedTime()
    const clock = new SimulatedClock(time)
    const flight = new Flight<string>(subjectOf('k'), 0)
    const leaving = new AbortController()
    const wait = (waitMs: number | null = 60_000) =>
      waitForFlight(flight, { joinsAnyRun: true, waitMs, signal: leaving.signal }, clock.nowMs(), clock)
    const left = () => ({
      timers: clock.pendingTimers,
      listeners: getEventListeners(leaving.signal, 'abort').length,
      seats: flight.waiters,
    })
    return { time, clock, flight, leaving, wait, left }
  }
  const NOTHING = { timers: 0, listeners: 0, seats: 0 }

  test('leaves nothing when the flight has ended', async () => {
    const { flight, wait, left } = setUp()
    const waiting = wait()
    expect(left()).toEqual({ timers: 1, listeners: 1, seats: 1 })
    flight.land(END)
    expect(await waiting).toMatchObject({ source: 'FRESH', result: 'made' })
    expect(left()).toEqual(NOTHING)
  })

  test('leaves nothing when the caller has left, and nothing is taken from those who stay', async () => {
    const { clock, flight, leaving, wait, left } = setUp()
    const [going, staying] = [wait(), waitForFlight(flight, { joinsAnyRun: true, waitMs: null }, 0, clock)]
    leaving.abort('left')
    await expect(going).rejects.toBe('left')
    expect(left()).toEqual({ ...NOTHING, seats: 1 })
    flight.land(END)
    expect(await staying).toMatchObject({ source: 'FRESH' })
  })

  test('leaves nothing when the time of the caller is over', async () => {
    const { time, flight, wait, left } = setUp()
    flight.owns('run')
    const waiting = wait(0)
    expect(left()).toMatchObject({ timers: 1 })
    await time.pass(0)
    expect(await waiting).toEqual({ type: 'pending', runId: 'run' })
    expect(left()).toEqual(NOTHING)
  })
})

describe('the flights of a process', () => {
  test('end one by one: who ends takes no other of its key along, and the last one takes the entry', () => {
    const flights = new Singleflight()
    const [first, next, other] = [
      new Flight(subjectOf('k'), 0),
      new Flight(subjectOf('k'), 7),
      new Flight(subjectOf('l'), 0),
    ]
    for (const flight of [first, next, other]) flights.add(flight)
    expect({ size: flights.size, keys: flights.keys }).toEqual({ size: 3, keys: 2 })
    flights.remove(first)
    flights.remove(first)
    expect(flights.find('k', 7)).toBe(next)
    expect(flights.find('l', 0)).toBe(other)
    flights.remove(next)
    flights.remove(other)
    expect({ size: flights.size, keys: flights.keys }).toEqual({ size: 0, keys: 0 })
  })
})
