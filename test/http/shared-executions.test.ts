import { AsyncLocalStorage } from 'node:async_hooks'
import { buildSchema } from 'graphql'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { answerOf, shareBody } from '../../src/http/http-answer.ts'
import { Documents } from '../../src/http/operation/documents.ts'
import { executionKey } from '../../src/http/operation/execution-key.ts'
import { SharedExecutions } from '../../src/http/operation/shared-executions.ts'
import { OperationScope } from '../../src/shared/operation-scope.ts'

/** Executions that stand still until the test ends them; each gives what was stored when it began. */
function scene() {
  const executions = new SharedExecutions<string>()
  const begun: { scope: OperationScope; end: () => void; fail: (error: Error) => void }[] = []
  const stored = { value: 'before' }
  const ask = (key = 'key', scope = new OperationScope()) => {
    const { result, joined } = executions.run(key, {
      scope,
      begin: async shared => {
        const { value } = stored
        const { promise, resolve, reject } = Promise.withResolvers<string>()
        begun.push({ scope: shared, end: () => resolve(value), fail: reject })
        return promise
      },
    })
    // Looked at later, or never.
    result.catch(() => {})
    return { result, joined, scope }
  }
  return { executions, begun, stored, ask }
}

/** Whatever follows from what has happened has happened. */
const turn = () => new Promise(resolve => setImmediate(resolve))

afterEach(() => {
  vi.useRealTimers()
})

