/**
 * What the keyed mutex costs: `node test/bench/keyed-mutex.ts`. Tasks do nothing, so the figures are the lock's own.
 * Uncontended, a sample is one whole runExclusive. Contended, it is one handover, from the end of a task to the start
 * of the next in its line; with 1,000 keys the handovers of the 999 others lie between. When waiters abort, a sample is
 * one abort. The last column is everything, asking included, by the number of runs.
 */
import { KeyedMutex } from '../../src/coordination/keyed-mutex.ts'
import { systemClock } from '../../src/shared/clock.ts'

const options = { timeoutMs: 60_000, operation: 'bench' }
const nothing = () => {}

interface Measured {
  case: string
  samplesUs: number[]
  runs: number
  totalMs: number
}

async function uncontended(runs: number, signal?: AbortSignal): Promise<Measured> {
  const mutex = createMutex()
  const samplesUs: number[] = []
  const startedMs = performance.now()
  for (let run = 0; run < runs; run++) {
    const askedMs = performance.now()
    await mutex.runExclusive(`key ${run % 1_000}`, signal ? { ...options, signal } : options, nothing)
    samplesUs.push((performance.now() - askedMs) * 1_000)
  }
  const name = signal ? 'uncontended, with a signal' : 'uncontended'
  return { case: name, samplesUs, runs, totalMs: performance.now() - startedMs }
}

/** All ask in one tick; each key's line then moves by handovers. */
async function contended(
  keys: number,
  waitersPerKey: number,
  signals: 'none' | 'own' | 'one' = 'none',
): Promise<Measured> {
  const mutex = createMutex()
  const shared = new AbortController().signal
  const samplesUs: number[] = []
  const leftAtMs = new Map<string, number>()
  const runs: Promise<void>[] = []
  const startedMs = performance.now()
  for (let waiter = 0; waiter < waitersPerKey; waiter++) {
    for (let index = 0; index < keys; index++) {
      const key = `key ${index}`
      const signal = { none: undefined, own: new AbortController().signal, one: shared }[signals]
      const task = () => {
        const nowMs = performance.now()
        const previousLeftMs = leftAtMs.get(key)
        if (previousLeftMs !== undefined) samplesUs.push((nowMs - previousLeftMs) * 1_000)
        leftAtMs.set(key, nowMs)
      }
      runs.push(mutex.runExclusive(key, { ...options, signal }, task))
    }
  }
  await Promise.all(runs)
  const suffix = { none: '', own: ', a signal each', one: ', one signal for all' }[signals]
  const name = `${count(keys, 'key')} × ${count(waitersPerKey, 'waiter')}${suffix}`
  return { case: name, samplesUs, runs: runs.length, totalMs: performance.now() - startedMs }
}

/** Nine of ten give up from random places of one line before it moves; a sample is one abort. */
async function givingUp(waiters: number): Promise<Measured> {
  const mutex = createMutex()
  const holder = await mutex.acquire('key', options)
  const startedMs = performance.now()
  const controllers = Array.from({ length: waiters }, () => new AbortController())
  const runs = controllers.map(({ signal }) =>
    mutex.runExclusive('key', { ...options, signal }, nothing).catch(nothing),
  )
  const samplesUs: number[] = []
  for (const controller of controllers.toSorted(() => Math.random() - 0.5).slice(0, waiters * 0.9)) {
    const askedMs = performance.now()
    controller.abort('gone')
    samplesUs.push((performance.now() - askedMs) * 1_000)
  }
  holder.release()
  await Promise.all(runs)
  const name = `1 key × ${count(waiters, 'waiter')}, 9 of 10 abort in the middle`
  return { case: name, samplesUs, runs: waiters, totalMs: performance.now() - startedMs }
}

function createMutex() {
  return new KeyedMutex({ name: 'bench', maxWaiters: 1_000_000, clock: systemClock })
}

function row({ case: name, samplesUs, runs, totalMs }: Measured) {
  const sorted = Float64Array.from(samplesUs).sort()
  const at = (quantile: number) =>
    format(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? 0)
  return {
    case: name,
    'p50 µs': at(0.5),
    'p99 µs': at(0.99),
    'max µs': at(1),
    'total ms': format(totalMs),
    'µs a run': format((totalMs * 1_000) / runs),
  }
}

function format(value: number): number {
  return Number(value.toPrecision(3))
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}

// Twice, and the first time for the compiler alone.
const measure = async () => [
  await uncontended(200_000),
  await uncontended(200_000, new AbortController().signal),
  await contended(1, 1_000),
  await contended(1, 10_000),
  await contended(1, 100_000),
  await contended(1, 10_000, 'own'),
  await contended(1, 10_000, 'one'),
  await contended(1_000, 50),
  await givingUp(1_000),
  await givingUp(10_000),
  await givingUp(100_000),
]
await measure()
const measured = await measure()
console.table(measured.map(row))
const [alone] = measured.map(row)
const goalMet = alone !== undefined && alone['p99 µs'] < 1_000
console.log(`uncontended p99 under 1 ms: ${goalMet ? 'yes' : 'NO'}`)
process.exitCode = goalMet ? 0 : 1
