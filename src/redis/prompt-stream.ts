import type { Redis } from 'ioredis'

/** Where prompts come from outside; the contract names all of them. */
export const PROMPT_STREAM = 'interview:prompts'
export const PROMPT_GROUP = 'tributary'
export const DEAD_PROMPT_STREAM = 'interview:prompts:dead'
export const PROMPT_CHANNEL = 'interview:prompt-ready'

/** As it came, byte for byte: what does not fit may not even be text. */
export interface StreamMessage {
  id: string
  /** Undefined where the entry has no field of that name. */
  payload: Buffer | undefined
  /** The names and values of its other fields. */
  otherFields: readonly Buffer[]
}

/** A message that will never fit, and why. */
export interface DeadMessage {
  message: StreamMessage
  reason: string
}

type Entry = [id: Buffer, fields: Buffer[]]

const FORGET_CONSUMER = `
  -- With what a consumer has pending its messages would be gone, for everybody: looked at and done in one step.
  if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
  return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])`

/**
 * The stream as a consumer of the group sees it. An entry that is settled is deleted: the stream holds what is still to
 * be done, and nothing else, so that a group that was destroyed can begin at the start again.
 */
export class PromptStream {
  readonly #redis: Redis
  readonly consumer: string

  constructor(redis: Redis, consumer: string) {
    this.#redis = redis
    this.consumer = consumer
  }

  /** Idempotent. A new group begins with the oldest entry: what was sent before there was one counts. */
  async ensureGroup(): Promise<void> {
    try {
      await this.#redis.xgroup('CREATE', PROMPT_STREAM, PROMPT_GROUP, '0', 'MKSTREAM')
    } catch (error) {
      if (!String(error).includes('BUSYGROUP')) throw error
    }
  }

  /** New messages, for this consumer alone. Waits `blockMs` for the first one. */
  async read(count: number, blockMs: number): Promise<StreamMessage[]> {
    const streams = (await this.#redis.xreadgroupBuffer(
      'GROUP',
      PROMPT_GROUP,
      this.consumer,
      'COUNT',
      count,
      'BLOCK',
      blockMs,
      'STREAMS',
      PROMPT_STREAM,
      '>',
    )) as [Buffer, Entry[]][] | null
    return (streams?.[0]?.[1] ?? []).map(toMessage)
  }

  /** Messages that their consumer, this one too, has left alone for so long: it died, or never got them. */
  async claimAbandoned(minIdleMs: number, count: number): Promise<StreamMessage[]> {
    const [, entries] = (await this.#redis.callBuffer(
      'XAUTOCLAIM',
      PROMPT_STREAM,
      PROMPT_GROUP,
      this.consumer,
      minIdleMs,
      '0-0',
      'COUNT',
      count,
    )) as unknown as [Buffer, (Entry | null)[]]
    return entries.filter(entry => entry !== null).map(toMessage)
  }

  /** Tells the other consumers that these are being worked on. */
  async touch(messages: readonly StreamMessage[]): Promise<void> {
    if (messages.length === 0) return
    await this.#redis.xclaim(
      PROMPT_STREAM,
      PROMPT_GROUP,
      this.consumer,
      0,
      ...messages.map(({ id }) => id),
      'JUSTID',
    )
  }

  /** Ends these messages, in one step with the move of the dead ones, in their order. */
  async settle(done: readonly StreamMessage[], dead: readonly DeadMessage[]): Promise<void> {
    const ids = [...done, ...dead.map(({ message }) => message)].map(({ id }) => id)
    if (ids.length === 0) return
    const step = this.#redis.multi()
    for (const { message, reason } of dead)
      step.xadd(
        DEAD_PROMPT_STREAM,
        '*',
        'payload',
        message.payload ?? '',
        'reason',
        reason,
        'id',
        message.id,
        ...message.otherFields,
      )
    step.xack(PROMPT_STREAM, PROMPT_GROUP, ...ids)
    step.xdel(PROMPT_STREAM, ...ids)
    const results = await step.exec()
    for (const [error] of results ?? []) if (error) throw error
  }

  /** Consumers that have been gone for long and left nothing behind are forgotten. */
  async forgetConsumers(idleMs: number): Promise<void> {
    const consumers = (await this.#redis.xinfo('CONSUMERS', PROMPT_STREAM, PROMPT_GROUP)) as unknown[][]
    for (const consumer of consumers.map(toRecord)) {
      if (consumer.name === this.consumer || Number(consumer.pending) > 0 || Number(consumer.idle) < idleMs)
        continue
      await this.#forget(String(consumer.name))
    }
  }

  async #forget(consumer: string): Promise<void> {
    await this.#redis.eval(FORGET_CONSUMER, 1, PROMPT_STREAM, PROMPT_GROUP, consumer)
  }

  /** What is still to be done, how old the oldest of it is, and what has been put aside. */
  async figures(): Promise<{ waiting: number; pending: number; oldestMs: number; dead: number }> {
    const [waiting, dead, oldest, pending, time] = await Promise.all([
      this.#redis.xlen(PROMPT_STREAM),
      this.#redis.xlen(DEAD_PROMPT_STREAM),
      this.#redis.xrange(PROMPT_STREAM, '-', '+', 'COUNT', 1),
      this.#redis.xpending(PROMPT_STREAM, PROMPT_GROUP) as Promise<[number, ...unknown[]]>,
      this.#redis.time(),
    ])
    // An entry's id begins with the server's clock when it was added, unless the sender chose another.
    const oldestAt = Number(oldest[0]?.[0].split('-')[0] ?? Number.NaN)
    const now = Number(time[0]) * 1000
    return {
      waiting,
      pending: pending[0],
      oldestMs: Number.isNaN(oldestAt) ? 0 : Math.max(0, now - oldestAt),
      dead,
    }
  }

  /** Leaves the group, where nothing was left behind. */
  leave(): Promise<void> {
    return this.#forget(this.consumer)
  }
}

function toMessage([id, fields]: Entry): StreamMessage {
  const index = fields.findIndex((field, at) => at % 2 === 0 && field.toString() === 'payload')
  return {
    id: id.toString(),
    payload: index < 0 ? undefined : fields[index + 1],
    otherFields: index < 0 ? fields : fields.toSpliced(index, 2),
  }
}

function toRecord(pairs: unknown[]): Record<string, unknown> {
  const record: Record<string, unknown> = {}
  for (let at = 0; at < pairs.length; at += 2) record[String(pairs[at])] = pairs[at + 1]
  return record
}

/** Every instance hears what is published; one of them puts it on the stream. */
const FORWARD = `
  if redis.call('EXISTS', KEYS[2]) == 1 then return false end
  -- Remembered only after it is there: where the first fails, the second is not done.
  local id = redis.call('XADD', KEYS[1], '*', 'payload', ARGV[1])
  redis.call('SET', KEYS[2], '1', 'EX', ARGV[2])
  return id`
/** Longer than the instances take to hear one message; the same message published again later is a new one. */
const FORWARDED_TTL_S = 10

/** @param digest of the payload */
export async function forwardToStream(redis: Redis, payload: Buffer, digest: string): Promise<void> {
  await redis.eval(FORWARD, 2, PROMPT_STREAM, `${PROMPT_CHANNEL}:${digest}`, payload, FORWARDED_TTL_S)
}
