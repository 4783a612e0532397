import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { readAll, readConversation, SAVE_CONVERSATION, save, user } from '../support/conversation-client.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post } from '../support/graphql-client.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let redisServer: RedisServer
let redis: Redis
let gateways: TestGateway[]

beforeAll(async () => {
  database = await createTestDatabase()
  redisServer = await startRedisServer(inject('redisServer'))
  redis = new Redis(redisServer.url)
  gateways = await Promise.all(
    [1, 2, 3].map(() =>
      startTestGateway({
        databaseUrl: database.url,
        generator: new FakeGenerator(),
        settings: { REDIS_URL: redisServer.url },
      }),
    ),
  )
})
afterAll(async () => {
  redis?.disconnect()
  await Promise.all((gateways ?? []).map(gateway => gateway.close()))
  await redisServer?.stop()
  await database?.drop()
})

const at = (index: number) => gateways[index % 3]?.url ?? ''

/** Of a session, the stored rows in their order. */
const rows = (sessionId: string) =>
  database.query<{ id: string; seq: number; role: string; content: string }>(
    `SELECT m.id, m.seq, m.role, m.content FROM messages m JOIN conversations c ON c.id = m.conversation_id
     WHERE c.session_id = $1 ORDER BY m.seq`,
    [sessionId],
  )

async function cached(conversationId: string) {
  const key = `tributary:conversation:{${conversationId}}`
  const [version, messages] = await Promise.all([
    redis.get(`${key}:version`),
    redis.lrange(`${key}:messages`, 0, -1),
  ])
  return version === null
    ? undefined
    : {
        version: Number(version),
        messages: messages.map(text => JSON.parse(text) as { seq: number; content: string }),
      }
}

