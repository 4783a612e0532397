import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHANGE_CHANNEL } from '../../src/database/changes.ts'
import { createDatabaseClient, type DatabaseClient } from '../../src/database/client.ts'
import { FACT_TOPIC } from '../../src/database/facts.ts'
import { createRunTransaction } from '../../src/database/transaction.ts'
import { ensureUser } from '../../src/database/users.ts'
import { ContributeFact, type ContributeFactOutcome } from '../../src/domain/facts/contribute-fact.ts'
import { factHash } from '../../src/domain/facts/normalise-fact.ts'
import { type Clock, systemClock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics, type Metrics } from '../../src/shared/metrics.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

/*
 * Who is in which transaction is known here: the contributions of one turn go together, where their facts are of one lane and the
 * instance knows their category.
 */

let database: TestDatabase
let client: DatabaseClient
const logger = createLogger({ level: 'silent', format: 'json' })

beforeAll(async () => {
  database = await createTestDatabase()
  client = createDatabaseClient({
    url: database.url,
    poolSize: 8,
    lockTimeoutMs: 20_000,
    logger,
    metrics: createMetrics(),
  })
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

/** That knows the categories. */
async function instance(promotionThreshold = 3, db: DatabaseClient = client, clock: Clock = systemClock) {
  const metrics = createMetrics()
  const transaction = createRunTransaction(db, { logger, metrics })
  const contributeFact = new ContributeFact({
    db,
    transaction,
    promotionThreshold,
    eventsCommitted: () => {},
    clock,
    metrics,
  })
  await contributeFact.execute({ userId: '', content: '', category: 'general' })
  const contribute = (userId: string, content: string) =>
    contributeFact.execute({ userId, content, category: 'general' })
  return { contribute, contributeFact, metrics }
}

const user = async (name: string) => (await ensureUser(client, '', name, 'user@example.com')).id
const users = (name: string, count: number) =>
  Promise.all(Array.from({ length: count }, (_, index) => user(`${name} ${index}`)))

/** Different facts of one lane. */
function factsOfOneLane(name: string, count: number): string[] {
  const facts: string[] = []
  for (let number = 0; facts.length < count; number++) {
    const fact = `${name} ${number}`
    if (Number.parseInt(factHash(fact).slice(0, 8), 16) % 2 === 0) facts.push(fact)
  }
  return facts
}

const transactions = async (metrics: Metrics, outcome: string) =>
  (await metrics.transactions.get()).values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0

function told(outcomes: readonly ContributeFactOutcome[]) {
  return outcomes.map(outcome =>
    outcome.type === 'contributed'
      ? [outcome.counted, outcome.promotedNow, outcome.fact.sourceCount]
      : [outcome.type],
  )
}

test('what gathers for one fact is one transaction, and each is told what became of its own', async () => {
  const { contribute, metrics } = await instance()
  const [a = '', b = '', c = '', d = ''] = await users('teller', 4)
  const outcomes = await Promise.all([a, b, b, a, c, b, d].map(id => contribute(id, 'Everyone is told')))
  expect(told(outcomes)).toEqual([
    [true, false, 4],
    [true, false, 4],
    [false, false, 4],
    [false, false, 4],
    // The third of the four that were counted.
    [true, true, 4],
    [false, false, 4],
    [true, false, 4],
  ])
  expect(await transactions(metrics, 'commit')).toBe(1)
})

test('those whom a transaction has answered, and who come again, are the next one together', async () => {
  const { contribute, metrics } = await instance()
  const callers = await users('caller', 10)
  const facts = factsOfOneLane('Over and over', 3)
  await Promise.all(
    callers.map(async id => {
      for (const fact of facts) await contribute(id, fact)
    }),
  )
  expect(await transactions(metrics, 'commit')).toBe(3)
})

test('a category that was there is not read for each contribution, and one that is gone is refused for a new fact', async () => {
  let reads = 0
  let nowMs = 0
  const counting: DatabaseClient = {
    ...client,
    query(statement, values) {
      if (statement.name === 'fact-categories-find') reads++
      return client.query(statement, values)
    },
  }
  const { contribute, contributeFact } = await instance(3, counting, { ...systemClock, nowMs: () => nowMs })
  const [one = ''] = await users('reader', 1)
  await database.query("INSERT INTO fact_categories VALUES ('fleeting', 'Soon gone')")
  const fleeting = (content: string) => contributeFact.execute({ userId: one, content, category: 'fleeting' })
  expect(reads).toBe(1)
  // Not known here yet, and so looked for.
  expect(await fleeting('')).toMatchObject({ issues: [{ path: ['input', 'content'] }] })
  expect(reads).toBe(2)
  for (const fact of ['Known once', 'Known twice']) await contribute(one, fact)
  expect(reads).toBe(2)
  await database.query("DELETE FROM fact_categories WHERE name = 'fleeting'")
  const outcomes = await Promise.all([contribute(one, 'With company'), fleeting('Too late')])
  expect(outcomes).toMatchObject([
    { type: 'contributed', counted: true },
    { type: 'invalid-input', issues: [{ path: ['input', 'category'] }] },
  ])
  expect(await database.query("SELECT 1 FROM collective_facts WHERE content = 'Too late'")).toEqual([])
  expect(reads).toBe(3)
  nowMs += 10_000
  await contribute(one, 'Known for ten seconds')
  expect(reads).toBe(4)
})

test('facts_promoted_total counts a promotion once, on the instance whose commit made it, and none that was rolled back', async () => {
  const [one, other] = [await instance(), await instance()]
  const promotions = async ({ metrics }: { metrics: Metrics }) =>
    (await metrics.factsPromoted.get()).values.reduce((sum, { value }) => sum + value, 0)
  const crowd = await users('promoter', 12)
  await Promise.all(
    crowd.map((id, index) => (index % 2 ? one : other).contribute(id, 'Counted by one alone')),
  )
  expect((await promotions(one)) + (await promotions(other))).toBe(1)

  const before = await promotions(one)
  const [a = '', b = '', c = ''] = crowd
  for (const id of [a, b]) await other.contribute(id, 'Counted when it is committed')
  await database.query(`
    CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
    CREATE CONSTRAINT TRIGGER refuse_commit AFTER INSERT ON fact_promotions DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION refuse_commit()`)
  await expect(one.contribute(c, 'Counted when it is committed')).rejects.toThrow('not now')
  expect(await promotions(one)).toBe(before)
  await database.query('DROP TRIGGER refuse_commit ON fact_promotions')
  expect(told([await one.contribute(c, 'Counted when it is committed')])).toEqual([[true, true, 3]])
  expect(await promotions(one)).toBe(before + 1)
})

test('facts that one transaction promotes together have numbers of their own, and go by in one try', async () => {
  const { contribute, metrics } = await instance(1)
  const [one = ''] = await users('together', 1)
  const outcomes = await Promise.all(factsOfOneLane('Together', 6).map(fact => contribute(one, fact)))
  expect(told(outcomes)).toEqual(outcomes.map(() => [true, true, 1]))
  expect(await transactions(metrics, 'commit')).toBe(1)
  expect(await transactions(metrics, 'rollback')).toBe(0)
  const log = await database.query<{ position: number }>(
    `SELECT position FROM fact_promotions p JOIN collective_facts f ON f.id = p.fact_id
     WHERE f.content LIKE 'Together %' ORDER BY position`,
  )
  const first = log[0]?.position ?? 0
  expect(log.map(({ position }) => position)).toEqual([0, 1, 2, 3, 4, 5].map(number => first + number))
})

test('of several spellings in one transaction the first is shown', async () => {
  const { contribute } = await instance()
  const [opener = '', a = '', b = ''] = await users('speller', 3)
  const [opening = ''] = factsOfOneLane('Opening', 1)
  const name = factsOfOneLane('Spelled as it came', 1)[0] ?? ''
  const outcomes = await Promise.all([
    contribute(opener, opening),
    contribute(a, name),
    contribute(b, name.toUpperCase()),
  ])
  expect(told(outcomes)).toEqual([
    [true, false, 1],
    [true, false, 2],
    [true, false, 2],
  ])
  for (const outcome of outcomes.slice(1))
    expect(outcome.type === 'contributed' && outcome.fact.content).toBe(name)
})

test('a promotion wakes those who listen, of whatever instance, with its commit and without saying what it is', async () => {
  const listener = new pg.Client(database.url)
  await listener.connect()
  const heard: (string | undefined)[] = []
  listener.on('notification', ({ payload }) => heard.push(payload))
  await listener.query(`LISTEN ${CHANGE_CHANNEL}`)
  const { contribute } = await instance(2)
  const [a = '', b = ''] = await users('waker', 2)
  await contribute(a, 'Wakes are short')
  await contribute(b, 'Wakes are short')
  await until(() => heard.length > 0, { what: 'the wake' })
  expect(heard).toEqual([`${FACT_TOPIC}:promoted`])
  await listener.end()
})

test('where the clock of the database was set back, a confirmation still comes after those before it', async () => {
  const { contribute } = await instance(3)
  const [a = '', b = ''] = await users('time traveller', 2)
  const fact = await contribute(a, 'Clocks go back')
  await database.query(
    "UPDATE collective_facts SET last_confirmed_at = last_confirmed_at + interval '1 hour' WHERE content = 'Clocks go back'",
  )
  const confirmed = await contribute(b, 'Clocks go back')
  if (fact.type !== 'contributed' || confirmed.type !== 'contributed') throw new Error('not contributed')
  expect(confirmed.fact.lastConfirmedAt.getTime()).toBe(fact.fact.lastConfirmedAt.getTime() + 3_600_000)
})

test('as many wait for an instance as may, and the next is turned away at once', async () => {
  const { contribute } = await instance()
  const [opener = '', ...crowd] = await users('crowd', 21)
  const [first = '', ...facts] = factsOfOneLane('Crowded out', 101)
  await contribute(opener, first)
  const held = await holdLock(
    database.url,
    `SELECT 1 FROM collective_facts WHERE content = '${first}' FOR UPDATE`,
  )
  const atWork = contribute(crowd[0] ?? '', first)
  await held.waitedFor()
  const waiting = crowd.flatMap(id => facts.map(fact => contribute(id, fact)))
  await expect(contribute(opener, facts[0] ?? '')).rejects.toThrow('turned a caller away: 2000 wait already')
  await held.release()
  expect((await Promise.all([atWork, ...waiting])).every(outcome => outcome.type === 'contributed')).toBe(
    true,
  )
})

test('whoever leaves while their contribution waits has made none', async () => {
  const { contribute, contributeFact } = await instance()
  const [opener = '', leaver = ''] = await users('leaver', 2)
  const [first = '', second = ''] = factsOfOneLane('Left behind', 2)
  await contribute(opener, first)
  const held = await holdLock(
    database.url,
    `SELECT 1 FROM collective_facts WHERE content = '${first}' FOR UPDATE`,
  )
  const atWork = contribute(leaver, first)
  await held.waitedFor()
  const leaving = new AbortController()
  const left = contributeFact.execute({
    userId: leaver,
    content: second,
    category: 'general',
    signal: leaving.signal,
  })
  // Its category is read first; then it waits.
  await until(() => contributeFact.waiting === 1, { what: 'the contribution to wait' })
  leaving.abort(new Error('left'))
  await expect(left).rejects.toThrow('left')
  await held.release()
  await atWork
  expect(await database.query('SELECT 1 FROM collective_facts WHERE content = $1', [second])).toEqual([])
})

test('where the threshold was lowered, the next contribution promotes, and no repetition does', async () => {
  const [a = '', b = '', c = '', d = ''] = await users('lowered', 4)
  const strict = await instance(10)
  for (const id of [a, b, c]) await strict.contribute(id, 'Thresholds come down')
  const lenient = await instance(2)
  expect(told([await lenient.contribute(a, 'Thresholds come down')])).toEqual([[false, false, 3]])
  expect(told([await lenient.contribute(d, 'Thresholds come down')])).toEqual([[true, true, 4]])
})

test('two transactions with the same facts in opposite orders wait for each other once, and never deadlock', async () => {
  const [one, other] = [await instance(), await instance()]
  const facts = factsOfOneLane('Ordered fact', 9)
  const [opener = '', a = '', b = ''] = await users('orderly', 3)
  for (const fact of facts) await one.contribute(opener, fact)
  const held = await holdLock(
    database.url,
    `SELECT 1 FROM collective_facts WHERE content = '${facts[4]}' FOR UPDATE`,
  )
  const outcomes = Promise.all([
    ...facts.map(fact => one.contribute(a, fact)),
    ...facts.toReversed().map(fact => other.contribute(b, fact)),
  ])
  await until(
    async () =>
      (
        await database.query(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
      ).length === 2,
    { what: 'both transactions to wait' },
  )
  await held.release()
  expect((await outcomes).every(outcome => outcome.type === 'contributed' && outcome.counted)).toBe(true)
  expect(await transactions(one.metrics, 'retry')).toBe(0)
  expect(await transactions(other.metrics, 'retry')).toBe(0)
})

test('a fact that somebody holds for too long fails alone, and those committed with it are stored', async () => {
  const impatient = createDatabaseClient({
    url: database.url,
    poolSize: 4,
    lockTimeoutMs: 200,
    logger,
    metrics: createMetrics(),
  })
  const { contribute } = await instance(3, impatient)
  const [stuck = '', ...facts] = factsOfOneLane('Held fact', 6)
  const [opener = '', a = ''] = await users('patient', 2)
  await contribute(opener, stuck)
  const held = await holdLock(
    database.url,
    `SELECT 1 FROM collective_facts WHERE content = '${stuck}' FOR UPDATE`,
  )
  const outcomes = await Promise.allSettled(
    [...facts.slice(0, 3), stuck, ...facts.slice(3)].map(fact => contribute(a, fact)),
  )
  await held.release()
  expect(outcomes.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
  ])
  expect(told([await contribute(a, stuck)])).toEqual([[true, false, 2]])
  await impatient.close()
})
