import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import { HeldJournal } from '../../src/coordination/held-journal.ts'
import { Holding, type HoldingOptions } from '../../src/coordination/holding.ts'
import { DatabaseAwayError } from '../../src/database/postgres-errors.ts'
import { HeldStream } from '../../src/redis/held-stream.ts'
import type { Clock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { Gate } from '../support/gate.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'

let server: RedisServer
let redis: Redis
let folder: string
/** What was saved, in the order of saving. */
let saved: string[]
/** Told by the test: what saving does beside remembering. */
let onSave: (payload: string) => Promise<void> | void

/** Nothing is saved but when the test asks for it. */
const still: Clock = { nowMs: () => performance.now(), setTimer: () => () => {} }
const BOUNDS = { messages: 10, bytes: 10_000 }

beforeAll(async () => {
  server = await startRedisServer(inject('redisServer'))
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis?.disconnect()
  await server?.stop()
})
beforeEach(async () => {
  await redis.flushall()
  folder = await mkdtemp(join(tmpdir(), 'tributary-holding-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  saved = []
  onSave = () => {}
})

class Hopeless extends Error {}

async function create(name: string, options: Partial<HoldingOptions> & { withRedis?: boolean } = {}) {
  const { withRedis = false, ...rest } = options
  const holding = new Holding({
    journal: new HeldJournal(join(folder, name)),
    stream: withRedis ? new HeldStream(redis, 'here', BOUNDS) : undefined,
    bounds: BOUNDS,
    async save(_key, payloads) {
      for (const payload of payloads) await onSave(payload)
      for (const payload of payloads) if (!saved.includes(payload)) saved.push(payload)
    },
    isHopeless: error => error instanceof Hopeless,
    clock: still,
    logger: createLogger({ level: 'silent', format: 'json' }),
    ...rest,
  })
  await holding.start()
  onTestFinished(() => holding.close())
  return holding
}

const entry = (payload: string, messages = 1) => ({ id: `id of ${payload}`, messages, payload })
const filesOf = (name: string) => readdir(join(folder, name))
const away = () => {
  throw new DatabaseAwayError('away')
}

describe.each([{ withRedis: false }, { withRedis: true }])(
  'what is held, with Redis: $withRedis,',
  ({ withRedis }) => {
    test('is saved once it can be, key by key in its order, and nothing of it is left', async () => {
      const holding = await create('a', { withRedis })
      for (const payload of ['k1', 'l1', 'k2', 'k3']) await holding.hold(payload[0] ?? '', [entry(payload)])
      expect(holding.messages).toBe(4)
      expect(await holding.holds('k')).toBe(true)
      expect(await holding.holds('m')).toBe(false)
      onSave = away
      await holding.drain()
      expect(holding.messages).toBe(4)
      onSave = () => {}
      await holding.drain()
      expect(saved.filter(payload => payload.startsWith('k'))).toEqual(['k1', 'k2', 'k3'])
      expect(saved).toContain('l1')
      expect(holding.messages).toBe(0)
      expect(await holding.holds('k')).toBe(false)
      expect(await filesOf('a')).toEqual([])
      expect(await redis.keys('*')).toEqual([])
    })

    test('and cannot be saved keeps what comes after it in its session waiting, and nobody else', async () => {
      const holding = await create('a', { withRedis })
      for (const payload of ['k1', 'k2', 'l1']) await holding.hold(payload[0] ?? '', [entry(payload)])
      onSave = payload => {
        if (payload === 'k1') throw new Error('not now')
      }
      await holding.drain()
      expect(saved).toEqual(['l1'])
      expect(await holding.settle('k')).toBe(false)
      expect(await holding.holds('k')).toBe(true)
      onSave = () => {}
      await holding.drain()
      expect(saved).toEqual(['l1', 'k1', 'k2'])
    })

    test('and never can be saved is put aside, and what comes after it is saved', async () => {
      const holding = await create('a', { withRedis })
      await holding.hold('k', [entry('k1'), entry('k2'), entry('k3')])
      onSave = payload => {
        if (payload === 'k2') throw new Hopeless('no such user')
      }
      await holding.drain()
      expect(saved).toEqual(['k1', 'k3'])
      expect(await holding.holds('k')).toBe(false)
      const dead = await readFile(join(folder, 'a', 'dead.jsonl'), 'utf8')
      expect(JSON.parse(dead.split('\n')[0] ?? '')).toMatchObject({ payload: 'k2', reason: 'no such user' })
      if (withRedis) expect(await redis.xlen('tributary:held:{here}:dead')).toBeGreaterThan(0)
    })

    test('is never more than the bound, also when many come at once; what does not fit is not held', async () => {
      const holding = await create('a', { withRedis })
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, index) => holding.hold(`${index}`, [entry(`of ${index}`, 3)])),
      )
      expect(outcomes.filter(outcome => outcome === 'held')).toHaveLength(3)
      expect(await holding.hold('large', [entry('ì'.repeat(BOUNDS.bytes / 2))])).toBe('full')
      expect(await holding.hold('one', [entry('one more')])).toBe('held')
      expect(await holding.hold('two', [entry('one too many')])).toBe('full')
      expect(await holding.holds('two')).toBe(false)
      expect(holding.messages).toBe(10)
      await holding.drain()
      expect(saved).toHaveLength(4)
      expect(await holding.hold('two', [entry('room again')])).toBe('held')
    })

    test('by a process that is gone is saved by the next one with its folder, and waited for by what comes later', async () => {
      const gone = await create('a', { withRedis })
      await gone.hold('k', [entry('k1'), entry('k2')])
      await redis.flushall()
      const next = await create('a', { withRedis })
      expect(await next.holds('k')).toBe(true)
      expect(await next.settle('k')).toBe(true)
      expect(saved).toEqual(['k1', 'k2'])
      expect(await filesOf('a')).toEqual([])
    })

    test('is waited for for two seconds and no longer', async () => {
      const holding = await create('a', { withRedis })
      await holding.hold('k', [entry('k1')])
      const gate = new Gate()
      onSave = () => gate.pass()
      const startedAt = performance.now()
      expect(await holding.settle('k')).toBe(false)
      expect(performance.now() - startedAt).toBeGreaterThan(1500)
      expect(performance.now() - startedAt).toBeLessThan(20_000)
      gate.open()
      expect(await holding.settle('k')).toBe(true)
    })
  },
)

