import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDatabaseClient, type DatabaseClient } from '../../src/database/client.ts'
import { isDatabaseAway, sqlState } from '../../src/database/postgres-errors.ts'
import { createRunTransaction, type RunTransaction } from '../../src/database/transaction.ts'
import { callProvider } from '../../src/providers/account-provider.ts'
import { createFileMailer, createSmtpMailer } from '../../src/providers/mailer.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics, type Metrics } from '../../src/shared/metrics.ts'
import { assertOutsideTransaction } from '../../src/shared/transaction-scope.ts'
import { Gate } from '../support/gate.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
let client: DatabaseClient
let transaction: RunTransaction
let metrics: Metrics

const INSERT = { name: 'test-insert', text: 'INSERT INTO scratch (id) VALUES ($1::int) RETURNING id' }
const LOCK = { name: 'test-lock', text: 'SELECT id FROM scratch WHERE id = $1::int FOR UPDATE' }

beforeAll(async () => {
  database = await createTestDatabase()
  metrics = createMetrics()
  const logger = createLogger({ level: 'silent', format: 'json' })
  client = createDatabaseClient({ url: database.url, poolSize: 3, lockTimeoutMs: 5000, logger, metrics })
  transaction = createRunTransaction(client, { logger, metrics })
  await database.query('CREATE TABLE scratch (id int PRIMARY KEY)')
})
beforeEach(() => database.query('TRUNCATE scratch'))
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

const stored = async () =>
  (await database.query<{ id: number }>('SELECT id FROM scratch ORDER BY id')).map(row => row.id)
const counted = async (name: string) => {
  const { values } = await metrics.transactions.get()
  return Object.fromEntries(
    values.filter(value => value.labels.name === name).map(value => [value.labels.outcome, value.value]),
  )
}

test('what was to be done after the commit is done after it, in order, and its failure does not undo it', async () => {
  const done: unknown[] = []
  const result = await transaction('after-commit', async tx => {
    tx.afterCommit(async () => void done.push(await stored()))
    tx.afterCommit(() => {
      throw new Error('an action that fails')
    })
    tx.afterCommit(() => void done.push('last'))
    await tx.query(INSERT, [1])
    return 'result'
  })
  expect(result).toBe('result')
  expect(done).toEqual([[1], 'last'])
  expect(await counted('after-commit')).toEqual({ commit: 1 })
})

test('a rollback does nothing of what was to be done after the commit', async () => {
  const done: string[] = []
  const failing = transaction('rollback', async tx => {
    tx.afterCommit(() => void done.push('never'))
    await tx.query(INSERT, [1])
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(done).toEqual([])
  expect(await stored()).toEqual([])
  expect(await counted('rollback')).toEqual({ rollback: 1 })
})

test('a savepoint that fails undoes its own work and leaves the transaction alive', async () => {
  const failure = await transaction('savepoint', async tx => {
    await tx.query(INSERT, [1])
    const failed = await tx.savepoint(async () => {
      await tx.query(INSERT, [2])
      await tx.query(INSERT, [1])
    })
    await tx.query(INSERT, [3])
    return failed
  })
  expect(sqlState(failure?.error)).toBe('23505')
  expect(await stored()).toEqual([1, 3])
})

test('the victim of a deadlock is run again, and both transactions commit', async () => {
  await database.query('INSERT INTO scratch VALUES (1), (2)')
  const gates = [new Gate(), new Gate()]
  const crossing = (first: number, second: number, mine: Gate | undefined, others: Gate | undefined) =>
    transaction('deadlock', async tx => {
      await tx.query(LOCK, [first])
      mine?.open()
      await others?.pass()
      await tx.query(LOCK, [second])
    })
  await Promise.all([crossing(1, 2, gates[0], gates[1]), crossing(2, 1, gates[1], gates[0])])
  expect(await counted('deadlock')).toMatchObject({ commit: 2, retry: 1 })
})

test('a call of a provider inside a transaction throws, and after it does not', async () => {
  const calling = transaction('network', async () => assertOutsideTransaction('a call of the generator'))
  await expect(calling).rejects.toThrow('a call of the generator inside the transaction network')
  const folder = createFileMailer('/nowhere')
  const smtp = createSmtpMailer('smtp://127.0.0.1:1')
  const mail = { to: 'anna@example.com', subject: 'x', text: 'x' }
  for (const mailer of [folder, smtp])
    await expect(transaction('mail', () => mailer.send(mail))).rejects.toThrow('inside the transaction mail')
  const url = new URL('http://127.0.0.1:1')
  const asking = transaction('provider', () => callProvider(url, { signal: AbortSignal.timeout(1000) }))
  await expect(asking).rejects.toThrow('inside the transaction provider')
  await transaction('network-after', async tx => tx.afterCommit(() => assertOutsideTransaction('a mail')))
  expect(() => assertOutsideTransaction('a call of the generator')).not.toThrow()
})

test('every session is bounded in its waits, and reads and writes instants in UTC', async () => {
  const show = (setting: string) =>
    client.query<Record<string, string>>({ name: `show-${setting}`, text: `SHOW ${setting}` })
  for (const setting of ['lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout']) {
    expect(Object.values((await show(setting))[0] ?? {})[0]).not.toBe('0')
  }
  expect(await show('timezone')).toEqual([{ TimeZone: 'UTC' }])
  const instant = new Date('2026-07-01T10:00:03.456Z')
  const echo = { name: 'test-echo', text: 'SELECT $1::timestamptz AS at' }
  expect(await client.query(echo, [instant])).toEqual([{ at: instant }])
  expect(await transaction('echo', tx => tx.query(echo, [instant]))).toEqual([{ at: instant }])
})

test('a connection that the server cuts off inside a transaction counts as the database being away', async () => {
  const cut = transaction('cut-off', async tx => {
    const [row] = await tx.query<{ pid: number }>({
      name: 'test-pid',
      text: 'SELECT pg_backend_pid() AS pid',
    })
    await database.query('SELECT pg_terminate_backend($1)', [row?.pid])
    await tx.query(INSERT, [1])
  })
  const error = await cut.catch((thrown: unknown) => thrown)
  expect(isDatabaseAway(error)).toBe(true)
  await transaction('after-cut-off', tx => tx.query(INSERT, [2]))
  expect(await stored()).toEqual([2])
})

test('an error of a statement is not taken for the database being away', async () => {
  const failing = transaction('broken', tx => tx.query({ name: 'test-broken', text: 'SELECT 1/0' }))
  expect(isDatabaseAway(await failing.catch((thrown: unknown) => thrown))).toBe(false)
})
