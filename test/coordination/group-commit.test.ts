import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  GroupCommit,
  GroupCommitFullError,
  type GroupCommitOptions,
} from '../../src/coordination/group-commit.ts'

describe('batches', () => {
  test('a lone item is committed at once, on its own', async () => {
    const { group, batches } = setUp()
    const result = group.submit('a', 'x')
    expect(batches.map(batch => batch.items)).toEqual([['x']])
    batches[0]?.succeed()
    expect(await result).toBe('done x')
    await drained()
    expect([group.size, group.queueLength]).toEqual([0, 0])
  })

  test('who comes during a commit gathers for the next one, which takes them all in their order', async () => {
    const { group, batches } = setUp()
    const first = group.submit('a', 'x')
    const gathered = ['b', 'c', 'd'].map(item => group.submit('a', item))
    await drained()
    expect(batches).toHaveLength(1)
    expect(group.queueLength).toBe(3)
    batches[0]?.succeed()
    expect(await first).toBe('done x')
    await drained()
    expect(batches.map(batch => batch.items)).toEqual([['x'], ['b', 'c', 'd']])
    batches[1]?.succeed()
    expect(await Promise.all(gathered)).toEqual(['done b', 'done c', 'done d'])
  })

  test('a batch takes maxBatch items, and the next one those behind them', async () => {
    const { group, batches } = setUp({ maxBatch: 2 })
    const results = Promise.all(['1', '2', '3', '4'].map(item => group.submit('a', item)))
    for (let batch = 0; batch < 3; batch++) {
      batches[batch]?.succeed()
      await drained()
    }
    expect(batches.map(batch => batch.items)).toEqual([['1'], ['2', '3'], ['4']])
    expect(await results).toEqual(['done 1', 'done 2', 'done 3', 'done 4'])
  })

  test('keys are committed beside each other', async () => {
    const { group, batches } = setUp()
    const results = Promise.all([group.submit('a', 'x'), group.submit('b', 'y')])
    expect(batches.map(batch => batch.key)).toEqual(['a', 'b'])
    for (const batch of batches) batch.succeed()
    await results
  })

  test('with gathersTurn those of one turn go together, and so do those who come again once they are answered', async () => {
    const { group, batches } = setUp({ gathersTurn: true })
    const again = ['1', '2', '3'].map(async item => [
      await group.submit('a', item),
      await group.submit('a', `${item}+`),
    ])
    const leaving = new AbortController()
    const left = group.submit('a', 'left', { signal: leaving.signal })
    expect([batches.length, group.queueLength]).toEqual([0, 4])
    leaving.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    await drained()
    batches[0]?.succeed()
    // The turn in which they come again, and the next.
    await drained()
    await drained()
    batches[1]?.succeed()
    expect(batches.map(batch => batch.items)).toEqual([
      ['1', '2', '3'],
      ['1+', '2+', '3+'],
    ])
    expect(await Promise.all(again)).toEqual(['1', '2', '3'].map(item => [`done ${item}`, `done ${item}+`]))
    await drained()
    expect(group.size).toBe(0)
  })

  test('with maxAtWork the keys take their turns, first come first served', async () => {
    const { group, batches } = setUp({ maxAtWork: 1 })
    const results = Promise.all(
      (
        [
          ['a', '1'],
          ['b', '2'],
          ['a', '3'],
          ['c', '4'],
        ] as const
      ).map(([key, item]) => group.submit(key, item)),
    )
    for (let batch = 0; batch < 4; batch++) {
      expect(batches).toHaveLength(batch + 1)
      batches[batch]?.succeed()
      await drained()
    }
    expect(batches.map(batch => `${batch.key} ${batch.items}`)).toEqual(['a 1', 'b 2', 'c 4', 'a 3'])
    await results
    expect(group.size).toBe(0)
  })
})