test('without disk and without Redis nothing is held, and nothing is pretended', async () => {
  await writeFile(join(folder, 'a file'), '')
  const holding = await create('a file/held')
  await expect(holding.hold('k', [entry('k1')])).rejects.toThrow('ENOTDIR')
  expect(await holding.holds('k')).toBe(false)
  expect(holding.messages).toBe(0)
  await holding.drain()
  expect(saved).toEqual([])
})

test('without a disk Redis holds it', async () => {
  await writeFile(join(folder, 'a file'), '')
  const holding = await create('a file/held', { withRedis: true })
  expect(await holding.hold('k', [entry('k1')])).toBe('held')
  const other = await create('b', { withRedis: true })
  expect(await other.holds('k')).toBe(true)
  await other.drain()
  expect(saved).toEqual(['k1'])
})

test('on several instances it is one order for all, whoever saves it', async () => {
  const [a, b] = [await create('a', { withRedis: true }), await create('b', { withRedis: true })]
  await a.hold('k', [entry('1')])
  await b.hold('k', [entry('2')])
  await a.hold('k', [entry('3')])
  await b.drain()
  expect(saved).toEqual(['1', '2', '3'])
  // What another has saved is looked for once more, and then not held any more.
  expect(await a.settle('k')).toBe(true)
  expect(saved).toEqual(['1', '2', '3'])
  expect(a.messages).toBe(0)
})