describe('saving and reading', () => {
  test('a call without a session makes one, whose messages are read in their order', async () => {
    const token = await tokenOf('anna')
    const saved = await save(at(0), token, {
      messages: [user('hello'), { role: 'ASSISTANT', content: 'hi\nthere' }, { role: 'TOOL', content: '{}' }],
      metadata: { topic: 'greeting' },
    })
    expect(saved).toMatchObject({
      __typename: 'SaveConversationPayload',
      messagesSaved: 3,
      conversation: { messageCount: 3, metadata: { topic: 'greeting' } },
    })
    const { sessionId } = saved.conversation
    expect(sessionId).toMatch(/^[\w-]{8,}$/)
    const conversation = await readConversation(at(1), token, sessionId)
    expect(conversation?.messages.nodes.map(({ seq, role, content }) => [seq, role, content])).toEqual([
      [1, 'USER', 'hello'],
      [2, 'ASSISTANT', 'hi\nthere'],
      [3, 'TOOL', '{}'],
    ])
    expect(conversation?.messages.totalCount).toBe(3)
  })

  test('the next call goes on where the last one ended, and replaces metadata only where it brings some', async () => {
    const token = await tokenOf('bruno')
    await save(at(0), token, { sessionId: 'b', messages: [user('1'), user('2')], metadata: { a: 1 } })
    const before = await readConversation(at(0), token, 'b')
    expect(await save(at(1), token, { sessionId: 'b', messages: [user('3')] })).toMatchObject({
      messagesSaved: 1,
      conversation: { messageCount: 3, metadata: { a: 1 } },
    })
    expect(
      await save(at(2), token, { sessionId: 'b', messages: [user('4')], metadata: { b: 2 } }),
    ).toMatchObject({
      conversation: { messageCount: 4, metadata: { b: 2 } },
    })
    const after = await readConversation(at(0), token, 'b')
    expect(after?.createdAt).toBe(before?.createdAt)
    expect(Date.parse(after?.updatedAt ?? '')).toBeGreaterThan(Date.parse(before?.updatedAt ?? ''))
    expect((await readAll(at(0), token, 'b')).map(({ seq, content }) => `${seq}:${content}`)).toEqual([
      '1:1',
      '2:2',
      '3:3',
      '4:4',
    ])
  })

  test('a message whose clientId is known is stored once, also twice in one call and within one conversation alone', async () => {
    const token = await tokenOf('carla')
    const twice = { sessionId: 'c', messages: [user('first', 'x'), user('again', 'x'), user('other', 'y')] }
    expect(await save(at(0), token, twice)).toMatchObject({ messagesSaved: 2 })
    // A call that brings nothing new changes nothing, its metadata neither.
    expect(await save(at(1), token, { ...twice, metadata: { late: true } })).toMatchObject({
      messagesSaved: 0,
      conversation: { messageCount: 2, metadata: {} },
    })
    expect(
      await save(at(2), token, { sessionId: 'c', messages: [user('third', 'z'), user('first', 'x')] }),
    ).toMatchObject({ messagesSaved: 1, conversation: { messageCount: 3 } })
    expect(await save(at(2), token, { sessionId: 'c2', messages: [user('first', 'x')] })).toMatchObject({
      messagesSaved: 1,
    })
    expect((await rows('c')).map(({ content }) => content)).toEqual(['first', 'other', 'third'])
  })

  test('pages of messages follow their cursors from the cache and from the database alike', async () => {
    const token = await tokenOf('dario')
    const messages = Array.from({ length: 250 }, (_, index) => user(`message ${index + 1}`))
    await save(at(0), token, { sessionId: 'd', messages })
    for (const size of [100, 33]) {
      const seen: number[] = []
      let after: string | undefined
      for (;;) {
        const page = (await readConversation(at(1), token, 'd', { first: size, ...(after && { after }) }))
          ?.messages
        seen.push(...(page?.nodes.map(({ seq }) => seq) ?? []))
        expect(page?.pageInfo.hasPreviousPage).toBe(after !== undefined)
        if (!page?.pageInfo.hasNextPage) break
        after = page.pageInfo.endCursor
      }
      expect(seen).toEqual(messages.map((_, index) => index + 1))
    }
  })

  test('conversations are listed newest first, and nodes are found by their owner alone', async () => {
    const token = await tokenOf('elena')
    for (const sessionId of ['e1', 'e2', 'e3'])
      await save(at(0), token, { sessionId, messages: [user(sessionId)] })
    const { data } = await post<{
      viewer: {
        conversations: { totalCount: number; nodes: { id: string; messages: { nodes: { id: string }[] } }[] }
      }
    }>(at(1), {
      query:
        '{ viewer { conversations(first: 2) { totalCount nodes { id sessionId messages { nodes { id } } } } } }',
      token,
    })
    const list = data?.viewer.conversations
    expect(list).toMatchObject({ totalCount: 3, nodes: [{ sessionId: 'e3' }, { sessionId: 'e2' }] })
    const ids = [list?.nodes[0]?.id, list?.nodes[0]?.messages.nodes[0]?.id]
    const query = 'query N($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }'
    const own = await post(at(2), { query, variables: { ids }, token })
    expect(own.data?.nodes).toEqual([
      { __typename: 'Conversation', id: ids[0] },
      { __typename: 'Message', id: ids[1] },
    ])
    const foreign = await post(at(2), { query, variables: { ids }, token: await tokenOf('another') })
    expect(foreign.data?.nodes).toEqual([null, null])
    expect(await readConversation(at(2), await tokenOf('another'), 'e1')).toBeNull()
  })

  test('whoever has saved reads it on every instance at once, whatever the cache holds', async () => {
    const token = await tokenOf('fabio')
    for (let round = 1; round <= 30; round++) {
      await save(at(round), token, { sessionId: 'f', messages: [user(`${round}`)] })
      const read = await readConversation(at(round + 1), token, 'f')
      expect(read?.messages.nodes.map(({ content }) => content)).toEqual(
        Array.from({ length: round }, (_, index) => `${index + 1}`),
      )
    }
  })
})

