import { z } from 'zod'
import { NO_REVISION } from '../../coordination/lease.ts'
import { type ResumableRun, type RunSpec, UnresumableError } from '../../coordination/run-once.ts'
import type { Queryable } from '../../database/client.ts'
import type { DocumentSearch } from '../../database/collections.ts'
import type { IdempotencyClaim } from '../../database/idempotency.ts'
import {
  findMessagesByIds,
  findReply,
  findReplyTo,
  insertReply,
  type MessageRow,
  type ReplyRow,
  readConversationTail,
} from '../../database/messages.ts'
import type { Transaction } from '../../database/transaction.ts'
import { GenerationError } from '../../providers/generator.ts'
import type { KnownFact, Passage, ReplyDraft, ReplyGenerator, ReplyInput } from '../../providers/reply.ts'
import type { JsonValue } from '../../shared/json.ts'
import type { Logger } from '../../shared/logger.ts'
import { SharedRead } from '../../shared/shared-read.ts'
import { claimToTakeUp, RunClaim, readRunRequest, runClaimOf } from '../run-request.ts'
import { Gathering } from './gathering.ts'
import type { RecentMessages } from './recent-messages.ts'
import { notesOn } from './reply-notes.ts'
import { searchQueryOf } from './search-query.ts'

export interface ReplyRunOptions {
  db: Queryable
  generator: ReplyGenerator
  recent: RecentMessages
  /** What is known of the user, the oldest first. */
  readFacts: (userId: string) => Promise<KnownFact[]>
  findPassages: (search: DocumentSearch) => Promise<Passage[]>
  /** Part of the commit: what the exchange teaches is learnt later, whatever becomes of this instance. */
  learnLater: (
    transaction: Transaction,
    exchange: { userId: string; messageId: string; replyId: string },
  ) => Promise<void>
  /** For each of the reads that a reply is made from; one that takes longer is left out. */
  readTimeoutMs: number
  logger: Logger
}

/** What a reply was drawn from, as it is stored with it. */
export interface Source {
  documentId: string
  text: string
  snippet: string
  score: number
  metadata: JsonValue
}

export interface ReplyResult {
  reply: MessageRow
  sources: Source[]
  runId: string
}

export interface WantedReply {
  message: MessageRow
  collection: string | null
  /** The key that the message was sent with. */
  claim: IdempotencyClaim | null
}

const Request = z.object({ messageId: z.uuid(), collection: z.string().nullable(), claim: RunClaim })

interface Inputs {
  input: ReplyInput
  leftOut: string[]
}

export type ReplyRun = RunSpec<Inputs, ReplyDraft, ReplyResult>
export type AlsoStore = (
  transaction: Transaction,
  stored: { runId: string; replyId: string; takenUp: IdempotencyClaim | null },
) => Promise<void>

const HISTORY_MESSAGES = 20
const MOST_PASSAGES = 5
const MAX_REPLY_CHARACTERS = 100_000

/** The reply to one message as run-once needs it: made once, however often and wherever the message is sent. */
export class ReplyRuns {
  readonly #options: ReplyRunOptions
  readonly #results = new SharedRead<ReplyResult>()

  constructor(options: ReplyRunOptions) {
    this.#options = options
  }