describe('failures', () => {
  test('an item at fault fails alone, and its companions are committed, each once', async () => {
    const committed: string[] = []
    let commits = 0
    const { group, batches } = setUp({
      commit: async (_key, items) => {
        commits++
        if (items[0] === 'first') await batches.opened
        if (items.includes('poison')) throw new Error('of the item')
        committed.push(...items)
        return items.map(item => `done ${item}`)
      },
    })
    const items = ['first', ...Array.from({ length: 20 }, (_, index) => String(index)), 'poison', 'last']
    const results = Promise.allSettled(items.map(item => group.submit('a', item)))
    await drained()
    batches.open()
    const settled = await results
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect(settled.at(-2)).toMatchObject({ status: 'rejected', reason: { message: 'of the item' } })
    expect(committed).toEqual(items.filter(item => item !== 'poison'))
    // In halves: the first alone, then far fewer than one for each of the others.
    expect(commits).toBeLessThan(12)
  })

  test('what is no fault of one item fails the whole batch, without a second try', async () => {
    const away = new Error('the database is away')
    const { group, batches } = setUp({ isOfOneItem: error => error !== away })
    const first = group.submit('a', 'x')
    const results = Promise.allSettled(['b', 'c'].map(item => group.submit('a', item)))
    batches[0]?.succeed()
    await first
    await drained()
    batches[1]?.fail(away)
    expect(await results).toEqual([
      { status: 'rejected', reason: away },
      { status: 'rejected', reason: away },
    ])
    expect(batches).toHaveLength(2)
    expect(group.size).toBe(0)
  })

  test('a failure does not stop the batches behind it', async () => {
    const { group, batches } = setUp()
    const first = group.submit('a', 'x')
    const second = group.submit('a', 'y')
    batches[0]?.fail(new Error('once'))
    await expect(first).rejects.toThrow('once')
    await drained()
    batches[1]?.succeed()
    expect(await second).toBe('done y')
  })

  test('a commit that throws at once, or answers for another number of items, fails its callers and frees the key', async () => {
    const answers = [
      () => {
        throw new Error('at once')
      },
      async () => ['too', 'many'],
    ]
    const { group } = setUp({ commit: () => answers.shift()?.() ?? Promise.resolve(['fine']) })
    await expect(group.submit('a', 'x')).rejects.toThrow('at once')
    await expect(group.submit('a', 'y')).rejects.toThrow('2 results for 1 items')
    expect(await group.submit('a', 'z')).toBe('fine')
  })

  test('a judge of errors that throws fails the batch and frees the key', async () => {
    const { group, batches } = setUp({
      isOfOneItem: () => {
        throw new Error('of the judge')
      },
    })
    const first = group.submit('a', 'x')
    const results = Promise.allSettled(['b', 'c'].map(item => group.submit('a', item)))
    batches[0]?.succeed()
    await first
    await drained()
    batches[1]?.fail(new Error('any'))
    expect((await results).map(result => result.status)).toEqual(['rejected', 'rejected'])
    expect(group.size).toBe(0)
  })
})

