import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from 'vitest'
import { Batcher, BatcherFullError } from '../../src/shared/batcher.ts'

/** A batcher whose batches wait until the test answers them. */
function scene(maxKeys = 100) {
  const sent: {
    keys: readonly string[]
    answer: (of?: (key: string) => string) => void
    fail: (error: Error) => void
  }[] = []
  const sizes: number[] = []
  const batcher = new Batcher<string, string>({
    load: keys =>
      new Promise((resolve, reject) => {
        sent.push({ keys, answer: (of = key => key) => resolve(keys.map(of)), fail: reject })
      }),
    identify: key => key,
    maxKeys,
    onBatch: keys => sizes.push(keys),
  })
  return { batcher, sent, sizes, keys: () => sent.map(batch => batch.keys) }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

test('a lone read goes out at the end of the turn in which it came', async () => {
  const { batcher, sent, keys } = scene()
  const answer = batcher.load('a')
  await turn()
  expect(keys()).toEqual([['a']])
  sent[0]?.answer()
  expect(await answer).toBe('a')
})

test('one that nobody shares goes out before anything else happens, with what the same piece of work asks for', async () => {
  const { batcher, keys } = scene()
  void batcher.load('a')
  await null
  void batcher.load('b')
  await new Promise<void>(resolve => process.nextTick(resolve))
  expect(keys()).toEqual([['a', 'b']])
})

test('what is asked for in one turn goes out together, each key once', async () => {
  const { batcher, sent, keys, sizes } = scene()
  const answers = Promise.all(['a', 'b', 'a'].map(key => batcher.load(key)))
  await turn()
  expect(keys()).toEqual([['a', 'b']])
  expect(sizes).toEqual([2])
  sent[0]?.answer()
  expect(await answers).toEqual(['a', 'b', 'a'])
})

test('two batches are under way at most; who comes meanwhile goes out with the next', async () => {
  const { batcher, sent, keys } = scene()
  const answers: Promise<string>[] = []
  for (const key of ['a', 'b', 'c', 'd', 'e']) {
    answers.push(batcher.load(key))
    await turn()
  }
  expect(keys()).toEqual([['a'], ['b']])
  sent[1]?.answer()
  expect(await answers[1]).toBe('b')
  expect(keys()).toEqual([['a'], ['b'], ['c', 'd', 'e']])
  sent[0]?.answer()
  sent[2]?.answer()
  expect(await Promise.all(answers)).toEqual(['a', 'b', 'c', 'd', 'e'])
})

test('nobody is handed what was read before they asked', async () => {
  const { batcher, sent } = scene()
  const before = batcher.load('a')
  await turn()
  // The write that this caller has made since is in no read that was sent before.
  const after = batcher.load('a')
  await turn()
  sent[0]?.answer(() => 'old')
  sent[1]?.answer(() => 'new')
  expect(await Promise.all([before, after])).toEqual(['old', 'new'])
  const later = batcher.load('a')
  await turn()
  sent[2]?.answer(() => 'newest')
  expect(await later).toBe('newest')
})

test('a batch takes no more keys than it may, and the rest does not wait for somebody else to come', async () => {
  const { batcher, sent, keys } = scene(2)
  const answers = Promise.all(['a', 'b', 'c', 'd', 'e'].map(key => batcher.load(key)))
  await turn()
  expect(keys()).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ])
  sent[0]?.answer()
  await turn()
  expect(keys()[2]).toEqual(['e'])
  sent[1]?.answer()
  sent[2]?.answer()
  expect(await answers).toEqual(['a', 'b', 'c', 'd', 'e'])
})

test('many keys are answered together, in the order of the keys, whoever else wants them and however many batches they take', async () => {
  const { batcher, sent, keys } = scene(2)
  const one = batcher.loadMany(['a', 'b', 'c', 'a'])
  const other = batcher.loadMany(['c', 'b', 'd'])
  expect(await batcher.loadMany([])).toEqual([])
  await turn()
  expect(keys()).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ])
  sent[1]?.answer(key => `${key} read`)
  await turn()
  sent[0]?.answer(key => `${key} read`)
  expect(await one).toEqual(['a read', 'b read', 'c read', 'a read'])
  expect(await other).toEqual(['c read', 'b read', 'd read'])
})

test('one of several batches that fails fails for those alone who want of it', async () => {
  const { batcher, sent } = scene(1)
  const ends = Promise.allSettled([
    batcher.loadMany(['a', 'b']),
    batcher.loadMany(['b']),
    batcher.loadMany(['a']),
  ])
  await turn()
  sent[0]?.answer()
  sent[1]?.fail(new Error('gone'))
  expect((await ends).map(end => (end.status === 'rejected' ? end.reason.message : end.value))).toEqual([
    'gone',
    'gone',
    ['a'],
  ])
})

test('a batch that fails fails for all in it, for nobody else, and is not remembered', async () => {
  const { batcher, sent } = scene()
  const failing = Promise.allSettled([batcher.load('a'), batcher.load('b')])
  await turn()
  const other = batcher.load('a')
  await turn()
  sent[0]?.fail(new Error('gone'))
  sent[1]?.answer()
  expect((await failing).map(end => end.status === 'rejected' && end.reason.message)).toEqual([
    'gone',
    'gone',
  ])
  expect(await other).toBe('a')
})

test('a batch with too few answers is an error, not somebody else’s row', async () => {
  const batcher = new Batcher<string, string>({
    load: async () => ['only one'],
    identify: key => key,
    maxKeys: 10,
  })
  const ends = await Promise.allSettled([batcher.load('a'), batcher.load('b')])
  expect(ends.map(end => end.status)).toEqual(['rejected', 'rejected'])
})

test('a batch runs in nobody’s context: a caller’s transaction is not everybody’s', async () => {
  const scope = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  const batcher = new Batcher<string, string>({
    load: async keys => {
      seen.push(scope.getStore())
      return keys
    },
    identify: key => key,
    maxKeys: 10,
  })
  await scope.run('a transaction', async () => {
    await batcher.load('a')
    expect(scope.getStore()).toBe('a transaction')
  })
  expect(seen).toEqual([undefined])
})

test('callers behind a database that hangs are turned away at a bound', async () => {
  const { batcher, sent } = scene()
  const waiting = [batcher.load('first')]
  await turn()
  waiting.push(batcher.load('second'))
  await turn()
  for (let key = 0; key < 100_000; key++) waiting.push(batcher.load(String(key)))
  await expect(batcher.load('one more')).rejects.toThrow(BatcherFullError)
  // Who asks for what is waited for anyway costs nothing.
  const shared = batcher.load('0')
  for (let index = 0; index < sent.length; index++) {
    sent[index]?.answer()
    await turn()
  }
  await Promise.all(waiting)
  expect(await shared).toBe('0')
})
