import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createDatabaseClient } from '../../src/database/client.ts'
import { completeIngestion, lockCollection, upsertDocuments } from '../../src/database/collections.ts'
import { clearEndedLeases } from '../../src/database/ended-leases.ts'
import type { MessageRow } from '../../src/database/messages.ts'
import { type ReplyRunOptions, ReplyRuns } from '../../src/domain/conversations/reply-run.ts'
import { GenerationError } from '../../src/providers/generator.ts'
import { createRulesGenerator } from '../../src/providers/rules/rules-generator.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { followByEvents } from '../support/api-follow.ts'
import { readAll, save, user } from '../support/conversation-client.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { requestAnalysis } from '../support/graphql-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { readMemory, remember, send } from '../support/reply-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateways: TestGateway[]
let generator: FakeGenerator

beforeEach(async () => {
  database = await createTestDatabase()
  generator = new FakeGenerator()
  gateways = await Promise.all([1, 2].map(() => startTestGateway({ databaseUrl: database.url, generator })))
})
afterEach(async () => {
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
})

const at = (index: number) => gateways[index % 2]?.url ?? ''

async function ingest(collection: string, documents: Record<string, string>): Promise<void> {
  const client = createDatabaseClient({
    url: database.url,
    poolSize: 1,
    lockTimeoutMs: 5000,
    logger: createLogger({ level: 'silent', format: 'json' }),
    metrics: createMetrics(),
  })
  const id = await lockCollection(client, collection)
  await upsertDocuments(
    client,
    id,
    Object.entries(documents).map(([documentId, text]) => ({
      documentId,
      text,
      metadata: { page: 1 },
      language: 'english',
    })),
  )
  await completeIngestion(client, id)
  await client.close()
}

/** What a subscriber is told of a run's text. */
const FOLLOW_TEXT =
  'subscription Follow($id: ID!) { generationChanged(id: $id) { id state phase epoch text result { id } } }'
interface TextEvent {
  id: string
  state: string
  text: string | null
}
const eventsOf = (following: { results: unknown[] }) =>
  following.results.map(
    result => (result as { data: { generationChanged: TextEvent } }).data.generationChanged,
  )

