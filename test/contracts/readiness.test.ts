import { expect, test } from 'vitest'
import { Readiness } from '../../src/http/readiness.ts'

/** Those who ask, on a clock of the test. */
function scene() {
  let nowMs = 0
  const readiness = new Readiness(() => nowMs)
  const ask = (address: string, ...answers: boolean[]) => {
    for (const ready of answers) readiness.answered(address, ready)
  }
  return {
    readiness,
    ask,
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

test('nobody is waited for where nobody asks, or asked once, as whoever waits for a start', () => {
  const { readiness, ask } = scene()
  expect(readiness.awaited).toBe(false)
  ask('10.0.0.1', false, false, true)
  expect(readiness.awaited).toBe(false)
})

test('who goes on asking is waited for until told', () => {
  const { readiness, ask } = scene()
  ask('10.0.0.1', true, true)
  expect(readiness.awaited).toBe(true)
  ask('10.0.0.1', false)
  expect(readiness.awaited).toBe(false)
})

test('one of two that has been told does not speak for the other', () => {
  const { readiness, ask } = scene()
  ask('10.0.0.1', true, true)
  ask('10.0.0.2', true, true)
  ask('10.0.0.1', false)
  expect(readiness.awaited).toBe(true)
  ask('10.0.0.2', false)
  expect(readiness.awaited).toBe(false)
})

test('a no of before, as of a database that was away for a moment, is not the no that is waited for', () => {
  const { readiness, ask } = scene()
  ask('10.0.0.1', true, false, true)
  expect(readiness.awaited).toBe(true)
})

test('who has not asked for 15 seconds is waited for no more', () => {
  const { readiness, ask, pass } = scene()
  ask('10.0.0.1', true, true)
  pass(15_000)
  expect(readiness.awaited).toBe(true)
  pass(1)
  expect(readiness.awaited).toBe(false)
})

test('of 65 that ask, the one that asked longest ago is forgotten', () => {
  const { readiness, ask } = scene()
  ask('first', true, true)
  for (let i = 0; i < 62; i++) ask(`${i}`, true)
  ask('64th', true)
  // The first asks again, so that another is the oldest.
  ask('first', true)
  ask('65th', true)
  expect(readiness.awaited).toBe(true)
  for (let i = 0; i < 62; i++) ask(`other ${i}`, true)
  expect(readiness.awaited).toBe(true)
  ask('one more', true)
  expect(readiness.awaited).toBe(false)
})