test.each([false, true])(
  'nothing goes past what failed before it, however much there is of its session (Redis: %s)',
  async withRedis => {
    const a = await create('a', { withRedis })
    await a.hold(
      'k',
      Array.from({ length: 201 }, (_, index) => entry(`k${index + 1}`, 0)),
    )
    onSave = payload => {
      if (payload === 'k1') throw new Error('not now')
    }
    await a.drain()
    expect(saved).toEqual([])
    onSave = () => {}
    await a.drain()
    expect(saved).toEqual(Array.from({ length: 201 }, (_, index) => `k${index + 1}`))
  },
)

test('what this instance alone has goes onto the stream before its next one', async () => {
  const stream = new HeldStream(redis, 'here', BOUNDS)
  const { add } = stream
  stream.add = async () => {
    throw new Error('Redis is away for a moment')
  }
  const [a, b] = [await create('a', { stream }), await create('b', { withRedis: true })]
  await a.hold('k', [entry('1')])
  expect(await b.holds('k')).toBe(false)
  stream.add = add
  await a.hold('k', [entry('2')])
  expect(a.messages).toBe(2)
  await b.drain()
  expect(saved).toEqual(['1', '2'])
  await a.drain()
  expect(saved).toEqual(['1', '2'])
  expect(a.messages).toBe(0)
})

test('what it holds after another has saved what it held before is seen by all, and overtaken by nobody', async () => {
  const [a, b] = [await create('a', { withRedis: true }), await create('b', { withRedis: true })]
  await a.hold('k', [entry('1')])
  await b.drain()
  expect(saved).toEqual(['1'])
  await a.hold('k', [entry('2')])
  // Whoever saves the next one of this session elsewhere must know that it comes behind this one.
  expect(await b.holds('k')).toBe(true)
  expect(await b.settle('k')).toBe(true)
  expect(saved).toEqual(['1', '2'])
})

test('the bound on the stream is for all instances together', async () => {
  const [a, b] = [await create('a', { withRedis: true }), await create('b', { withRedis: true })]
  expect(await a.hold('k', [entry('1', 6)])).toBe('held')
  expect(await b.hold('l', [entry('2', 6)])).toBe('full')
  expect(await b.hold('l', [entry('3', 4)])).toBe('held')
  const half = 'x'.repeat(BOUNDS.bytes / 2)
  await a.drain()
  await b.drain()
  expect(await a.hold('k', [entry(half)])).toBe('held')
  expect(await b.hold('l', [entry(`${half}x`)])).toBe('full')
})

test('onto a stream that has lost what came before it, an instance puts that too', async () => {
  const [a, b] = [await create('a', { withRedis: true }), await create('b', { withRedis: true })]
  await a.hold('k', [entry('1')])
  await redis.flushall()
  await a.hold('k', [entry('2')])
  await b.drain()
  expect(saved).toEqual(['1', '2'])
  await a.drain()
  expect(saved).toEqual(['1', '2'])
})

test('what is too large to be read from the stream at once is read in smaller parts', async () => {
  const a = await create('a', { withRedis: true })
  for (let index = 1; index <= 10; index++) await a.hold('k', [entry(`${index}`)])
  const slow = new HeldStream(redis, 'here', BOUNDS)
  const { read } = slow
  slow.read = async (count, after) => {
    if (count > 4) throw new Error('Command timed out')
    return read.call(slow, count, after)
  }
  const b = await create('b', { stream: slow })
  for (let round = 1; round <= 10 && saved.length < 10; round++) await b.drain()
  expect(saved).toEqual(Array.from({ length: 10 }, (_, index) => `${index + 1}`))
})

test('an entry that is on the stream twice is saved once and counted out once', async () => {
  const a = await create('a', { withRedis: true })
  const stream = new HeldStream(redis, 'here', BOUNDS)
  await a.hold('k', [entry('1', 2)])
  await stream.add([{ key: 'k', ...entry('1', 2) }])
  expect(await stream.countMessages()).toBe(4)
  const [first] = await stream.read(1)
  if (!first) throw new Error('nothing to read')
  await stream.done([first])
  await stream.done([first])
  expect(await stream.countMessages()).toBe(2)
  expect(await a.holds('k')).toBe(true)
  await a.drain()
  expect(await redis.keys('*')).toEqual([])
  expect(saved).toEqual(['1'])
})