describe('a message', () => {
  test('is stored, answered from what was said before, and its reply is stored behind it', async () => {
    const token = await tokenOf('anna')
    await save(at(0), token, {
      sessionId: 's',
      messages: [user('before'), { role: 'ASSISTANT', content: 'yes' }],
    })
    const answer = await send(at(0), token, { sessionId: 's', content: 'how are you?' })
    expect(answer).toMatchObject({
      __typename: 'SendMessagePayload',
      source: 'FRESH',
      conversation: { sessionId: 's', messageCount: 4 },
      message: { seq: 3, role: 'USER', content: 'how are you?' },
      reply: { seq: 4, role: 'ASSISTANT', content: 'reply 1 to how are you?' },
      generation: {
        kind: 'CONVERSATION_REPLY',
        state: 'SUCCEEDED',
        text: 'reply 1 to how are you?',
        result: { __typename: 'Message' },
      },
    })
    expect(answer.generation.result.id).toBe(answer.reply.id)
    expect(generator.replyCalls[0]?.history).toEqual([
      { role: 'USER', content: 'before' },
      { role: 'ASSISTANT', content: 'yes' },
    ])
    expect((await readAll(at(1), token, 's')).map(({ seq, role }) => `${seq} ${role}`)).toEqual([
      '1 USER',
      '2 ASSISTANT',
      '3 USER',
      '4 ASSISTANT',
    ])
  })

  test('without a session begins one; another one without is another session', async () => {
    const token = await tokenOf('bea')
    const [one, other] = [
      await send(at(0), token, { content: 'hello' }),
      await send(at(0), token, { content: 'hello' }),
    ]
    expect(one.conversation.sessionId).not.toBe(other.conversation.sessionId)
    expect(generator.replyCalls).toHaveLength(2)
  })

  test('sent again under its clientId while it is answered joins the run, on another instance too, and is paid for once', async () => {
    const token = await tokenOf('carlo')
    const gate = new Gate()
    generator.behaveReply = (_input, { signal }) => gate.pass(signal)
    const input = { sessionId: 'c', content: 'once?', clientId: 'one' }
    const first = send(at(0), token, input)
    await gate.arrived(1)
    const others = [
      send(at(0), token, input),
      send(at(1), token, input),
      send(at(1), token, { ...input, waitMs: 0 }),
    ]
    const pending = await others[2]
    expect(pending).toMatchObject({ __typename: 'GenerationPending', pending: { state: 'RUNNING' } })
    gate.open()
    const answers = await Promise.all([first, others[0], others[1]])
    expect(answers.map(answer => answer?.source).sort()).toEqual(['FRESH', 'JOINED', 'JOINED'])
    expect(new Set(answers.map(answer => answer?.reply.id)).size).toBe(1)
    const later = await send(at(1), token, input)
    expect(later).toMatchObject({ source: 'CACHED', reply: { id: answers[0]?.reply.id } })
    expect(later.generation.id).toBe(answers[0]?.generation.id)
    expect(generator.replyCalls).toHaveLength(1)
    expect(await readAll(at(0), token, 'c')).toHaveLength(2)
  })

  test('that begins a session and is sent twice at once under one id or key is one session, one message, one reply', async () => {
    const token = await tokenOf('dino')
    for (const name of ['clientId', 'idempotencyKey']) {
      const input = { content: `hello by ${name}`, [name]: 'first of all' }
      const answers = await Promise.all([0, 1, 0, 1].map(index => send(at(index), token, input)))
      expect(new Set(answers.map(answer => answer.conversation.id)).size).toBe(1)
      expect(new Set(answers.map(answer => answer.reply.id)).size).toBe(1)
      expect(answers[0]?.conversation.messageCount).toBe(2)
    }
    // The same id with other words is another message.
    const another = await send(at(0), token, { content: 'something else', clientId: 'first of all' })
    expect(another).toMatchObject({ source: 'FRESH', conversation: { messageCount: 2 } })
    // And that one too, sent again, is known.
    expect(await send(at(1), token, { content: 'something else', clientId: 'first of all' })).toMatchObject({
      source: 'CACHED',
      reply: { id: another.reply.id },
    })
    expect(await send(at(0), token, { content: 'reused', idempotencyKey: 'first of all' })).toMatchObject({
      __typename: 'IdempotencyKeyReusedError',
    })
    expect(generator.replyCalls).toHaveLength(3)
  })

  test('whose run fails stays, and is answered when it is sent again', async () => {
    const token = await tokenOf('elio')
    generator.behaveReply = async (_input, _context, call) => {
      if (call === 1) throw new GenerationError('Out of words.', { retryable: false })
    }
    const input = { sessionId: 'e', content: 'please', clientId: 'p' }
    expect(await send(at(0), token, input)).toMatchObject({
      __typename: 'GenerationFailedError',
      problem: 'Out of words.',
      retryable: false,
    })
    expect((await readAll(at(0), token, 'e')).map(({ content }) => content)).toEqual(['please'])
    expect(await send(at(1), token, input)).toMatchObject({
      source: 'FRESH',
      message: { seq: 1 },
      reply: { seq: 2 },
    })
    expect(await readAll(at(0), token, 'e')).toHaveLength(2)
  })

  test('whose caller leaves is answered all the same', async () => {
    const token = await tokenOf('fede')
    const gate = new Gate()
    generator.behaveReply = (_input, { signal }) => gate.pass(signal)
    const leaving = new AbortController()
    const gone = send(at(0), token, { sessionId: 'f', content: 'bye' }, leaving.signal).catch(() => 'left')
    await gate.arrived(1)
    leaving.abort()
    expect(await gone).toBe('left')
    gate.open()
    await until(async () => (await readAll(at(1), token, 'f')).length === 2, {
      what: 'the reply to be stored',
    })
  })

  test.each<[what: string, input: Record<string, unknown>, path: string]>([
    ['an empty text', { content: '' }, 'input.content'],
    ['a text of 1 MB', { content: 'x'.repeat(1024 * 1024) }, 'input.content'],
    ['a NUL', { content: 'a\0' }, 'input.content'],
    ['half a pair', { content: '\udc00' }, 'input.content'],
    ['an empty session', { content: 'x', sessionId: '' }, 'input.sessionId'],
    ['a long clientId', { content: 'x', clientId: 'x'.repeat(129) }, 'input.clientId'],
    ['an empty collection', { content: 'x', collection: '' }, 'input.collection'],
    ['a negative wait', { content: 'x', waitMs: -1 }, 'input.waitMs'],
    ['an empty key', { content: 'x', idempotencyKey: '' }, 'input.idempotencyKey'],
  ])('with %s is refused, and nothing is stored', async (_what, input, path) => {
    const answer = await send(at(0), await tokenOf('careless'), input)
    expect(answer).toMatchObject({ __typename: 'InvalidInputError' })
    expect(answer.issues[0]?.path.join('.')).toBe(path)
    expect(await database.query('SELECT 1 FROM messages')).toEqual([])
  })

  test('under the clientId of what the assistant said is refused', async () => {
    const token = await tokenOf('gaia')
    await save(at(0), token, {
      sessionId: 'g',
      messages: [{ role: 'ASSISTANT', content: 'me', clientId: 'a' }],
    })
    expect(await send(at(0), token, { sessionId: 'g', content: 'you', clientId: 'a' })).toMatchObject({
      __typename: 'InvalidInputError',
      issues: [{ path: ['input', 'clientId'] }],
    })
  })
})

