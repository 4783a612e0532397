import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { RunOnce } from '../../coordination/run-once.ts'
import { type IdempotencyClaim, keepAnswer } from '../../database/idempotency.ts'
import { findMessagesByIds, type MessageRow } from '../../database/messages.ts'
import { isDatabaseAway } from '../../database/postgres-errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { answerOnce, idempotencyKeyIssues, takeKey } from '../answer-once.ts'
import { type FieldIssue, fieldIssues, plainText } from '../field-issues.ts'
import { fingerprintOf } from '../fingerprint.ts'
import { keepAnswers } from '../run-request.ts'
import { waitIssues } from '../wait-issues.ts'
import { ClientId, Content, SessionId } from './conversation-input.ts'
import { type Author, createSave, type Save } from './conversation-save.ts'
import { type ReplyRun, type ReplyRunOptions, ReplyRuns, type Source, type WantedReply } from './reply-run.ts'
import type { SessionWriter } from './session-writer.ts'

export interface MessageRequest {
  author: Author & { userId: string }
  /** Null: a new session. */
  sessionId: string | null
  content: string
  /** To answer from, beside the user's memory. */
  collection: string | null
  clientId: string | null
  /** Milliseconds; null waits to the end. */
  waitMs: number | null
  idempotencyKey: string | null
  /** Aborts when the client leaves. */
  signal?: AbortSignal
}

export type SendMessageOutcome =
  | {
      type: 'result'
      message: MessageRow
      reply: MessageRow
      sources: Source[]
      source: 'FRESH' | 'JOINED' | 'RECENT' | 'CACHED'
      runId: string
    }
  | { type: 'pending'; runId: string }
  | { type: 'failed'; runId: string; message: string; retryable: boolean; retryAt: Date | null }
  | { type: 'invalid-input'; issues: FieldIssue[] }
  | { type: 'idempotency-key-reused' }
  | { type: 'unavailable' }

/** What an idempotency key remembers. */
interface KeptAnswer {
  messageId: string
  replyId: string
  source: 'FRESH' | 'JOINED' | 'RECENT' | 'CACHED'
}

export interface SendMessageOptions extends ReplyRunOptions {
  runOnce: RunOnce
  writer: SessionWriter
  logger: Logger
  metrics: Metrics
}

const KIND = 'CONVERSATION_REPLY'
/** No client's key begins so. */
const PLACE_KEY = '\u0001message'

const Input = z.object({
  sessionId: SessionId.nullable(),
  content: Content,
  collection: plainText({ min: 1, max: 128 }).nullable(),
  clientId: ClientId.nullable(),
})

/**
 * Stores a message and answers it. The message is stored first and for itself: a reply that fails leaves it, to be answered
 * when it is sent again. Sent again, it joins the run that answers it, on whatever instance, or gets the stored reply.
 */
export class SendMessage {
  readonly #options: SendMessageOptions
  readonly #runs: ReplyRuns

