import { expect, test } from 'vitest'
import { QueryVectors } from '../../src/domain/collections/query-vectors.ts'
import type { Vector } from '../../src/providers/embedder.ts'
import { Gate } from '../support/gate.ts'
import { SimulatedTime } from '../support/simulated-clock.ts'

function scene() {
  const asked: string[] = []
  const gate = new Gate()
  let answer: (text: string) => Promise<Vector> = async text => [text.length]
  const time = new SimulatedTime()
  // It is not 0 when a process starts.
  time.setTimer(() => {}, 1)
  time.fireNext()
  const clock = { nowMs: () => time.nowMs, setTimer: time.setTimer.bind(time) }
  const queries = new QueryVectors(
    {
      model: 'a-model',
      embedDocuments: () => Promise.reject(new Error('none is embedded here')),
      embedQuery(text) {
        asked.push(text)
        return answer(text)
      },
    },
    clock,
  )
  return {
    asked,
    gate,
    time,
    queries,
    answerBy(next: typeof answer) {
      answer = next
    },
  }
}

test.each([
  ['soup', 'soup'],
  ['  red   lentil ', 'red lentil'],
  ['"red lentil" or chickpeas -soup', 'red lentil chickpeas'],
  ['lentil -"red lentil" OR rice', 'lentil rice'],
  ['well-being or-else', 'well-being or-else'],
  ['oregano for orcas', 'oregano for orcas'],
])('of %s is asked what it looks for', async (query, text) => {
  const { queries, asked } = scene()
  expect(await queries.find(query)).toEqual([text.length])
  expect(asked).toEqual([text])
})

test.each(['-soup', '-"red lentil" -soup', 'or', '""'])('of %s nothing is asked', async query => {
  const { queries, asked } = scene()
  expect(await queries.find(query)).toBeUndefined()
  expect(asked).toEqual([])
})

test('those who ask for the same share one call; who leaves ends it for nobody', async () => {
  const { queries, asked, gate, answerBy } = scene()
  answerBy(async () => {
    await gate.pass()
    return [1]
  })
  const leaving = new AbortController()
  const left = queries.find('soup', leaving.signal)
  const others = [queries.find('soup'), queries.find(' soup ')]
  leaving.abort(new Error('left'))
  await expect(left).rejects.toThrow('left')
  gate.open()
  expect(await Promise.all(others)).toEqual([[1], [1]])
  expect(await queries.find('soup')).toEqual([1])
  expect(asked).toEqual(['soup'])
})

test('what failed is not kept', async () => {
  const { queries, asked, answerBy } = scene()
  answerBy(() => Promise.reject(new Error('away')))
  expect(await queries.find('soup')).toBeUndefined()
  answerBy(async () => [1])
  expect(await queries.find('soup')).toEqual([1])
  expect(asked).toEqual(['soup', 'soup'])
})

test('20 calls are out at once; who comes then goes without, and does not wait', async () => {
  const { queries, asked, gate, answerBy } = scene()
  answerBy(async () => {
    await gate.pass()
    return [1]
  })
  const first = Array.from({ length: 20 }, (_, n) => queries.find(`soup ${n}`))
  expect(await queries.find('one too many')).toBeUndefined()
  expect(asked).toHaveLength(20)
  gate.open()
  expect(await Promise.all(first)).toEqual(first.map(() => [1]))
  expect(await queries.find('one too many')).toEqual([1])
})

test('the 500 used last are kept', async () => {
  const { queries, asked } = scene()
  for (let n = 0; n < 500; n++) await queries.find(`soup ${n}`)
  await queries.find('soup 0')
  await queries.find('one more')
  expect(asked).toHaveLength(501)
  await queries.find('soup 0')
  expect(asked).toHaveLength(501)
  await queries.find('soup 1')
  expect(asked).toHaveLength(502)
})

test('none is kept for longer than an hour, however often it is used', async () => {
  const { queries, asked, time, answerBy } = scene()
  answerBy(async () => [asked.length])
  expect(await queries.find('soup')).toEqual([1])
  await time.pass(1_800_000)
  expect(await queries.find('soup')).toEqual([1])
  await time.pass(1_800_001)
  expect(await queries.find('soup')).toEqual([2])
  expect(asked).toHaveLength(2)
})
