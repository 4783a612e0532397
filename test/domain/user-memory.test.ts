import { expect, test } from 'vitest'
import { createLocks } from '../../src/coordination/locks.ts'
import type { RunTransaction, Transaction } from '../../src/database/transaction.ts'
import { RememberExchange } from '../../src/domain/memory/remember-exchange.ts'
import { UserMemory } from '../../src/domain/memory/user-memory.ts'
import { createRulesMemory } from '../../src/providers/rules/memory/extract-facts.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { runInTransactionScope } from '../../src/shared/transaction-scope.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'

test('the time for a lock is one for the mutex of the process and the lock across instances together', async () => {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, setTimer: () => () => {} }
  const metrics = createMetrics()
  const asked: string[] = []
  const gate = new Gate()
  const transaction = (async (_name: string, work: (db: Transaction) => Promise<unknown>) => {
    const query = async ({ name }: { name: string }, values: unknown[] = []) => {
      if (name === 'memory-bound-wait') asked.push(String(values[0]))
      return []
    }
    const result = await work({ query } as unknown as Transaction)
    if (asked.length === 1) await gate.pass()
    return result
  }) as unknown as RunTransaction
  const locks = createLocks({ clock, metrics })
  const memory = new UserMemory({
    db: { query: async () => [] },
    transaction,
    locks,
    lockTimeoutMs: 5000,
    clock,
    metrics,
  })
  const first = memory.store('u', [])
  await gate.arrived(1)
  const second = memory.store('u', [])
  const third = memory.store('u', [])
  nowMs = 3000
  gate.open()
  await Promise.all([first, second])
  nowMs = 6000
  expect(await third).toEqual({ type: 'stored', current: [], facts: [] })
  expect(asked).toEqual(['5000', '2000', '2000'])
  // Of somebody whose time is over nothing is asked any more.
  const late = locks.memory.acquire('u', { timeoutMs: 5000, operation: 'test' })
  const holder = await late
  const tooLate = memory.store('u', [])
  nowMs = 12_000
  holder.release()
  expect(await tooLate).toEqual({ type: 'lock-timeout', waitedMs: 6000 })
  expect(asked).toHaveLength(3)
})

function rememberWith(generator: FakeGenerator, generationTimeoutMs: number) {
  return new RememberExchange({
    memory: {} as UserMemory,
    generator,
    plainGenerator: createRulesMemory(),
    generationTimeoutMs,
    now: () => new Date(0),
    logger: createLogger({ level: 'silent', format: 'json' }),
    metrics: createMetrics(),
  })
}
const exchange = { userMessage: 'My name is Ada.', aiResponse: '' }

test('a model that never answers is left behind, and plain words are read without it; a patient caller is told instead', async () => {
  const generator = new FakeGenerator()
  generator.learn = () => new Promise(() => {})
  const remember = rememberWith(generator, 20)
  const drafts = await remember.extract(exchange, { signal: undefined, patient: false })
  expect(drafts.map(({ content }) => content)).toEqual(['Name: Ada'])
  await expect(remember.extract(exchange, { signal: undefined, patient: true })).rejects.toThrow(
    'took too long',
  )
})

test('no model is asked inside a transaction, nor for somebody who has left', async () => {
  const generator = new FakeGenerator()
  const remember = rememberWith(generator, 1000)
  const extract = (signal?: AbortSignal) => remember.extract(exchange, { signal, patient: false })
  await expect(runInTransactionScope('a test', () => extract())).rejects.toThrow('transaction')
  expect(generator.exchanges).toEqual([])
  generator.learn = (_input, { signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const leaving = new AbortController()
  const left = extract(leaving.signal)
  leaving.abort(new Error('left'))
  await expect(left).rejects.toThrow('left')
})
