import { createHash, randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { isDatabaseAway, mayPass, SQLSTATE, sqlState } from '../database/postgres-errors.ts'
import type { DeliverPrompts, Delivery, DeliveryOutcome } from '../domain/interviews/deliver-prompts.ts'
import { connectRedis, STREAM_BLOCK_MS, untilReady } from '../redis/client.ts'
import {
  type DeadMessage,
  forwardToStream,
  PROMPT_CHANNEL,
  PromptStream,
  type StreamMessage,
} from '../redis/prompt-stream.ts'
import { delay } from '../shared/abort.ts'
import { backoffMs } from '../shared/backoff.ts'
import { CircuitBreaker } from '../shared/circuit-breaker.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { Metrics } from '../shared/metrics.ts'
import { BatchSize } from './batch-size.ts'
import { readPromptMessage } from './prompt-message.ts'

export interface PromptListenerOptions {
  redisUrl: string
  deliverPrompts: DeliverPrompts
  clock: Clock
  logger: Logger
  metrics: Metrics
}

export interface ListenerFigures {
  up: boolean
  breaker: string
  lastReadMsAgo: number | null
  lastMessageMsAgo: number | null
  /** Entries of the stream that are not settled. */
  waiting: number | null
  /** Of these, delivered to a consumer. */
  pending: number | null
  oldestWaitingMs: number | null
  /** Messages that never fitted. */
  dead: number | null
}

/** A consumer that has not touched its messages for so long has died; a living one touches them with every try. */
const ABANDONED_MS = 10_000
const SWEEP_EVERY_MS = 2000
/** Consumers of instances that are long gone. */
const FORGET_AFTER_MS = 3_600_000
/** Several rounds of a listener that finds nothing to do. */
const SILENT_MS = 15_000
/** For a connection to be there; it comes back on its own. */
const CONNECT_MS = 2000
const REDIS_RETRY = { baseMs: 100, maxMs: 5000 }
const BREAKER = { openAfter: 5, openForMs: 5000 }
/** Some seconds: whoever published has been told that it was heard, and nothing else. */
const MAX_FORWARD_TRIES = 6
const DATABASE_RETRY = { baseMs: 100, maxMs: 3000 }
/** Well before that, while messages are tried one by one. */
const TOUCH_EVERY_MS = 3000
/** Tries of a message that fails alone, as where somebody holds its interview locked; then it is left, and found again as abandoned. */
const MAX_LOCKED_TRIES = 5

/**
 * Reads prompts from the Redis stream and delivers them: each is acknowledged only after its commit, so that whatever dies
 * or is cut off in between is done again, which the delivery's messageId makes harmless. What never fits goes to the dead
 * stream with its reason. What fails for a passing reason is kept and tried again, in order.
 *
 * The loop ends with `close` alone: every wait in it is bounded, whatever it throws is waited out, behind a breaker.
 */
export class PromptListener {
  readonly #options: PromptListenerOptions
  /** Its reads wait for messages; what must not wait goes over the other one. */
  readonly #redis: Redis
  readonly #commands: Redis
  readonly #subscriber: Redis
  readonly #stream: PromptStream
  readonly #breaker: CircuitBreaker
  readonly #closing = new AbortController()
  readonly #batch = new BatchSize()
  #loop: Promise<void> = Promise.resolve()
  #closed: Promise<void> | undefined
  #reading = false
  #groupKnown = false
  #failures = 0
  #lastContactMs: number | undefined
  #lastMessageMs: number | undefined
  #sweptAtMs = Number.NEGATIVE_INFINITY
  /** Published messages on their way to the stream. */
  readonly #forwarding = new Set<Promise<void>>()

  constructor(options: PromptListenerOptions) {
    this.#options = options
    const { redisUrl, clock, logger } = options
    this.#redis = connectRedis(redisUrl, { role: 'stream', logger })
    this.#commands = connectRedis(redisUrl, { role: 'commands', logger })
    this.#subscriber = connectRedis(redisUrl, { role: 'subscriber', logger })
    this.#stream = new PromptStream(this.#redis, `gateway-${randomUUID()}`)
    this.#breaker = new CircuitBreaker({
      clock,
      ...BREAKER,
      onChange: state => logger.warn({ state }, 'the circuit breaker of the prompt listener moved'),
    })
  }

  /** It hears from Redis. */
  get up(): boolean {
    return this.#lastContactMs !== undefined && this.#options.clock.nowMs() - this.#lastContactMs < SILENT_MS
  }

  start(): void {
    this.#options.metrics.observePromptListener(() => this.up)
    this.#subscriber.on('messageBuffer', (_channel: Buffer, payload: Buffer) => {
      const forwarding = this.#forward(payload).finally(() => this.#forwarding.delete(forwarding))
      this.#forwarding.add(forwarding)
    })
    // Subscribed again by the library after each reconnect.
    this.#subscriber
      .subscribe(PROMPT_CHANNEL)
      .catch(error => this.#options.logger.warn({ err: error }, 'no subscription to prompts on Redis'))
    this.#loop = this.#listen()
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    this.#subscriber.disconnect()
    // A read that waits for messages would hold up the end; what it may just have been given is claimed by the others.
    if (this.#reading) this.#redis.disconnect()
    await this.#loop
    // Nobody else may have heard them.
    await Promise.all(this.#forwarding)
    await this.#aside.leave().catch(() => {})
    this.#redis.disconnect()
    this.#commands.disconnect()
  }

  async figures(): Promise<ListenerFigures> {
    const { clock } = this.#options
    const ago = (atMs: number | undefined) => (atMs === undefined ? null : Math.round(clock.nowMs() - atMs))
    const stream = await this.#aside.figures().catch(() => undefined)
    return {
      up: this.up,
      breaker: this.#breaker.state,
      lastReadMsAgo: ago(this.#lastContactMs),
      lastMessageMsAgo: ago(this.#lastMessageMs),
      waiting: stream?.waiting ?? null,
      pending: stream?.pending ?? null,
      oldestWaitingMs: stream?.oldestMs ?? null,
      dead: stream?.dead ?? null,
    }
  }

  get #aside(): PromptStream {
    return new PromptStream(this.#commands, this.#stream.consumer)
  }

  async #listen(): Promise<void> {
    const { logger } = this.#options
    while (!this.#closing.signal.aborted) {
      const pass = this.#breaker.enter()
      if (!pass) {
        await this.#pause(REDIS_RETRY.maxMs / 10)
        continue
      }
      try {
        await untilReady(this.#redis, CONNECT_MS, this.#closing.signal)
        const messages = await this.#take()
        pass.succeed()
        this.#failures = 0
        if (messages.length > 0) await this.#work(messages)
      } catch (error) {
        pass.fail()
        if (this.#closing.signal.aborted) break
        this.#failures++
        // A group that was destroyed, or a Redis that lost everything: made again with the next try.
        this.#groupKnown = false
        logger.warn(
          { err: error, failures: this.#failures },
          'the prompt listener could not read; it tries again',
        )
        // An answer that did not come in time may never come on this connection.
        if (String(error).includes('timed out')) {
          this.#batch.timedOut()
          this.#redis.disconnect(true)
        }
        await this.#pause(backoffMs(this.#failures, REDIS_RETRY))
      }
    }
  }

  /** Abandoned messages before new ones: they are older. */
  async #take(): Promise<StreamMessage[]> {
    const { clock } = this.#options
    if (!this.#groupKnown) {
      await this.#stream.ensureGroup()
      this.#groupKnown = true
    }
    let messages: StreamMessage[] = []
    if (clock.nowMs() - this.#sweptAtMs >= SWEEP_EVERY_MS) {
      messages = await this.#stream.claimAbandoned(ABANDONED_MS, this.#batch.current)
      // More may be waiting: no pause until there are none.
      if (messages.length === 0) {
        await this.#stream.forgetConsumers(FORGET_AFTER_MS)
        this.#sweptAtMs = clock.nowMs()
      }
    }
    if (messages.length === 0) messages = await this.#read()
    this.#lastContactMs = clock.nowMs()
    if (messages.length > 0) this.#lastMessageMs = this.#lastContactMs
    const bytes = messages.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0)
    this.#batch.took(messages.length, bytes)
    return messages
  }

  async #read(): Promise<StreamMessage[]> {
    this.#reading = true
    try {
      return await this.#stream.read(this.#batch.current, STREAM_BLOCK_MS)
    } finally {
      this.#reading = false
    }
  }

  async #work(messages: readonly StreamMessage[]): Promise<void> {
    const { metrics } = this.#options
    let unfit: DeadMessage[] = []
    let open: Open[] = []
    for (const message of messages) {
      const read = readPromptMessage(message.payload)
      if (read.type === 'unfit') unfit.push({ message, reason: read.reason })
      else open.push({ message, delivery: read.delivery, tries: 0 })
    }
    const place = new Map(messages.map(({ id }, index) => [id, index]))
    const inOrder = (dead: DeadMessage[]) =>
      dead.sort((one, other) => (place.get(one.message.id) ?? 0) - (place.get(other.message.id) ?? 0))
    for (let tries = 1; open.length + unfit.length > 0 && !this.#closing.signal.aborted; tries++) {
      const round = await this.#deliver(open, unfit)
      // While nothing can be said of those before it, a message that does not fit keeps its place.
      if (open.length === 0 || round.left.length < open.length) {
        await this.#settle(round.done, inOrder([...unfit, ...round.dead]))
        unfit = []
      }
      open = round.left.filter(({ tries }) => tries < MAX_LOCKED_TRIES)
      if (open.length === 0) continue
      metrics.promptMessages.inc({ outcome: 'retried' }, open.length)
      await this.#pause(backoffMs(tries, DATABASE_RETRY))
      await this.#touch([...open, ...unfit])
    }
  }

  async #touch(messages: readonly { message: StreamMessage }[]): Promise<void> {
    await this.#stream.touch(messages.map(({ message }) => message))
    this.#lastContactMs = this.#options.clock.nowMs()
  }

  /** All in one transaction; each in one of its own where that fails for one of them. */
  async #deliver(open: readonly Open[], unfit: readonly DeadMessage[]): Promise<Round> {
    const { deliverPrompts, clock, logger } = this.#options
    const round: Round = { done: [], dead: [], left: [] }
    if (open.length === 0) return round
    try {
      this.#sort(round, open, await deliverPrompts.execute(open.map(({ delivery }) => delivery)))
      return round
    } catch (error) {
      if (isAway(error)) {
        logger.warn({ err: error, messages: open.length }, 'prompts wait for the database')
        return { ...round, left: [...open] }
      }
    }
    // Together they may have waited for a lock before.
    let touchedAtMs = Number.NEGATIVE_INFINITY
    for (const [index, one] of open.entries()) {
      if (this.#closing.signal.aborted) return { ...round, left: [...round.left, ...open.slice(index)] }
      // Each may wait for a lock; nobody shall think meanwhile that we are gone.
      if (clock.nowMs() - touchedAtMs > TOUCH_EVERY_MS) {
        await this.#touch([...open, ...unfit]).catch(() => {})
        touchedAtMs = clock.nowMs()
      }
      // What is behind a message of its interview that waits, waits too.
      if (round.left.some(({ delivery }) => delivery.interviewId === one.delivery.interviewId)) {
        round.left.push(one)
        continue
      }
      try {
        this.#sort(round, [one], await deliverPrompts.execute([one.delivery]))
      } catch (error) {
        if (isAway(error)) return { ...round, left: [...round.left, ...open.slice(index)] }
        if (mayPass(error)) round.left.push({ ...one, tries: one.tries + 1 })
        else round.dead.push({ message: one.message, reason: 'the prompt could not be stored' })
      }
    }
    return round
  }

  #sort(round: Round, open: readonly Open[], outcomes: readonly DeliveryOutcome[]): void {
    const { promptMessages } = this.#options.metrics
    for (const [index, { message, delivery }] of open.entries()) {
      const outcome = outcomes[index]
      switch (outcome?.type) {
        case 'applied':
          promptMessages.inc({ outcome: delivery.type === 'prompt' ? 'applied' : 'failed' })
          round.done.push(message)
          break
        case 'duplicate':
          promptMessages.inc({ outcome: 'duplicate' })
          round.done.push(message)
          break
        case 'invalid-transition':
          round.dead.push({ message, reason: `the interview is ${outcome.from}, not ENHANCING` })
          break
        default:
          round.dead.push({ message, reason: 'there is no interview with this id' })
      }
    }
  }

  async #settle(done: readonly StreamMessage[], dead: readonly DeadMessage[]): Promise<void> {
    const { metrics, logger } = this.#options
    await this.#stream.settle(done, dead)
    if (dead.length === 0) return
    metrics.promptMessages.inc({ outcome: 'dead' }, dead.length)
    for (const { message, reason } of dead)
      logger.warn({ message: message.id, reason }, 'a prompt message does not fit')
  }

  /** A sender that can only PUBLISH: its message takes the stream's way from here on. */
  async #forward(payload: Buffer): Promise<void> {
    const digest = createHash('sha256').update(payload).digest('hex')
    for (let attempt = 1; attempt <= MAX_FORWARD_TRIES; attempt++) {
      try {
        return await forwardToStream(this.#commands, payload, digest)
      } catch (error) {
        this.#options.logger.warn(
          { err: error, attempt },
          'a published prompt could not be put on the stream',
        )
        await this.#pause(backoffMs(attempt, REDIS_RETRY))
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, this.#closing.signal).catch(() => {})
  }
}

interface Open {
  message: StreamMessage
  delivery: Delivery
  /** Times that it failed for a reason that may pass, such as an interview that somebody holds locked. */
  tries: number
}

interface Round {
  done: StreamMessage[]
  dead: DeadMessage[]
  left: Open[]
}

/** The database itself is away, and not one row of it held by somebody. */
function isAway(error: unknown): boolean {
  return isDatabaseAway(error) && sqlState(error) !== SQLSTATE.lockNotAvailable
}
