import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChangeFeed, type FeedRequest, PAGE_SIZE } from '../../src/coordination/change-feed.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { SimulatedClock, SimulatedTime, settled } from '../support/simulated-clock.ts'

interface Row {
  key: string
  place: number
}

/** Rows by key, 1, 2, 3, …; its reads see what is there when they begin, and answer when the test lets them. */
class Log {
  readonly #lengthByKey = new Map<string, number>()
  readonly reads: (readonly FeedRequest[])[] = []
  /** What an answer waits for, after the rows have been looked at. */
  held: (read: number) => Promise<void> = async () => {}

  append(key: string, count = 1): void {
    this.#lengthByKey.set(key, this.lengthOf(key) + count)
  }

  lengthOf(key: string): number {
    return this.#lengthByKey.get(key) ?? 0
  }

  async read(requests: readonly FeedRequest[]): Promise<Row[][]> {
    const read = this.reads.push(requests)
    const pages = requests.map(({ key, after }) =>
      Array.from({ length: Math.min(PAGE_SIZE, Math.max(0, this.lengthOf(key) - after)) }, (_, index) => ({
        key,
        place: after + index + 1,
      })),
    )
    await this.held(read)
    return pages
  }
}

function createFeed() {
  const log = new Log()
  const time = new SimulatedTime()
  const clock = new SimulatedClock(time)
  const feed = new ChangeFeed<Row>({
    name: 'rows',
    read: requests => log.read(requests),
    cursorOf: row => row.place,
    clock,
    logger: createLogger({ level: 'silent', format: 'json' }),
    random: () => 0.5,
  })
  return { log, time, clock, feed }
}

/** Reads on and on, as a consumer that keeps up does. */
function consume(rows: AsyncIterableIterator<Row>) {
  const consumer = { places: [] as number[], ended: false }
  void (async () => {
    for await (const { place } of rows) consumer.places.push(place)
    consumer.ended = true
  })()
  return consumer
}

const upTo = (count: number, first = 1) =>
  Array.from({ length: count - first + 1 }, (_, index) => index + first)

test('a follower gets what is after its cursor, then each new row as it is woken, once and in order', async () => {
  const { log, feed } = createFeed()
  log.append('a', 3)
  const consumer = consume(feed.follow('a', 1))
  await settled()
  expect(consumer.places).toEqual([2, 3])
  log.append('a')
  feed.wake('b')
  await settled()
  expect(consumer.places).toEqual([2, 3])
  feed.wake('a')
  await settled()
  log.append('a', 2)
  feed.wakeAll()
  feed.wake('a')
  await settled()
  expect(consumer.places).toEqual([2, 3, 4, 5, 6])
})

test('a wake that comes while its read is under way is not lost with it', async () => {
  const { log, feed } = createFeed()
  const answer = Promise.withResolvers<void>()
  log.held = () => answer.promise
  const consumer = consume(feed.follow('a', 0))
  await settled()
  log.append('a')
  feed.wake('a')
  answer.resolve()
  await settled()
  expect(consumer.places).toEqual([1])
})

test('a wake that comes while its consumer is busy with the last row is not lost', async () => {
  const { log, feed } = createFeed()
  log.append('a')
  const rows = feed.follow('a', 0)
  expect((await rows.next()).value).toMatchObject({ place: 1 })
  log.append('a')
  feed.wake('a')
  expect((await rows.next()).value).toMatchObject({ place: 2 })
})

test('a wake that nobody hears is made good by a poll', async () => {
  const { log, time, feed } = createFeed()
  const consumer = consume(feed.follow('a', 0))
  await settled()
  for (const place of [1, 2, 3]) {
    log.append('a')
    await time.pass(6000)
    expect(consumer.places).toEqual(upTo(place))
  }
})

test('a row that the poll and a wake both announce comes once', async () => {
  const { log, time, feed } = createFeed()
  const consumer = consume(feed.follow('a', 0))
  await settled()
  log.append('a')
  feed.wake('a')
  await time.pass(20_000)
  expect(consumer.places).toEqual([1])
})

test('who leaves is forgotten, whatever it was waiting for, and leaves no timer and no listener', async () => {
  const { log, time, clock, feed } = createFeed()
  log.append('a')
  const left = new AbortController()
  const aborted = consume(feed.follow('a', 1, left.signal))
  const returned = feed.follow('a', 0, left.signal)
  await returned.next()
  const answer = Promise.withResolvers<void>()
  log.held = () => answer.promise
  const inRead = feed.follow('b', 0)
  const next = inRead.next()
  await settled()
  expect([feed.size, clock.pendingTimers, getEventListeners(left.signal, 'abort').length]).toEqual([3, 1, 2])

  await inRead.return?.()
  expect(await next).toEqual({ done: true, value: undefined })
  await returned.return?.()
  expect(await returned.next()).toEqual({ done: true, value: undefined })
  expect(getEventListeners(left.signal, 'abort')).toHaveLength(1)
  left.abort()
  await settled()
  expect(aborted.ended).toBe(true)
  expect([feed.size, clock.pendingTimers, getEventListeners(left.signal, 'abort').length]).toEqual([0, 0, 0])
  answer.resolve()
  await settled()
  await time.pass(20_000)
  expect([feed.size, clock.pendingTimers, log.reads.length]).toEqual([0, 0, 2])

  // And whoever comes then is served, and polled for.
  log.held = async () => {}
  const late = consume(feed.follow('a', 0))
  await settled()
  log.append('a')
  await time.pass(6000)
  expect(late.places).toEqual([1, 2])
})