describe('leaving', () => {
  test('who leaves while waiting is taken out, and nothing is done for it', async () => {
    const { group, batches } = setUp()
    const first = group.submit('a', 'x')
    const controller = new AbortController()
    const leaver = group.submit('a', 'leaver', { signal: controller.signal })
    const stayer = group.submit('a', 'stayer')
    controller.abort(new Error('gone'))
    await expect(leaver).rejects.toThrow('gone')
    expect(group.queueLength).toBe(1)
    batches[0]?.succeed()
    await first
    await drained()
    batches[1]?.succeed()
    expect(await stayer).toBe('done stayer')
    expect(batches.map(batch => batch.items)).toEqual([['x'], ['stayer']])
  })

  test('who leaves during its commit is answered at once, and the commit goes on for the others', async () => {
    const { group, batches } = setUp()
    const first = group.submit('a', 'x')
    const controller = new AbortController()
    const leaver = group.submit('a', 'leaver', { signal: controller.signal })
    const stayer = group.submit('a', 'stayer')
    batches[0]?.succeed()
    await first
    await drained()
    controller.abort(new Error('gone'))
    await expect(leaver).rejects.toThrow('gone')
    batches[1]?.succeed()
    expect(await stayer).toBe('done stayer')
    expect(batches.map(batch => batch.items)).toEqual([['x'], ['leaver', 'stayer']])
  })

  test('who left during a batch that failed is not tried again with its companions', async () => {
    const { group, batches } = setUp()
    const first = group.submit('a', 'x')
    const controller = new AbortController()
    const leaver = group.submit('a', 'leaver', { signal: controller.signal })
    const stayer = group.submit('a', 'stayer')
    batches[0]?.succeed()
    await first
    await drained()
    controller.abort(new Error('gone'))
    await expect(leaver).rejects.toThrow('gone')
    batches[1]?.fail(new Error('of one'))
    await drained()
    batches[2]?.succeed()
    expect(await stayer).toBe('done stayer')
    expect(batches.map(batch => batch.items)).toEqual([['x'], ['leaver', 'stayer'], ['stayer']])
  })

  test('a key that waits for its turn and is left by all is forgotten', async () => {
    const { group, batches } = setUp({ maxAtWork: 1 })
    const first = group.submit('a', 'x')
    const controller = new AbortController()
    const leaver = group.submit('b', 'y', { signal: controller.signal })
    expect(group.size).toBe(2)
    controller.abort(new Error('gone'))
    await expect(leaver).rejects.toThrow('gone')
    expect(group.size).toBe(1)
    batches[0]?.succeed()
    await first
    await drained()
    expect(batches).toHaveLength(1)
  })

  test('a signal that has aborted starts nothing', async () => {
    const { group, batches } = setUp()
    await expect(group.submit('a', 'x', { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow(
      'gone',
    )
    expect(batches).toHaveLength(0)
    expect(group.size).toBe(0)
  })
})

describe('bounds', () => {
  test('one more than maxQueued is turned away at once, and the others are not touched', async () => {
    const { group, batches } = setUp({ maxQueued: 1 })
    const first = group.submit('a', 'x')
    const second = group.submit('a', 'y')
    await expect(group.submit('a', 'z')).rejects.toThrow(GroupCommitFullError)
    // A key that can start at once needs no place.
    const other = group.submit('b', 'w')
    batches[0]?.succeed()
    await first
    await drained()
    for (const batch of batches.slice(1)) batch.succeed()
    expect(await Promise.all([second, other])).toEqual(['done y', 'done w'])
  })

  test.each([
    ['maxBatch', 0],
    ['maxBatch', 1.5],
    ['maxQueued', -1],
    ['maxAtWork', 0],
    ['maxAtWork', Number.NaN],
  ])('%s of %d is refused', (name, value) => {
    expect(() => setUp({ [name]: value })).toThrow(RangeError)
  })
})

/** fast-check chooses in which order callers come, leave, and commits end, and how. */
describe('in every interleaving', () => {
  const callerArb = fc.record({
    key: fc.constantFrom('a', 'a', 'b', 'c'),
    poison: fc.boolean(),
    leaves: fc.boolean(),
  })

  test('each item is committed at most once and in order, one batch a key, and everyone is told what became of theirs', async () => {
    const seen = new Set<string>()
    const property = fc.asyncProperty(
      fc.scheduler(),
      fc.array(callerArb, { minLength: 2, maxLength: 9 }),
      fc.array(fc.boolean(), { maxLength: 4 }),
      async (scheduler, callers, outages) => {
        const violations: string[] = []
        const committed: number[] = []
        const tried = new Set<number>()
        const atWork = new Set<string>()
        const group = new GroupCommit<string, number, string>({
          name: 'test',
          maxBatch: 3,
          maxQueued: 4,
          maxAtWork: 2,
          isOfOneItem: error => (error as Error).message === 'poison',
          commit: async (key, items) => {
            if (atWork.has(key)) violations.push(`two batches of ${key}`)
            atWork.add(key)
            if (atWork.size > 2) violations.push('more than two at work')
            if (items.length > 3) violations.push(`a batch of ${items.length}`)
            seen.add(`batch of ${items.length}`)
            for (const item of items) tried.add(item)
            await scheduler.schedule(Promise.resolve(), `commit ${key} ${items}`)
            atWork.delete(key)
            if (outages.pop()) throw new Error('away')
            if (items.some(item => callers[item]?.poison)) throw new Error('poison')
            committed.push(...items)
            return items.map(item => `done ${item}`)
          },
        })
        const asked: number[] = []
        const ends = new Map<number, string>()
        const controllers = callers.map(() => new AbortController())
        const come = async ({ key, leaves }: (typeof callers)[number], index: number) => {
          await scheduler.schedule(Promise.resolve(), `${index} comes`)
          asked.push(index)
          const submitted = group.submit(key, index, { signal: controllers[index]?.signal })
          if (leaves)
            void scheduler
              .schedule(Promise.resolve(), `${index} leaves`)
              .then(() => controllers[index]?.abort(new Error('left')))
          ends.set(
            index,
            await submitted.catch((error: unknown) =>
              error instanceof GroupCommitFullError ? 'full' : (error as Error).message,
            ),
          )
        }
        const all = callers.map(come)
        await scheduler.waitIdle()
        await drained()
        await Promise.all(all)

        for (const [index, end] of ends) {
          seen.add(end.replace(/ \d+$/, ''))
          const times = committed.filter(item => item === index).length
          if (times > 1) violations.push(`${index} was committed ${times} times`)
          if (end === `done ${index}` ? times !== 1 : end !== 'left' && times > 0)
            violations.push(`${index} ended as "${end}" and was committed ${times} times`)
          if (end === 'poison' && !callers[index]?.poison) violations.push(`${index} failed for another`)
          if (end === 'full' && tried.has(index)) violations.push(`${index} was turned away and tried`)
        }
        for (const key of ['a', 'b', 'c']) {
          const inOrder = asked.filter(index => callers[index]?.key === key && committed.includes(index))
          expect(committed.filter(index => callers[index]?.key === key)).toEqual(inOrder)
        }
        expect(violations).toEqual([])
        expect(ends.size).toBe(callers.length)
        expect([group.size, group.queueLength]).toEqual([0, 0])
      },
    )
    await fc.assert(property, { numRuns: 2_000 })
    // The schedules reached every end.
    expect([...seen].sort()).toEqual(
      ['batch of 1', 'batch of 2', 'batch of 3', 'away', 'done', 'full', 'left', 'poison'].sort(),
    )
  }, 60_000)
})

interface Batch {
  key: string
  items: readonly string[]
  succeed(): void
  fail(error: Error): void
}

/** Commits wait in `batches` for the test to end them. */
function setUp(options: Partial<GroupCommitOptions<string, string, string>> = {}) {
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  const batches = Object.assign([] as Batch[], { opened, open })
  const group = new GroupCommit<string, string, string>({
    name: 'test',
    maxBatch: 100,
    maxQueued: 100,
    isOfOneItem: () => true,
    commit: (key, items) =>
      new Promise((resolve, reject) => {
        batches.push({
          key,
          items,
          succeed: () => resolve(items.map(item => `done ${item}`)),
          fail: reject,
        })
      }),
    ...options,
  })
  return { group, batches }
}

/** All microtasks have run. */
function drained(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
