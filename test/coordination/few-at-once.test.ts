import { expect, test } from 'vitest'
import { FewAtOnce } from '../../src/shared/few-at-once.ts'
import { Gate } from '../support/gate.ts'
import { SimulatedClock, SimulatedTime } from '../support/simulated-clock.ts'

function fewAtOnce(most: number) {
  const time = new SimulatedTime()
  const clock = new SimulatedClock(time)
  return { time, clock, few: new FewAtOnce({ most, stalledMs: 1000, patienceMs: 5000, clock }) }
}

test('so many steps run at once, and the others in the order of their arrival', async () => {
  const { few, clock } = fewAtOnce(2)
  const gates = Array.from({ length: 5 }, () => new Gate())
  const begun: number[] = []
  const steps = gates.map((gate, index) =>
    few.run(async () => {
      begun.push(index)
      await gate.pass()
      return index
    }),
  )
  expect([begun, few.waiting]).toEqual([[0, 1], 3])
  gates[1]?.open()
  await gates[2]?.arrived(1)
  // Who comes just now does not get before those who wait.
  const last = few.run(async () => void begun.push(5))
  expect(begun).toEqual([0, 1, 2])
  gates[0]?.open()
  await gates[3]?.arrived(1)
  for (const gate of gates) gate.open()
  await last
  expect(begun).toEqual([0, 1, 2, 3, 4, 5])
  expect(await Promise.all(steps)).toEqual([0, 1, 2, 3, 4])
  expect([few.waiting, clock.pendingTimers]).toEqual([0, 0])
})

test('a place is free again after a step that fails', async () => {
  const { few } = fewAtOnce(1)
  const failing = few.run(async () => {
    throw new Error('no')
  })
  const next = few.run(async () => 'next')
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('next')
  expect(await few.run(async () => 'later')).toBe('later')
})

test('nobody waits behind steps that hang', async () => {
  const { few, time, clock } = fewAtOnce(1)
  const gate = new Gate()
  const hanging = few.run(() => gate.pass())
  const patient = [1, 2, 3].map(number => few.run(async () => number))
  await time.pass(999)
  expect(few.waiting).toBe(3)
  await time.pass(1)
  expect(await Promise.all(patient)).toEqual([1, 2, 3])
  gate.open()
  await hanging
  expect(clock.pendingTimers).toBe(0)
})

test('nor for long behind many that are slow', async () => {
  const { few, time, clock } = fewAtOnce(1)
  const slow = Array.from({ length: 10 }, () => few.run(() => time.wait(900)))
  const patient = few.run(async () => 'went on')
  await time.pass(4999)
  expect(few.waiting).toBeGreaterThan(0)
  await time.pass(1)
  expect(await patient).toBe('went on')
  await time.pass(10_000)
  await Promise.all(slow)
  expect([few.waiting, clock.pendingTimers]).toEqual([0, 0])
})