describe('the text of a reply', () => {
  test('is streamed as it is written to whoever follows the run, on every instance, and to nobody else', async () => {
    const token = await tokenOf('hedda')
    const gates = { first: new Gate(), second: new Gate() }
    const written = new Map<string, (text: string) => void>()
    generator.behaveReply = async (input, { signal, reportText }) => {
      written.set(input.content, reportText)
      await gates[input.content as 'first' | 'second'].pass(signal)
    }
    const begin = async (content: 'first' | 'second', index: number) => {
      const { pending } = await send(at(index), token, { sessionId: 'h', content, waitMs: 0 })
      await gates[content].arrived(1)
      return pending.id
    }
    const [one, other] = [await begin('first', 0), await begin('second', 1)]
    const follow = (index: number, id: string) => followByEvents(at(index), { id, token, query: FOLLOW_TEXT })
    const followers = await Promise.all([follow(0, one), follow(1, one)])
    const beside = await follow(0, other)

    const told = (text: string) =>
      until(() => followers.every(follower => eventsOf(follower).at(-1)?.text === text), {
        what: `everybody to read "${text}"`,
      })
    written.get('first')?.('reply 1')
    await told('reply 1')
    written.get('first')?.('reply 1 to')
    // Shorter than before: nobody reads backwards.
    written.get('first')?.('reply')
    await told('reply 1 to')
    gates.first.open()
    await until(() => followers.every(({ completed }) => completed), {
      what: 'the subscriptions to complete',
    })
    for (const follower of followers) {
      const events = eventsOf(follower)
      expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED', text: 'reply 1 to first' })
      const texts = events.map(({ text }) => text ?? '')
      expect(texts.every(text => 'reply 1 to first'.startsWith(text))).toBe(true)
      expect(texts).toEqual(texts.toSorted((a, b) => a.length - b.length))
    }
    expect(eventsOf(beside).every(({ text }) => text === null)).toBe(true)
    gates.second.open()
    await until(() => beside.completed, { what: 'the other subscription to complete' })
    expect(eventsOf(beside).at(-1)?.text).toBe('reply 2 to second')
  })
})