describe('the cache', () => {
  test('has what the database has, and serves what it has', async () => {
    const token = await tokenOf('gina')
    await save(at(0), token, { sessionId: 'g', messages: [user('one'), user('two')] })
    await save(at(1), token, { sessionId: 'g', messages: [user('three')] })
    const id =
      Buffer.from((await readConversation(at(0), token, 'g'))?.id ?? '', 'base64url')
        .toString()
        .split(':')[1] ?? ''
    await until(async () => (await cached(id))?.version === 2, { what: 'the cache to have the second save' })
    expect((await cached(id))?.messages.map(({ content }) => content)).toEqual(['one', 'two', 'three'])
    // What only the cache says shows where a page comes from.
    await database.query('UPDATE messages SET content = $1 WHERE conversation_id = $2', ['changed', id])
    expect((await readAll(at(2), token, 'g')).map(({ content }) => content)).toEqual(['one', 'two', 'three'])
  })

  test('that was emptied is written again by the next save, whole', async () => {
    const token = await tokenOf('ilaria')
    await save(at(0), token, { sessionId: 'i', messages: [user('one'), user('two')] })
    const id =
      (await database.query<{ id: string }>("SELECT id FROM conversations WHERE session_id = 'i'"))[0]?.id ??
      ''
    await until(async () => (await cached(id))?.version === 1, { what: 'the cache to be written' })
    await redis.del(`tributary:conversation:{${id}}:version`, `tributary:conversation:{${id}}:messages`)
    await save(at(1), token, { sessionId: 'i', messages: [user('three')] })
    await until(async () => (await cached(id))?.version === 2, { what: 'the cache to be written again' })
    expect((await cached(id))?.messages.map(({ content }) => content)).toEqual(['one', 'two', 'three'])
  })

  test('that says something else than its version is not served, is counted and mended', async () => {
    const token = await tokenOf('hugo')
    await save(at(0), token, { sessionId: 'h', messages: [user('one'), user('two')] })
    const id =
      Buffer.from((await readConversation(at(0), token, 'h'))?.id ?? '', 'base64url')
        .toString()
        .split(':')[1] ?? ''
    await until(async () => (await cached(id))?.version === 1, { what: 'the cache to be written' })
    await redis.rpop(`tributary:conversation:{${id}}:messages`)
    expect((await readAll(at(1), token, 'h')).map(({ content }) => content)).toEqual(['one', 'two'])
    const counted = await gateways[1]?.metrics.registry.getSingleMetricAsString(
      'cache_db_consistency_errors_total',
    )
    expect(counted).toMatch(/cache_db_consistency_errors_total [1-9]/)
    await until(async () => (await cached(id))?.messages.length === 2, { what: 'the cache to be mended' })
  })
})

describe('instances without Redis', () => {
  test('each serve what they have saved themselves from their own memory, and never what another has outdated', async () => {
    const alone = await Promise.all(
      [1, 2].map(() => startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })),
    )
    onTestFinished(async () => {
      await Promise.all(alone.map(gateway => gateway.close()))
    })
    const [a = '', b = ''] = alone.map(({ url }) => url)
    const token = await tokenOf('lonely')
    const contents = async (url: string) => (await readAll(url, token, 'l')).map(({ content }) => content)
    await save(a, token, { sessionId: 'l', messages: [user('1'), user('2')] })
    const rewrite = (content: string) =>
      database.query(
        "UPDATE messages SET content = $1 WHERE seq = 1 AND conversation_id = (SELECT id FROM conversations WHERE session_id = 'l')",
        [content],
      )
    // What only the database says shows where a page comes from.
    await rewrite('changed')
    expect(await contents(a)).toEqual(['1', '2'])
    expect(await contents(b)).toEqual(['changed', '2'])
    await rewrite('1')
    for (let round = 3; round <= 20; round++) {
      await save(round % 2 ? a : b, token, { sessionId: 'l', messages: [user(`${round}`)] })
      const whole = Array.from({ length: round }, (_, index) => `${index + 1}`)
      expect((await contents(a)).slice(1)).toEqual(whole.slice(1))
      expect((await contents(b)).slice(1)).toEqual(whole.slice(1))
    }
  })
})