describe('executions of one key', () => {
  test('a lone one begins at once, and nothing is kept of it', async () => {
    const { executions, begun, ask } = scene()
    const { result, joined, scope } = ask()
    expect(begun).toHaveLength(1)
    expect(begun[0]?.scope).toBe(scope)
    expect(joined).toBe(false)
    begun[0]?.end()
    expect(await result).toBe('before')
    expect(executions.size).toBe(0)
  })

  test('two are under way; whoever comes meanwhile shares the next, which begins when one of them ends', async () => {
    const { executions, begun, ask } = scene()
    const asked = Array.from({ length: 10 }, () => ask())
    expect(begun).toHaveLength(2)
    expect(asked.map(({ joined }) => joined)).toEqual([false, false, false, ...Array(7).fill(true)])
    begun[1]?.end()
    await turn()
    expect(begun).toHaveLength(3)
    begun[2]?.end()
    begun[0]?.end()
    expect(await Promise.all(asked.map(({ result }) => result))).toEqual(Array(10).fill('before'))
    expect(begun).toHaveLength(3)
    expect(executions.size).toBe(0)
  })

  test('nobody is given what was read before they asked', async () => {
    const { begun, stored, ask } = scene()
    const early = [ask(), ask(), ask()]
    begun[0]?.end()
    await turn()
    // All three read what there was.
    expect(begun).toHaveLength(3)
    stored.value = 'after'
    const late = [ask(), ask()]
    for (let n = 0; n < begun.length; n++) {
      begun[n]?.end()
      await turn()
    }
    expect(await Promise.all(early.map(({ result }) => result))).toEqual(Array(3).fill('before'))
    expect(await Promise.all(late.map(({ result }) => result))).toEqual(Array(2).fill('after'))
  })

  test('others are executed by themselves', () => {
    const { begun, ask, executions } = scene()
    for (const key of ['a', 'b', 'c', 'd']) ask(key)
    expect(begun).toHaveLength(4)
    expect(executions.size).toBe(4)
  })

  test('who has gathered for a quarter of a second waits for the end of nobody', async () => {
    vi.useFakeTimers()
    const { executions, begun, ask } = scene()
    const asked = Array.from({ length: 5 }, () => ask())
    await vi.advanceTimersByTimeAsync(249)
    expect(begun).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(begun).toHaveLength(3)
    begun[2]?.end()
    expect(await asked[4]?.result).toBe('before')
    for (const { end } of begun) end()
    await vi.advanceTimersByTimeAsync(1000)
    expect(begun).toHaveLength(3)
    expect(executions.size).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('who leaves takes nothing from those who stay, and has the reason at once', async () => {
    const { begun, ask } = scene()
    const [first, , third, fourth] = Array.from({ length: 4 }, () => ask())
    begun[0]?.end()
    await first?.result
    await turn()
    third?.scope.endWith(new Error('too late'))
    await expect(third?.result).rejects.toThrow('too late')
    expect(begun[2]?.scope.end).toBeUndefined()
    begun[2]?.end()
    expect(await fourth?.result).toBe('before')
  })

  test('one that all have left ends, and its place is free although it never does', async () => {
    const { executions, begun, ask } = scene()
    const [first, , third, fourth] = Array.from({ length: 4 }, () => ask())
    begun[0]?.end()
    await first?.result
    await turn()
    const fifth = ask()
    expect(begun).toHaveLength(3)
    third?.scope.endWith(new Error('left'))
    fourth?.scope.endWith(new Error('left too'))
    await expect(fourth?.result).rejects.toThrow('left too')
    expect(begun[2]?.scope.end?.reason).toEqual(new Error('left too'))
    await turn()
    expect(begun).toHaveLength(4)
    begun[3]?.end()
    begun[1]?.end()
    expect(await fifth.result).toBe('before')
    expect(executions.size).toBe(0)
  })

  test('one that all have left before it began never begins', async () => {
    vi.useFakeTimers()
    const { executions, begun, ask } = scene()
    const [, , third, fourth] = Array.from({ length: 4 }, () => ask())
    third?.scope.endWith(new Error('left'))
    fourth?.scope.endWith(new Error('left'))
    expect(vi.getTimerCount()).toBe(0)
    const fifth = ask()
    expect(fifth.joined).toBe(false)
    begun[0]?.end()
    await vi.advanceTimersByTimeAsync(1000)
    expect(begun).toHaveLength(3)
    begun[1]?.end()
    begun[2]?.end()
    expect(await fifth.result).toBe('before')
    expect(executions.size).toBe(0)
  })

  test('who has left before they ask has left, and takes nothing from the others', async () => {
    const { executions, begun, ask } = scene()
    const gone = new OperationScope()
    gone.endWith(new Error('gone'))
    const [first, second, third] = [ask(), ask(), ask()]
    await expect(ask('key', gone).result).rejects.toThrow('gone')
    begun[0]?.end()
    await turn()
    begun[1]?.end()
    begun[2]?.end()
    for (const { result } of [first, second, third]) expect(await result).toBe('before')
    await expect(ask('key', gone).result).rejects.toThrow('gone')
    await turn()
    expect(executions.size).toBe(0)
  })

  test('all who wait share its failure, and the next begins', async () => {
    const { executions, begun, ask } = scene()
    const [, , third, fourth] = Array.from({ length: 4 }, () => ask())
    begun[0]?.fail(new Error('no'))
    await turn()
    begun[2]?.fail(new Error('no again'))
    for (const asked of [third, fourth]) await expect(asked?.result).rejects.toThrow('no again')
    const fifth = ask()
    begun[3]?.end()
    expect(await fifth.result).toBe('before')
    begun[1]?.end()
    await turn()
    expect(executions.size).toBe(0)
  })

  test('it runs on behalf of the first who waits for it, and of nobody whose end has set it going', async () => {
    const asker = new AsyncLocalStorage<string>()
    const executions = new SharedExecutions<string | undefined>()
    const ends: (() => void)[] = []
    const ask = (name: string) =>
      asker.run(
        name,
        () =>
          executions.run('key', {
            scope: new OperationScope(),
            begin: async () => {
              await new Promise<void>(resolve => ends.push(resolve))
              return asker.getStore()
            },
          }).result,
      )
    const answers = ['a', 'b', 'c', 'd'].map(ask)
    asker.run('another', () => ends[0]?.())
    await turn()
    for (const end of ends) end()
    expect(await Promise.all(answers)).toEqual(['a', 'b', 'c', 'c'])
  })
})

describe('the key of an execution', () => {
  const schema = buildSchema('type Query { a(x: Int): Int b: Int } type Mutation { a: Int }')
  const documents = new Documents({
    schema,
    introspection: true,
    maxTokens: 1000,
    maxDepth: 10,
    maxAliases: 10,
    maxRootFields: 10,
    maxDirectives: 10,
  })
  const operation = (text: string, name?: string) => documents.find(text).choose(name)
  const [query, other] = [operation('query A { a }'), operation('{ b }')]
  const ada = { issuer: '', subject: 'ada', email: 'ada@example.com', roles: [] }
  const keyOf = (variables: Record<string, unknown>, principal: typeof ada | undefined = ada, of = query) =>
    executionKey(of, principal, variables)

  test('is the same for the same, in whatever order the variables were sent', () => {
    expect(keyOf({ a: 1, b: { c: [1, 2], d: null } })).toBe(keyOf({ b: { c: [1, 2], d: null }, a: 1 }))
    expect(keyOf({}, { ...ada })).toBe(keyOf({}))
  })

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['another value', { a: 1 }, { a: 2 }],
    ['another type', { a: 1 }, { a: '1' }],
    ['another name', { a: 1 }, { b: 1 }],
    ['null and nothing', { a: null }, {}],
    ['null and its word', { a: null }, { a: 'null' }],
    ['true and its word', { a: true }, { a: 'true' }],
    // An error quotes it as it was sent.
    ['an object in another order', { a: { b: 1, c: 2 } }, { a: { c: 2, b: 1 } }],
    ['a list in another order', { a: [1, 2] }, { a: [2, 1] }],
    ['a list of one', { a: [1] }, { a: 1 }],
    ['a list in a list', { a: [[1], 2] }, { a: [1, [2]] }],
    ['no list and an empty one', { a: [] }, { a: [[]] }],
    ['a quote in a name', { 'a":1,"b': 1 }, { a: 1, b: 1 }],
    ['a quote in a text', { a: 'b","c' }, { a: 'b', c: '' }],
    ['a comma in a text', { a: ['b,c'] }, { a: ['b', 'c'] }],
    ['lone surrogates', { a: '\ud800' }, { a: '\ud801' }],
  ])('is another one for %s', (_name, one, another) => {
    expect(keyOf(one)).not.toBe(keyOf(another))
  })

  test('is another one for everything that a token says', () => {
    const others = [
      undefined,
      { ...ada, subject: 'bob' },
      { ...ada, issuer: 'elsewhere' },
      { ...ada, email: 'bob@example.com' },
      { ...ada, roles: ['ADMIN'] as never },
      { ...ada, roles: ['SERVICE'] as never },
      { ...ada, sessionId: 'one' },
      { ...ada, sessionId: 'two' },
      { ...ada, subject: 'ada"' },
    ]
    const keys = [keyOf({}), ...others.map(principal => executionKey(query, principal, {}))]
    expect(new Set(keys).size).toBe(keys.length)
  })

  test('is another one for another document, and another operation of one', () => {
    const both = 'query A { a } query B { a }'
    const keys = [query, other, operation(both, 'A'), operation(both, 'B')].map(of => keyOf({}, ada, of))
    expect(new Set(keys).size).toBe(4)
  })

  test('is not there for what is executed by itself', () => {
    expect(keyOf({}, ada, operation('mutation { a }'))).toBeUndefined()
    expect(keyOf({}, ada, { ...query, ownDeadline: true })).toBeUndefined()
    expect(keyOf({ a: 'x'.repeat(900) })).toBeDefined()
    for (const long of [
      'x'.repeat(1000),
      Array(1000).fill(1),
      Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`name${n}`, n])),
      { ['x'.repeat(1000)]: 1 },
      JSON.parse(`${'['.repeat(30_000)}${']'.repeat(30_000)}`),
    ])
      expect(keyOf({ a: long })).toBeUndefined()
  })
})

test('what several are given is written once', () => {
  let written = 0
  const data = { toJSON: () => ({ n: ++written }) }
  const [shared, own] = [{ data }, { data }] as never[]
  shareBody(shared as never)
  for (const mediaType of ['application/json', 'application/graphql-response+json'] as const)
    expect(answerOf(shared as never, mediaType).body).toBe('{"data":{"n":1}}')
  expect(answerOf(own as never, 'application/json').body).toBe('{"data":{"n":2}}')
})
