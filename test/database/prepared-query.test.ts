import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createDatabaseClient, type DatabaseClient, type Value } from '../../src/database/client.ts'
import { createRunTransaction } from '../../src/database/transaction.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

const logger = createLogger({ level: 'silent', format: 'json' })
const metrics = createMetrics()
let database: TestDatabase
let client: DatabaseClient
beforeAll(async () => {
  database = await createTestDatabase()
  client = open()
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

function open(): DatabaseClient {
  return createDatabaseClient({
    url: database.url,
    poolSize: 1,
    lockTimeoutMs: 5000,
    logger,
    metrics: createMetrics(),
  })
}
async function opened(): Promise<DatabaseClient> {
  const own = open()
  onTestFinished(() => own.close())
  return own
}

const EVERY_TYPE = `
  SELECT 1::int4 AS int4, 9007199254740993::int8 AS int8, 1.5::float8 AS float8, 1.10::numeric AS "a numeric",
    true AS yes, false AS no, NULL::text AS nothing, ''::text AS empty, E'two\\nlines "quoted" \\\\ 🐢' AS text,
    '2026-01-31T10:00:03.123Z'::timestamptz AS at, '2026-01-31'::date AS day, '{"a": [1, null]}'::jsonb AS json,
    'null'::jsonb AS "json null", '{a,"b c",NULL}'::text[] AS texts, '{1,2}'::int4[] AS numbers, 'USER'::"MessageRole" AS role,
    'd1b6b9f4-6a3c-4b7e-9f65-0c7bb31f2a52'::uuid AS id, '\\x00ff'::bytea AS bytes, 'x' AS "__proto", 'y' AS "it's; a "" name"`

test('rows are what the driver itself makes of them, the first time and each time after', async () => {
  const own = new pg.Client({ connectionString: database.url })
  await own.connect()
  onTestFinished(() => own.end())
  // The session's zone is UTC for both, and instants are read by the gateway's own way.
  const { rows } = await own.query(EVERY_TYPE)

  for (let time = 0; time < 3; time++)
    expect(await client.query({ name: 'every-type', text: EVERY_TYPE })).toEqual(rows)
})

test.each<[Value, string]>([
  [null, 'nothing'],
  [true, 'true'],
  [false, 'false'],
  [-1.5, '-1.5'],
  ['', ''],
  ['ü "x"', 'ü "x"'],
  [new Date('2026-01-31T10:00:03.123Z'), '2026-01-31T10:00:03.123Z'],
])('%j arrives as it was given', async (value, arrived) => {
  const [row] = await client.query<{ value: string }>(
    { name: 'echo', text: `SELECT coalesce($1::text, 'nothing') AS value` },
    [value],
  )
  expect(row).toEqual({ value: arrived })
})

test('the columns of a statement are asked for once on a connection, however often it runs', async () => {
  const own = await opened()
  let described = 0
  own.pool.on('connect', connection =>
    (connection as unknown as { connection: NodeJS.EventEmitter }).connection.on(
      'rowDescription',
      () => described++,
    ),
  )
  const ask = (n: number) => own.query({ name: 'once', text: 'SELECT $1::int AS n' }, [n])

  expect([await ask(1), await ask(2), await ask(3)]).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]])

  expect(described).toBe(1)
})

test('a statement without rows gives none, each time', async () => {
  const nothing = { name: 'nothing', text: 'SET lock_timeout = 5000' }
  const none = { name: 'none', text: 'SELECT 1 AS one WHERE false' }
  for (let time = 0; time < 2; time++) {
    expect(await client.query(nothing)).toEqual([])
    expect(await client.query(none)).toEqual([])
  }
})

test('two texts under one name are refused before anything is sent', async () => {
  const own = await opened()
  await own.query({ name: 'twice', text: 'SELECT 1 AS one' })

  await expect(own.query({ name: 'twice', text: 'SELECT 2 AS two' })).rejects.toThrow(
    'two statements have the name twice',
  )

  expect(await own.query({ name: 'another', text: 'SELECT 3 AS three' })).toEqual([{ three: 3 }])
})

test('an error in the midst of the rows is told, and the next statement has a connection', async () => {
  const own = await opened()
  const divide = { name: 'divide', text: 'SELECT 10 / n AS tenth FROM generate_series(-2, $1::int) n' }

  await expect(own.query(divide, [2])).rejects.toMatchObject({ code: '22012' })

  expect(await own.query(divide, [-1])).toEqual([{ tenth: -5 }, { tenth: -10 }])
})

test('a statement whose columns have changed fails once, and is told its columns anew', async () => {
  const own = await opened()
  await database.query('CREATE TABLE changing (a int)')
  await database.query('INSERT INTO changing VALUES (1)')
  const read = { name: 'changing', text: 'SELECT * FROM changing' }
  expect(await own.query(read)).toEqual([{ a: 1 }])
  await database.query(`ALTER TABLE changing ADD COLUMN b text DEFAULT 'b'`)

  await expect(own.query(read)).rejects.toThrow('cached plan must not change result type')

  expect(await own.query(read)).toEqual([{ a: 1, b: 'b' }])
})

test('statements of a transaction are prepared once on its connection, as those outside are', async () => {
  const own = await opened()
  const transaction = createRunTransaction(own, { logger, metrics })
  const names = { name: 'prepared-names', text: 'SELECT name FROM pg_prepared_statements ORDER BY name' }
  const one = { name: 'prepared-one', text: 'SELECT $1::int AS one' }

  for (let time = 0; time < 2; time++)
    await transaction('test', async tx => {
      expect(await tx.query(one, [1])).toEqual([{ one: 1 }])
    })

  expect(await own.query(one, [2])).toEqual([{ one: 2 }])
  expect(await own.query(names)).toEqual([{ name: 'prepared-names' }, { name: 'prepared-one' }])
})

test('a transaction whose statement was prepared for other columns fails once', async () => {
  const own = await opened()
  const transaction = createRunTransaction(own, { logger, metrics })
  await database.query('CREATE TABLE retyped (a int)')
  await database.query('INSERT INTO retyped VALUES (1)')
  const read = { name: 'retyped', text: 'SELECT a FROM retyped' }
  const inTransaction = () => transaction('test', tx => tx.query(read))
  for (let time = 0; time < 2; time++) expect(await inTransaction()).toEqual([{ a: 1 }])
  await database.query('ALTER TABLE retyped ALTER COLUMN a TYPE text')

  await expect(inTransaction()).rejects.toThrow('cached plan must not change result type')

  expect(await inTransaction()).toEqual([{ a: '1' }])
  expect(own.pool.totalCount).toBe(1)
})

test('rows that nobody has any more are gone with the next collection of young objects', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (what?: { type: 'minor' }) => void
  const many = { name: 'many', text: `SELECT n, 'some text ' || n AS text FROM generate_series(1, 3000) n` }
  const ask = async () => (await client.query(many)).length
  for (let time = 0; time < 5; time++) await ask()
  collect()
  const before = process.memoryUsage().heapUsed

  const times = 20
  for (let time = 0; time < times; time++) {
    expect(await ask()).toBe(3000)
    await turn()
    collect({ type: 'minor' })
  }

  // They take some 400 kB each time.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan((times / 4) * 400_000)
})
