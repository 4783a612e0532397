import { GroupCommit } from '../../coordination/group-commit.ts'
import {
  type LockedConversation,
  lockConversation,
  lockFreeConversations,
} from '../../database/conversations.ts'
import { appendMessages, type StoredMessage } from '../../database/messages.ts'
import { mayPass } from '../../database/postgres-errors.ts'
import type { RunTransaction, Transaction } from '../../database/transaction.ts'
import { type Save, sizeOf } from './conversation-save.ts'
import type { RecentMessages } from './recent-messages.ts'

/** What became of one save. */
export interface Appended {
  conversationId: string
  /** Of its messages, those that it stored itself, now or when it was tried before. */
  messagesSaved: number
  /** Each of its messages as it is stored, by `sentAs`. */
  stored: ReadonlyMap<string, StoredMessage>
}

/** Saves of one user into one session, in their order. */
interface SessionSaves {
  userId: string
  sessionId: string
  saves: readonly Save[]
}

export interface AppendSavesOptions {
  transaction: RunTransaction
  recent: RecentMessages
}

/** Sessions in one transaction: enough to spread its cost, few enough that a crash or a conflict undoes little. */
const MAX_SESSIONS = 200
const MAX_WAITING_SESSIONS = 10_000
/** Transactions at once: two keep the database busy while the next ones gather. */
const LANES = 2
/** Of messages in one transaction. */
const MAX_BYTES = 8 * 1024 * 1024

/**
 * Appends saves to their sessions, each once however often it is asked for. Sessions whose rows are free share a
 * transaction; one that somebody else is appending to right now gets a transaction of its own, and waits for it there.
 * Row locks: conversation, then its messages.
 */
export class AppendSaves {
  readonly #options: AppendSavesOptions
  readonly #lanes: GroupCommit<number, SessionSaves, Appended[] | undefined>
  #nextLane = 0

  constructor(options: AppendSavesOptions) {
    this.#options = options
    this.#lanes = new GroupCommit({
      name: 'conversations',
      maxBatch: MAX_SESSIONS,
      maxQueued: MAX_WAITING_SESSIONS,
      commit: (_lane, sessions) => this.#appendFree(sessions),
      // All of it can be done again: what is stored is found.
      isOfOneItem: error => !mayPass(error),
    })
  }

  /** One call of a session at a time on this instance. @returns what became of each save, in their order. */
  async append(session: SessionSaves): Promise<Appended[]> {
    const appended: Appended[] = []
    for (const saves of chunks(session.saves)) {
      const part = { ...session, saves }
      // A session's saves come one call after another, so that lanes cannot change their order.
      this.#nextLane = (this.#nextLane + 1) % LANES
      appended.push(...((await this.#lanes.submit(this.#nextLane, part)) ?? (await this.#appendHeld(part))))
    }
    return appended
  }

  /** @returns undefined for a session that somebody else holds. */
  async #appendFree(sessions: readonly SessionSaves[]): Promise<(Appended[] | undefined)[]> {
    const results: (Appended[] | undefined)[] = []
    for (const part of chunks(sessions)) {
      const appended = await this.#options.transaction('append-messages', async transaction => {
        const free = await lockFreeConversations(transaction, part)
        const conversations = new Map(free.map(row => [`${row.userId} ${row.sessionId}`, row]))
        return this.#appendTo(
          transaction,
          part.map(session => ({
            ...session,
            conversation: conversations.get(`${session.userId} ${session.sessionId}`),
          })),
        )
      })
      results.push(...appended)
    }
    return results
  }

  async #appendHeld(session: SessionSaves): Promise<Appended[]> {
    const [appended] = await this.#options.transaction('append-messages', async transaction => {
      const conversation = await lockConversation(transaction, session.userId, session.sessionId)
      return this.#appendTo(transaction, [{ ...session, conversation }])
    })
    if (!appended) throw new Error('a locked conversation was passed over')
    return appended
  }

  async #appendTo(
    transaction: Transaction,
    sessions: readonly (SessionSaves & { conversation: LockedConversation | undefined })[],
  ): Promise<(Appended[] | undefined)[]> {
    const ours = sessions.flatMap(({ conversation, saves }) =>
      conversation ? saves.map(save => ({ conversation, save })) : [],
    )
    if (ours.length === 0) return sessions.map(() => undefined)
    const stored = await appendMessages(
      transaction,
      ours.flatMap(({ conversation, save }) =>
        save.messages.map(message => ({
          ...message,
          conversationId: conversation.id,
          after: conversation.messageCount,
          saveId: save.saveId,
        })),
      ),
      ours.flatMap(({ conversation, save: { saveId, metadata } }) =>
        metadata === null ? [] : [{ conversationId: conversation.id, saveId, metadata }],
      ),
    )
    const storedByConversation = Map.groupBy(stored, message => message.conversationId)
    for (const [conversationId, here] of storedByConversation) {
      const fresh = here.filter(message => message.fresh)
      const conversation = sessions.find(session => session.conversation?.id === conversationId)?.conversation
      if (fresh.length === 0 || !conversation) continue
      // Of two with the same id, the first is stored.
      const contents = new Map<string, string>()
      for (const { conversation: of, save } of ours)
        for (const { sentAs, content } of of.id === conversationId ? save.messages : [])
          if (!contents.has(sentAs)) contents.set(sentAs, content)
      transaction.afterCommit(() =>
        this.#options.recent.appended(
          conversation,
          fresh.map(message => ({ ...message, content: contents.get(message.sentAs) ?? '' })),
        ),
      )
    }
    return sessions.map(({ conversation, saves }) => {
      if (!conversation) return undefined
      const here = storedByConversation.get(conversation.id) ?? []
      const bySentAs = new Map(here.map(message => [message.sentAs, message]))
      return saves.map(save => resultOf(conversation.id, save, bySentAs))
    })
  }
}

function resultOf(
  conversationId: string,
  save: Save,
  bySentAs: ReadonlyMap<string, StoredMessage>,
): Appended {
  const stored = new Map<string, StoredMessage>()
  for (const { sentAs } of save.messages) {
    const message = bySentAs.get(sentAs)
    if (message) stored.set(sentAs, message)
  }
  const messagesSaved = [...stored.values()].filter(message => message.saveId === save.saveId).length
  return { conversationId, messagesSaved, stored }
}

/** In their order, as many together as make up MAX_BYTES; one alone may be larger. */
function chunks<Item extends Save | SessionSaves>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const item of items) {
    const size = 'saves' in item ? item.saves.reduce((sum, save) => sum + sizeOf(save), 0) : sizeOf(item)
    if (bytes + size > MAX_BYTES) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)?.push(item)
    bytes += size
  }
  return parts
}