describe('bad input', () => {
  let token: string
  beforeAll(async () => {
    token = await tokenOf('careless')
  })
  const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) })

  test.each<[what: string, input: Record<string, unknown>, path: string]>([
    ['an empty list', { messages: [] }, 'input.messages'],
    ['1,001 messages', { messages: Array.from({ length: 1001 }, () => user('x')) }, 'input.messages'],
    ['a message of 1 MB', { messages: [user('x'.repeat(1024 * 1024))] }, 'input.messages.0.content'],
    ['an empty message', { messages: [user('fine'), user('')] }, 'input.messages.1.content'],
    ['a NUL character', { messages: [user('a\0b')] }, 'input.messages.0.content'],
    ['half a surrogate pair', { messages: [user('a\ud800b')] }, 'input.messages.0.content'],
    ['a NUL in a clientId', { messages: [user('x', 'a\0')] }, 'input.messages.0.clientId'],
    ['a clientId that is too long', { messages: [user('x', 'y'.repeat(129))] }, 'input.messages.0.clientId'],
    ['an empty session', { sessionId: '', messages: [user('x')] }, 'input.sessionId'],
    ['metadata nested 100 deep', { messages: [user('x')], metadata: nested(100) }, 'input.metadata'],
    ['metadata nested 2,000 deep', { messages: [user('x')], metadata: nested(2000) }, 'input.metadata'],
    ['metadata with a NUL', { messages: [user('x')], metadata: { a: ['\0'] } }, 'input.metadata'],
    [
      'metadata with half a pair in a name',
      { messages: [user('x')], metadata: { '\udfff': 1 } },
      'input.metadata',
    ],
    ['metadata that is too large', { messages: [user('x')], metadata: 'x'.repeat(70_000) }, 'input.metadata'],
  ])('%s is refused with its field, and nothing is stored', async (_what, input, path) => {
    const before = await database.query('SELECT count(*) FROM messages')
    const answer = await save(at(0), token, { sessionId: 'bad', ...input })
    expect(answer).toMatchObject({ __typename: 'InvalidInputError', code: 'INVALID_INPUT' })
    expect(answer.issues[0]?.path.join('.')).toBe(path)
    expect(answer.issues[0]?.message).toMatch(/^expected /)
    expect(await database.query('SELECT count(*) FROM messages')).toEqual(before)
  })

  test('an unknown role is refused before anything is looked at', async () => {
    const answer = await post(at(0), {
      query: SAVE_CONVERSATION,
      variables: { input: { messages: [{ role: 'ROBOT', content: 'x' }] } },
      token,
    })
    expect(answer.errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
    expect(answer.errors?.[0]?.message).toContain('ROBOT')
  })

  test('1,000 messages are stored, and metadata nested 30 deep', async () => {
    const answer = await save(at(0), token, {
      sessionId: 'large',
      messages: Array.from({ length: 1000 }, (_, index) => user(`${index}`)),
      metadata: nested(30),
    })
    expect(answer).toMatchObject({ messagesSaved: 1000, conversation: { messageCount: 1000 } })
  })

  test('without a token nothing is accepted', async () => {
    const answer = await post(at(0), {
      query: SAVE_CONVERSATION,
      variables: { input: { messages: [user('x')] } },
    })
    expect(answer.errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED')
  })

  test.each([
    '',
    'x',
    Buffer.from('message 0').toString('base64url'),
    Buffer.from('message 99999999999').toString('base64url'),
  ])('the cursor %j is refused', async after => {
    await save(at(0), token, { sessionId: 'cursors', messages: [user('x')] })
    await expect(readConversation(at(0), token, 'cursors', { after })).rejects.toThrow(
      /after: expected a cursor/,
    )
  })
})
