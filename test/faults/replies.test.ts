import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { followByEvents } from '../support/api-follow.ts'
import { readAll } from '../support/conversation-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { type OwnPostgres, startOwnPostgres } from '../support/process-postgres.ts'
import { createScene, type Scene } from '../support/process-scene.ts'
import { readMemory, send } from '../support/reply-client.ts'
import { tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const settings = { LEASE_TTL_MS: '60000', LOCK_TIMEOUT_MS: '20000' }
let postgres: OwnPostgres

beforeAll(async () => {
  postgres = await startOwnPostgres()
})
afterAll(() => postgres?.remove())

async function startScene(): Promise<Scene> {
  const database = await postgres.createDatabase()
  onTestFinished(() => database.drop())
  return createScene({ settings, database })
}

const input = { sessionId: 's', content: 'My name is Zoe.', clientId: 'one' }
const spoken = async (url: string, token: string) =>
  (await readAll(url, token, 's')).map(({ seq, role, content }) => `${seq} ${role} ${content}`)

test.each([
  { when: 'before the provider answers', lock: undefined },
  { when: 'after the answer, before the commit', lock: 'LOCK TABLE conversations IN EXCLUSIVE MODE' },
])(
  'a reply whose owner is killed $when is made by whoever the message is sent to again, and stored once',
  async ({ lock }) => {
    const scene = await startScene()
    const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
    const token = await tokenOf('zoe')
    const first = send(a.url, token, input).catch(() => 'cut off')
    const call = await scene.provider.called(1)
    if (lock) {
      const held = await holdLock(scene.database.url, lock)
      call.answer()
      await held.waitedFor()
      await a.kill()
      await held.release()
    } else await a.kill()
    expect(await first).toBe('cut off')
    scene.provider.onCall = second => second.answer()
    const answer = await send(b.url, token, input)
    expect(answer).toMatchObject({ __typename: 'SendMessagePayload', message: { seq: 1 }, reply: { seq: 2 } })
    expect(await send(b.url, token, input)).toMatchObject({
      source: 'CACHED',
      reply: { id: answer.reply.id },
    })
    expect(await spoken(b.url, token)).toEqual([
      '1 USER My name is Zoe.',
      '2 ASSISTANT answer 2 for My name is Zoe.',
    ])
    // What an owner that died had paid for is paid for once more, and no more than that.
    expect(scene.provider.calls).toHaveLength(2)
  },
)

interface TextEvent {
  state: string
  epoch: number
  text: string | null
}

test('of a reply whose owner is killed with half of its text streamed, whoever follows reads one reply in the end', async () => {
  const scene = await startScene()
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const token = await tokenOf('zoe')
  const { pending } = await send(a.url, token, { ...input, waitMs: 0 })
  const first = await scene.provider.called(1)
  const query = 'subscription($id: ID!) { generationChanged(id: $id) { state epoch text } }'
  const following = await followByEvents(b.url, { id: pending.id, token, query })
  const events = () =>
    following.results.map(
      ({ data }) => (data as unknown as { generationChanged: TextEvent }).generationChanged,
    )
  const told = (text: string) =>
    until(() => events().at(-1)?.text === text, { what: `the follower to read "${text}"` })
  first.text('Half of what')
  await told('Half of what')
  const joined = send(b.url, token, input)
  await until(async () => (await b.health()).waiters >= 1, { what: 'somebody to wait on the other instance' })
  await a.kill()
  const second = await scene.provider.called(2)
  second.text('answer 2')
  await told('answer 2')
  second.text('answer 2 for My name')
  await told('answer 2 for My name')
  second.answer()
  expect(await joined).toMatchObject({ reply: { seq: 2, content: 'answer 2 for My name is Zoe.' } })
  await until(() => following.completed, { what: 'the subscription to complete' })
  expect(events().at(-1)).toEqual({
    state: 'SUCCEEDED',
    epoch: scene.provider.calls.length,
    text: 'answer 2 for My name is Zoe.',
  })
  // One call, and one for the takeover.
  expect(scene.provider.calls).toHaveLength(2)
  const epochs = events().map(({ epoch }) => epoch)
  expect(epochs).toEqual(epochs.toSorted((one, other) => one - other))
  for (const epoch of new Set(epochs)) {
    const texts = events().flatMap(event =>
      event.epoch === epoch && event.text !== null ? [event.text] : [],
    )
    for (const [index, text] of texts.entries()) expect(text.startsWith(texts[index - 1] ?? '')).toBe(true)
  }
  expect(await spoken(b.url, token)).toEqual([
    '1 USER My name is Zoe.',
    '2 ASSISTANT answer 2 for My name is Zoe.',
  ])
})

test('a PostgreSQL that restarts while a reply is written costs neither the message nor the reply', async () => {
  const scene = await startScene()
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const token = await tokenOf('zoe')
  const answers = [send(a.url, token, input)]
  const call = await scene.provider.called(1)
  answers.push(send(b.url, token, input))
  await until(async () => (await b.health()).waiters === 1, { what: 'the other instance to follow the run' })
  await postgres.stop('SIGINT')
  call.answer()
  // Whoever is back first may take the run over, and then asks the provider anew.
  scene.provider.onCall = another => another.answer()
  await postgres.start()
  const [one, other] = await Promise.all(answers)
  expect([one?.source, other?.source].sort()).toEqual(['FRESH', 'JOINED'])
  expect(other?.reply).toEqual(one?.reply)
  expect(await spoken(b.url, token)).toEqual([
    '1 USER My name is Zoe.',
    expect.stringMatching(/^2 ASSISTANT answer \d for My name is Zoe\.$/),
  ])
})

test('while PostgreSQL is away a message is refused, and nothing is pretended', async () => {
  const scene = await startScene()
  const a = await scene.start('a')
  const token = await tokenOf('zoe')
  scene.provider.onCall = call => call.answer()
  await send(a.url, token, { ...input, clientId: 'zero' })
  await postgres.stop('SIGINT')
  await expect(send(a.url, token, input)).rejects.toThrow(/UNAVAILABLE/)
  await postgres.start()
  await until(async () => (await fetch(`${a.url}/health/ready`)).ok, {
    what: 'the instance to be ready again',
  })
  expect(await send(a.url, token, input)).toMatchObject({ message: { seq: 3 }, reply: { seq: 4 } })
})

test('what an exchange teaches is learnt by another instance, should its own be killed before', async () => {
  const scene = await startScene()
  const a = await scene.start('a')
  const token = await tokenOf('zoe')
  scene.provider.onCall = call => call.answer()
  const held = await holdLock(
    scene.database.url,
    // The user is not there yet: whoever writes any memory waits.
    'LOCK TABLE memory_facts IN EXCLUSIVE MODE',
  )
  expect(await send(a.url, token, input)).toMatchObject({ source: 'FRESH' })
  await held.waitedFor()
  await a.kill()
  await held.release()
  const b = await scene.start('b')
  await until(async () => (await readMemory(b.url, token)).hasData, {
    what: 'the exchange to be remembered',
    deadlineMs: 45_000,
  })
  expect((await readMemory(b.url, token)).facts.map(({ content }) => content)).toEqual(['Name: Zoe'])
}, 90_000)
