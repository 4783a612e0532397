import { expect } from 'vitest'
import { type SavedAnswer, save, user } from './conversation-client.ts'
import { until } from './until.ts'

/** Somebody who writes into one session, one message after the other, each to the next instance. */
export interface Writer {
  readonly sessionId: string
  readonly token: string
  /** What was accepted, in the order of sending. */
  readonly accepted: { content: string; how: 'saved' | 'held' }[]
  /** What was refused, or ended without an answer: it may be stored or not, but not twice. */
  readonly unsure: string[]
  stop(): Promise<void>
}

/** Writes until it is stopped. An instance that does not answer is left for the next one. */
export function startWriter(urls: () => readonly string[], token: string, sessionId: string): Writer {
  const accepted: Writer['accepted'] = []
  const unsure: string[] = []
  let stopping = false
  const write = async () => {
    for (let number = 1; !stopping; number++) {
      const content = `${sessionId} ${number}`
      const list = urls()
      try {
        const answer = await save(list[number % list.length] ?? '', token, {
          sessionId,
          messages: [user(content)],
        })
        const how = howOf(answer)
        if (how) accepted.push({ content, how })
        else unsure.push(content)
      } catch {
        unsure.push(content)
      }
    }
  }
  const writing = write()
  return {
    sessionId,
    token,
    accepted,
    unsure,
    async stop() {
      stopping = true
      await writing
    },
  }
}

function howOf(answer: SavedAnswer): 'saved' | 'held' | undefined {
  if (answer.__typename === 'SaveConversationPayload') return 'saved'
  return answer.__typename === 'SaveConversationPending' ? 'held' : undefined
}

type Query = <Row extends object>(text: string, values?: unknown[]) => Promise<Row[]>

/** Of a session, what is stored, in its order. */
export async function storedContents(query: Query, sessionId: string): Promise<string[]> {
  const rows = await query<{ seq: number; content: string; count: number }>(
    `SELECT m.seq, m.content, c.message_count AS count FROM messages m JOIN conversations c ON c.id = m.conversation_id
     WHERE c.session_id = $1 ORDER BY m.seq`,
    [sessionId],
  )
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1))
  if (rows[0]) expect(rows[0].count).toBe(rows.length)
  return rows.map(({ content }) => content)
}

/** All that was accepted is stored, once and in the order of sending; of the rest nothing twice. */
export async function expectNothingLost(query: Query, writers: readonly Writer[]): Promise<void> {
  for (const { sessionId, accepted, unsure } of writers) {
    const wanted = accepted.map(({ content }) => content)
    await until(
      async () => {
        const stored = new Set(await storedContents(query, sessionId))
        return wanted.every(content => stored.has(content))
      },
      { what: `the ${wanted.length} messages of ${sessionId} to be stored`, deadlineMs: 30_000 },
    )
    const stored = await storedContents(query, sessionId)
    expect(stored.length).toBe(new Set(stored).size)
    expect(stored.filter(content => !unsure.includes(content))).toEqual(wanted)
  }
}