test('a follower whose signal has aborted before it came ends at once', async () => {
  const { clock, feed } = createFeed()
  const rows = feed.follow('a', 0, AbortSignal.abort())
  expect(await rows.next()).toEqual({ done: true, value: undefined })
  expect([feed.size, clock.pendingTimers]).toEqual([0, 0])
})

test('a consumer that stops reading costs one page, and is brought to the newest row when it goes on', async () => {
  const { log, time, feed } = createFeed()
  log.append('a', 50)
  const rows = feed.follow('a', 0)
  const places = [(await rows.next()).value.place]
  for (let round = 0; round < 20; round++) {
    log.append('a', PAGE_SIZE)
    feed.wake('a')
    await time.pass(6000)
  }
  expect(log.reads).toHaveLength(1)
  while (places.length < log.lengthOf('a')) places.push((await rows.next()).value.place)
  expect(places).toEqual(upTo(50 + 20 * PAGE_SIZE))
})

test('followers that become due together share a statement, and one request where they want the same', async () => {
  const { log, feed } = createFeed()
  log.append('a', 3)
  const consumers = [0, 0, 1, 2, 2].map(after => consume(feed.follow('a', after)))
  await settled()
  expect(log.reads[0]).toEqual([
    { key: 'a', after: 0 },
    { key: 'a', after: 1 },
    { key: 'a', after: 2 },
  ])
  expect(consumers.map(({ places }) => places)).toEqual([upTo(3), upTo(3), upTo(3, 2), [3], [3]])
  const many = Array.from({ length: 1200 }, (_, index) => consume(feed.follow(`k${index}`, 0)))
  await settled()
  expect(log.reads.slice(1).map(requests => requests.length)).toEqual([500, 500, 200])
  // The same, when a reconnect wakes everybody.
  for (let index = 0; index < 1200; index++) log.append(`k${index}`)
  feed.wakeAll()
  await settled()
  expect(many.every(({ places }) => places.length === 1)).toBe(true)
})

test('a read that fails is tried again with growing pauses, and nothing is lost or ends', async () => {
  const { log, time, feed } = createFeed()
  log.append('a')
  log.held = async read => {
    if (read <= 4) throw new Error('the database is away')
  }
  const consumer = consume(feed.follow('a', 0))
  await settled()
  await time.pass(100)
  expect(log.reads.length).toBeLessThan(4)
  await time.pass(5000)
  expect(consumer).toEqual({ places: [1], ended: false })
})

test('a feed that closes ends everybody, in whatever they wait, and takes nobody more', async () => {
  const { log, clock, feed } = createFeed()
  const idle = consume(feed.follow('a', 0))
  await settled()
  log.held = async () => {
    throw new Error('the database is away')
  }
  const retrying = consume(feed.follow('b', 0))
  await settled()
  feed.close()
  await settled()
  expect([idle.ended, retrying.ended, feed.size, clock.pendingTimers]).toEqual([true, true, 0, 0])
  expect(consume(feed.follow('c', 0)).ended || (await feed.follow('c', 0).next()).done).toBe(true)
  expect([feed.size, clock.pendingTimers]).toEqual([0, 0])
})

test('whatever the order in which rows commit, wakes arrive or are lost, reads answer or fail, and consumers read: each row once, in order', async () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('append' as const), key: fc.constantFrom('a', 'b') }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('lose' as const), key: fc.constantFrom('a', 'b') }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('next' as const), who: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), who: fc.nat(5) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('follow' as const),
        key: fc.constantFrom('a', 'b'),
        after: fc.nat(3),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('poll' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const) }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(step, { maxLength: 60 }), async (scheduler, steps) => {
      const { log, time, clock, feed } = createFeed()
      let failing = 0
      log.held = async () => {
        const fails = failing-- > 0
        await scheduler.schedule(Promise.resolve())
        if (fails) throw new Error('the database is away')
      }
      const followers: {
        key: string
        after: number
        places: number[]
        left: boolean
        rows: AsyncIterableIterator<Row>
        asked: boolean
      }[] = []
      const ask = (follower: (typeof followers)[number] | undefined) => {
        if (!follower || follower.asked || follower.left) return
        follower.asked = true
        void follower.rows.next().then(({ done, value }) => {
          follower.asked = false
          if (!done) follower.places.push(value.place)
        })
      }
      for (const each of steps) {
        if (each.do === 'append' || each.do === 'lose') log.append(each.key)
        if (each.do === 'append') feed.wake(each.key)
        if (each.do === 'next') ask(followers[each.who])
        if (each.do === 'poll') await time.pass(5000)
        if (each.do === 'fail') failing = 2
        if (each.do === 'follow') {
          const { key, after } = each
          const rows = feed.follow(key, after)
          followers.push({ key, after, places: [], left: false, rows, asked: false })
        }
        if (each.do === 'leave') {
          const follower = followers[each.who]
          if (follower) follower.left = true
          await follower?.rows.return?.()
        }
        await settled()
        if (scheduler.count() > 0 && steps.indexOf(each) % 2) await scheduler.waitOne()
      }
      failing = 0
      // Everything comes to rest: answers come, time passes, those who are left read to the end.
      for (let round = 0; round < 40; round++) {
        for (const follower of followers) ask(follower)
        while (scheduler.count() > 0) await scheduler.waitOne()
        await settled()
        if (round % 5 === 0) await time.pass(6000)
      }
      for (const { key, after, places, left } of followers) {
        const all = upTo(Math.max(after, log.lengthOf(key)), after + 1)
        expect(places).toEqual(left ? all.slice(0, places.length) : all)
      }
      for (const follower of followers) await follower.rows.return?.()
      expect([feed.size, clock.pendingTimers]).toEqual([0, 0])
    }),
    { numRuns: 200 },
  )
})