describe('a reply', () => {
  test('is drawn from the memory and the collection, and says so', async () => {
    const token = await tokenOf('ida')
    generator.learn = async () => [{ kind: 'constraint', subject: null, content: 'Allergic to peanuts' }]
    await remember(at(0), token, 'anything')
    await ingest('food', { oats: 'Oats are a slow breakfast.', fish: 'Fish has much protein.' })
    const answer = await send(at(1), token, {
      content: 'Which breakfast is slow, please?',
      collection: 'food',
    })
    expect(generator.replyCalls[0]).toMatchObject({
      facts: [{ kind: 'constraint', content: 'Allergic to peanuts' }],
      passages: [{ documentId: 'oats', text: 'Oats are a slow breakfast.' }],
    })
    expect(answer.sources).toMatchObject([
      { documentId: 'oats', metadata: { page: 1 } },
      { text: 'Allergic to peanuts', metadata: { source: 'memory', kind: 'constraint' } },
    ])
    const again = await send(at(0), token, { content: 'and without a collection?' })
    expect(generator.replyCalls[1]?.passages).toEqual([])
    expect(again.sources).toHaveLength(1)
  })

  test('does without what is too slow to read, and says so', async () => {
    const token = await tokenOf('lia')
    const held = await holdLock(database.url, 'LOCK TABLE documents IN ACCESS EXCLUSIVE MODE')
    const answer = await send(at(0), token, { content: 'What do the documents say?', collection: 'slow' })
    expect(answer).toMatchObject({ __typename: 'SendMessagePayload' })
    expect(answer.reply.content).toMatch(/^reply 1 to .*\n\n\(The documents could not be searched in time/s)
    expect(generator.replyCalls[0]?.passages).toEqual([])
    await held.release()
  })

  test('keeps of what a model writes what can be stored, names what it drew from alone, and is none where it is empty', async () => {
    const token = await tokenOf('lara')
    await ingest('food', { oats: 'Oats are a breakfast.', fish: 'Fish is no breakfast.' })
    generator.generateReply = async () => ({ text: '  a\0b\ud800c ', factIds: [], documentIds: ['fish'] })
    const answer = await send(at(0), token, { content: 'Which breakfast?', collection: 'food' })
    expect(answer.reply.content).toBe('ab\ufffdc')
    expect(answer.sources.map(({ documentId }) => documentId)).toEqual(['fish'])
    generator.generateReply = async () => ({ text: ' \0 ', factIds: [], documentIds: [] })
    expect(await send(at(0), token, { content: 'And lunch?' })).toMatchObject({
      __typename: 'GenerationFailedError',
      problem: 'The reply was empty.',
    })
  })

  test('does without a memory that cannot be read in time, and says so', async () => {
    const token = await tokenOf('luca')
    await send(at(0), token, { content: 'hello' })
    const held = await holdLock(database.url, 'LOCK TABLE memory_facts IN ACCESS EXCLUSIVE MODE')
    const answer = await send(at(0), token, { content: 'What do you know?' })
    expect(answer.reply.content).toMatch(/\n\n\(What I know about you could not be read in time/)
    await held.release()
  })

  test('teaches afterwards, in a job that neither delays it nor fails it, and is made up for when it failed', async () => {
    const token = await tokenOf('mara')
    const gate = new Gate()
    let calls = 0
    generator.learn = async (_input, { signal }) => {
      if (++calls === 1) throw new GenerationError('Not now.', { retryable: true })
      await gate.pass(signal)
      return [{ kind: 'name', subject: 'name', content: 'Name: Mara' }]
    }
    expect(await send(at(0), token, { content: 'My name is Mara.' })).toMatchObject({ source: 'FRESH' })
    await gate.arrived(1)
    expect(await readMemory(at(0), token)).toMatchObject({
      hasData: false,
      facts: [],
      summary: '',
      updatedAt: null,
    })
    gate.open()
    await until(async () => (await readMemory(at(1), token)).hasData, {
      what: 'the exchange to be remembered',
    })
    expect(generator.exchanges[0]).toMatchObject({
      userMessage: 'My name is Mara.',
      aiResponse: 'reply 1 to My name is Mara.',
    })
    expect((await readMemory(at(0), token)).facts.map(({ content }) => content)).toEqual(['Name: Mara'])
  })
})

test('a reply is in the cache as it is stored, and found by a run that comes after the one that made it', async () => {
  const token = await tokenOf('quinn')
  const answer = await send(at(0), token, { sessionId: 'q', content: 'hello' })
  // What only the cache says shows where it is read from.
  await database.query("UPDATE messages SET content = 'changed' WHERE role = 'ASSISTANT'")
  expect((await readAll(at(0), token, 'q')).map(({ content }) => content)).toEqual([
    'hello',
    'reply 1 to hello',
  ])
  const client = createDatabaseClient({
    url: database.url,
    poolSize: 1,
    lockTimeoutMs: 5000,
    logger: createLogger({ level: 'silent', format: 'json' }),
    metrics: createMetrics(),
  })
  const [message] = await database.query<MessageRow>(
    `SELECT m.id, c.user_id AS "userId", conversation_id AS "conversationId", seq, role, content, m.created_at AS "createdAt"
     FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE role = 'USER'`,
  )
  if (!message) throw new Error('no message')
  const runs = new ReplyRuns({ db: client } as unknown as ReplyRunOptions)
  const run = (await database.query<{ id: string }>('SELECT id FROM generations'))[0]?.id
  expect(
    await runs.describe({ message, collection: null, claim: null }, async () => {}).findAgain(),
  ).toMatchObject({
    resultId: Buffer.from(answer.reply.id, 'base64url').toString().split(':')[1],
    runId: run,
  })
  const unanswered = { message: { ...message, id: run ?? '' }, collection: null, claim: null }
  expect(await runs.describe(unanswered, async () => {}).findAgain()).toBeUndefined()
  await client.close()
})

describe('what an exchange teaches', () => {
  test('late replaces nothing that was said since', async () => {
    const token = await tokenOf('pia')
    const gate = new Gate()
    const name = (content: string) => [{ kind: 'name' as const, subject: 'name', content }]
    generator.learn = async ({ userMessage }, { signal }) => {
      if (userMessage !== 'old') return name('Name: New')
      await gate.pass(signal)
      return [...name('Name: Old'), { kind: 'goal' as const, subject: null, content: 'Goal: swim' }]
    }
    await send(at(0), token, { content: 'old' })
    await gate.arrived(1)
    await remember(at(1), token, 'new')
    gate.open()
    await until(async () => (await readMemory(at(0), token)).facts.length === 2, {
      what: 'the job to be done',
    })
    expect((await readMemory(at(0), token)).facts.map(({ content }) => content)).toEqual([
      'Name: New',
      'Goal: swim',
    ])
  })

  test('is tried again when others write the memory for too long', async () => {
    const token = await tokenOf('rosa')
    generator.learn = async () => [{ kind: 'goal', subject: null, content: 'Goal: swim' }]
    await send(at(0), token, { content: 'hello' })
    await until(async () => (await readMemory(at(0), token)).hasData, { what: 'the user to be known' })
    const held = await holdLock(
      database.url,
      "SELECT pg_advisory_xact_lock(hashtextextended('memory:' || id, 0)) FROM users WHERE subject = 'rosa'",
    )
    generator.learn = async () => [{ kind: 'goal', subject: null, content: 'Goal: run' }]
    await send(at(0), token, { content: 'again' })
    // The first try gave up after LOCK_TIMEOUT_MS: the exchange is read once more.
    await until(() => generator.exchanges.length >= 3, { what: 'another try', deadlineMs: 30_000 })
    await held.release()
    await until(async () => (await readMemory(at(0), token)).facts.length === 2, { what: 'it to be learnt' })
  })
})

test('an answer that came after its caller had stopped waiting is JOINED under its key, and FRESH to nobody twice', async () => {
  const token = await tokenOf('sara')
  const gate = new Gate()
  generator.behaveReply = (_input, { signal }) => gate.pass(signal)
  const input = { sessionId: 's', content: 'later', idempotencyKey: 'k' }
  expect(await send(at(0), token, { ...input, waitMs: 0 })).toMatchObject({ __typename: 'GenerationPending' })
  gate.open()
  await until(async () => (await readAll(at(1), token, 's')).length === 2, { what: 'the reply to be stored' })
  for (const index of [0, 1]) expect(await send(at(index), token, input)).toMatchObject({ source: 'JOINED' })
  expect(generator.replyCalls).toHaveLength(1)
})

test('the leases of messages and interviews whose runs ended long ago can be cleared, and the reply stays what it is', async () => {
  const client = createDatabaseClient({
    url: database.url,
    poolSize: 1,
    lockTimeoutMs: 5000,
    logger: createLogger({ level: 'silent', format: 'json' }),
    metrics: createMetrics(),
  })
  const clear = (endedForMs: number, limit = 100) => clearEndedLeases(client, { endedForMs, limit })
  const token = await tokenOf('olga')
  const gate = new Gate()
  generator.behaveReply = async ({ content }, { signal }) => {
    if (content === 'fails') throw new GenerationError('No.', { retryable: true })
    if (content === 'goes on') await gate.pass(signal)
  }
  const input = { sessionId: 'o', content: 'once', clientId: '1' }
  const first = await send(at(0), token, input)
  await send(at(0), token, { sessionId: 'o', content: 'twice', clientId: '2' })
  await send(at(0), token, { sessionId: 'o', content: 'fails', clientId: '3' })
  const goesOn = send(at(0), token, { sessionId: 'o', content: 'goes on', clientId: '4' })
  await gate.arrived(1)
  await requestAnalysis(at(0), token)
  expect(await clear(3_600_000)).toBe(0)
  await database.query("UPDATE generations SET finished_at = finished_at - interval '2 hours'")
  // Not the one that keeps its next run waiting, not the one that goes on, not the one that is used again.
  await database.query(
    "UPDATE leases SET retry_after = clock_timestamp() + interval '1 hour' WHERE state = 'FAILED'",
  )
  expect(await clear(3_600_000, 1)).toBe(1)
  expect(await clear(3_600_000)).toBe(1)
  expect(await clear(3_600_000)).toBe(0)
  await database.query("UPDATE leases SET retry_after = NULL WHERE state = 'FAILED'")
  expect(await clear(3_600_000)).toBe(1)
  expect(await database.query('SELECT state FROM leases ORDER BY key')).toHaveLength(2)
  gate.open()
  await goesOn
  expect(await send(at(1), token, input)).toMatchObject({ source: 'CACHED', reply: { id: first.reply.id } })
  generator.behaveReply = async () => {}
  expect(await send(at(1), token, { sessionId: 'o', content: 'fails', clientId: '3' })).toMatchObject({
    source: 'FRESH',
  })
  await client.close()
})

test('the rules engine answers by extraction, with its sources, and learns', async () => {
  const rules = await startTestGateway({ databaseUrl: database.url, generator: createRulesGenerator() })
  const token = await tokenOf('nora')
  await ingest('training', {
    rest: 'Rest days matter. After a marathon rest for two weeks. Bananas are yellow.',
    shoes: 'Change your shoes after 800 km.',
  })
  const told = await send(rules.url, token, {
    sessionId: 'n',
    content: 'Hi, I am Nora and I am allergic to peanuts.',
  })
  expect(told.reply.content).toContain('Nora')
  await until(async () => (await readMemory(rules.url, token)).facts.length === 2, {
    what: 'the facts to be remembered',
  })
  const answer = await send(rules.url, token, {
    sessionId: 'n',
    content: 'How long should I rest after a marathon?',
    collection: 'training',
  })
  expect(answer.reply.content).toContain('After a marathon rest for two weeks.')
  expect(answer.reply.content).not.toContain('Bananas')
  expect(answer.sources.map(({ documentId }) => documentId)).toEqual(['rest'])
  const allergy = await send(rules.url, token, { sessionId: 'n', content: 'What am I allergic to?' })
  expect(allergy.reply.content).toContain('Allergic to peanuts')
  expect(allergy.sources[0]?.documentId).toMatch(/^memory:/)
  const nothing = await send(rules.url, token, { sessionId: 'n', content: 'Wie spät ist es?' })
  expect(nothing.sources).toEqual([])
  await rules.close()
})