  /** What was wanted of a run that nobody is left to describe. @throws UnresumableError */
  async readWanted({ userId, request }: ResumableRun): Promise<WantedReply> {
    const { messageId, collection, claim } = readRunRequest(Request, request)
    const [message] = await findMessagesByIds(this.#options.db, [messageId])
    if (message?.userId !== userId) throw new UnresumableError('The message is gone that was to be answered.')
    return { message, collection, claim: claim && { ...claim, userId } }
  }

  describe({ message, collection, claim }: WantedReply, alsoStore: AlsoStore): ReplyRun {
    const { db, generator, recent, learnLater } = this.#options
    const { userId, conversationId } = message
    let takenUp: IdempotencyClaim | null = null
    return {
      subject: { key: `reply:${userId}:${message.id}`, kind: 'CONVERSATION_REPLY', userId, archetype: null },

      request: () => ({ messageId: message.id, collection, claim: runClaimOf(claim) }),

      takesUp: request => {
        takenUp = claimToTakeUp(request, userId)
      },

      find: async () => {
        const reply = await findReplyTo(db, message.id)
        return reply
          ? { type: 'serves', result: resultOf(reply), source: 'CACHED' }
          : { type: 'wanted', needsRevision: NO_REVISION }
      },

      findAgain: async () => {
        const reply = await findReplyTo(db, message.id)
        if (!reply) return undefined
        return { result: resultOf(reply), resultId: reply.id, runId: reply.generationId }
      },

      collect: async () => ({ inputs: await this.#gather(message, collection), inputRevision: 0 }),

      generate: async ({ input, leftOut }, context) => {
        const draft = await generator.generateReply(input, context)
        const text = draft.text.replaceAll('\0', '').toWellFormed().trim().slice(0, MAX_REPLY_CHARACTERS)
        if (text === '') throw new GenerationError('The reply was empty.', { retryable: true })
        const whole = [text, ...notesOn(leftOut, message.content)].join('\n\n')
        context.reportText(whole)
        return { ...draft, text: whole }
      },

      store:
        ({ text, factIds, documentIds }, { input }) =>
        async (transaction, run) => {
          const sources = [
            ...input.passages.filter(passage => documentIds.includes(passage.documentId)),
            ...input.facts.filter(fact => factIds.includes(fact.id)).map(sourceOfFact),
          ]
          const stored = await insertReply(transaction, {
            conversationId,
            content: text,
            generationId: run.runId,
            replyTo: message.id,
            sources: sources.map(source => ({ ...source })),
          })
          await learnLater(transaction, { userId, messageId: message.id, replyId: stored.id })
          await alsoStore(transaction, { runId: run.runId, replyId: stored.id, takenUp })
          transaction.afterCommit(() =>
            recent.appended({ id: conversationId, userId, version: stored.version - 1 }, [
              { ...stored, role: 'ASSISTANT', content: text },
            ]),
          )
          return stored.id
        },

      load: replyId => this.load(replyId),
    }
  }

  load(replyId: string): Promise<ReplyResult> {
    return this.#results.read(replyId, async () => {
      const reply = await findReply(this.#options.db, replyId)
      if (!reply) throw new Error('a stored reply is gone')
      return resultOf(reply)
    })
  }

  /** Memory, documents and what was said before, at once, each with its own bound. */
  async #gather(message: MessageRow, collection: string | null): Promise<Inputs> {
    const { db, readFacts, findPassages, readTimeoutMs, logger } = this.#options
    const { userId, conversationId, content, seq } = message
    const gathering = new Gathering(readTimeoutMs)
    const query = searchQueryOf(content)
    const [facts, passages, tail] = await Promise.all([
      gathering.read<KnownFact[]>('memory', readFacts(userId), []),
      collection === null || query === ''
        ? []
        : gathering.read<Passage[]>(
            'collection',
            findPassages({ collection, query, limit: MOST_PASSAGES }),
            [],
          ),
      gathering.read(
        'history',
        readConversationTail(db, { conversationId, userId }, HISTORY_MESSAGES, seq - 1),
        undefined,
      ),
    ])
    const { leftOut } = gathering
    if (leftOut.length > 0)
      logger.warn({ leftOut, readTimeoutMs }, 'a reply is made without what was too slow to read')
    const history = (tail?.messages ?? []).map(({ role, content: said }) => ({ role, content: said }))
    return { input: { content, history, facts, passages }, leftOut }
  }
}

function resultOf({ replyTo: _, sources, generationId, ...reply }: ReplyRow): ReplyResult {
  return { reply, sources: sources as unknown as Source[], runId: generationId }
}

function sourceOfFact({ id, kind, content }: KnownFact): Source {
  const snippet = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return {
    documentId: `memory:${id}`,
    text: content,
    snippet,
    score: 1,
    metadata: { source: 'memory', kind },
  }
}