  constructor(options: SendMessageOptions) {
    this.#options = options
    this.#runs = new ReplyRuns(options)
    // Nobody waits who could be told FRESH.
    options.runOnce.resumes(KIND, async run => this.#describe(await this.#runs.readWanted(run), () => false))
  }

  async execute(request: MessageRequest): Promise<SendMessageOutcome> {
    const { metrics, logger } = this.#options
    const stopTimer = metrics.coordinationWait.startTimer({ kind: KIND })
    try {
      const outcome = await this.#answer(request)
      if (outcome.type === 'result') metrics.coordinationRequests.inc({ kind: KIND, source: outcome.source })
      return outcome
    } catch (error) {
      if (!isDatabaseAway(error)) throw error
      logger.warn({ err: error }, 'a message came that cannot be answered at the moment')
      return { type: 'unavailable' }
    } finally {
      stopTimer()
    }
  }

  async #answer(request: MessageRequest): Promise<SendMessageOutcome> {
    const { sessionId, content, collection, clientId, idempotencyKey, author } = request
    const parsed = Input.safeParse({ sessionId, content, collection, clientId })
    const issues = [
      ...(parsed.success ? [] : fieldIssues(parsed.error, ['input'])),
      ...waitIssues(request.waitMs),
      ...idempotencyKeyIssues(idempotencyKey),
    ]
    if (issues.length > 0) return { type: 'invalid-input', issues }
    // How long to wait changes nothing of what is asked for.
    const fingerprint = fingerprintOf('sendMessage', { sessionId, content, collection, clientId })
    const claim = idempotencyKey === null ? null : { userId: author.userId, key: idempotencyKey, fingerprint }
    return answerOnce<KeptAnswer, SendMessageOutcome>(this.#options.db, claim, {
      anew: () => this.#answerAnew(request, fingerprint, claim),
      keep: outcome => {
        // A failure or a wait may end otherwise next time.
        if (outcome.type !== 'result') return undefined
        return { messageId: outcome.message.id, replyId: outcome.reply.id, source: outcome.source }
      },
      replay: async ({ messageId, replyId, source }) => {
        const [message, result] = await Promise.all([this.#message(messageId), this.#runs.load(replyId)])
        return { ...result, type: 'result', message, source }
      },
    })
  }

  async #answerAnew(
    request: MessageRequest,
    fingerprint: string,
    claim: IdempotencyClaim | null,
  ): Promise<SendMessageOutcome> {
    const { db, writer, runOnce } = this.#options
    const { waitMs, signal, collection } = request
    if (!(await takeKey(db, claim, {}))) return { type: 'idempotency-key-reused' }
    const save = await this.#placeOf(request, fingerprint)
    const written = await writer.write(save, { mayBeHeld: false })
    if (written.type !== 'saved') return { type: 'unavailable' }
    const [stored] = written.appended.stored.values()
    if (!stored) throw new Error('a message was stored and is not known')
    if (stored.role !== 'USER') {
      const message = 'expected the id of a message of the user, or a new one'
      return { type: 'invalid-input', issues: [{ path: ['input', 'clientId'], message }] }
    }
    const message = await this.#message(stored.id)
    let waits = true
    const run = this.#describe({ message, collection, claim }, () => waits)
    const caller = { joinsAnyRun: true, waitMs, ...(signal && { signal }) }
    const outcome = await runOnce.request(run, caller).finally(() => {
      waits = false
    })
    if (outcome.type !== 'result') return outcome
    return { ...outcome.result, type: 'result', message, source: outcome.source }
  }

  #describe(wanted: WantedReply, isWaitedFor: () => boolean): ReplyRun {
    const { message, claim } = wanted
    return this.#runs.describe(wanted, async (transaction, { replyId, takenUp }) => {
      // Where the request has ended before its run, FRESH is told to the next who waits for it, and to nobody twice.
      const source = isWaitedFor() ? 'FRESH' : 'JOINED'
      const answer = { messageId: message.id, replyId, source } as const
      await keepAnswers<KeptAnswer>(transaction, { own: claim, takenUp }, answer)
    })
  }

  /**
   * Where the message goes, the same when it is sent again. A message for a new session names none to be found again by: who
   * sends the same under the same id or key within a day means the one that was sent before.
   */
  async #placeOf(request: MessageRequest, fingerprint: string): Promise<Save> {
    const { author, content, clientId, idempotencyKey } = request
    const anew = { sessionId: request.sessionId ?? randomUUID(), saveId: randomUUID() }
    const name = idempotencyKey === null ? clientId && `c:${clientId}` : `k:${idempotencyKey}`
    // The session and the client's id are place enough.
    const known = name === null || (request.sessionId !== null && clientId !== null)
    const kept = known
      ? undefined
      : await keepAnswer<typeof anew>(
          this.#options.db,
          { userId: author.userId, key: `${PLACE_KEY} ${fingerprint} ${name}`, fingerprint },
          anew,
        )
    // Another message under the same id has another fingerprint, and with it a place of its own.
    const place = kept?.type === 'kept' ? kept.answer : anew
    return createSave(author, place.sessionId, [{ role: 'USER', content, clientId }], null, place.saveId)
  }

  async #message(id: string): Promise<MessageRow> {
    const [message] = await findMessagesByIds(this.#options.db, [id])
    if (!message) throw new Error('a stored message is gone')
    return message
  }
}
