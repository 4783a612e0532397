import type { Redis } from 'ioredis'
import { Resting } from './resting.ts'

/** Asked before every save: a Redis that hangs must not hold them all up for long, and one that is slow must be heard. */
const LOOK_WITHIN_MS = 3000
/** Of a command that ran into its time. Whoever takes a slow Redis for none lets later messages overtake earlier ones. */
const TRIES = 3
const TIMED_OUT = /timed out/i

/** Something accepted that waits for the database, as it travels. */
export interface HeldEntry {
  /** Its own, wherever there are copies of it. */
  id: string
  /** Entries of one key are saved in the order in which they were held. */
  key: string
  messages: number
  payload: string
}

export interface StreamedEntry extends HeldEntry {
  streamId: string
}

export interface HeldBounds {
  messages: number
  bytes: number
}

/**
 * KEYS: stream, keys, totals. ARGV: most messages, most bytes, then key, messages, id and payload of each entry.
 * All of them or none.
 */
const ADD = `
local messages, bytes = 0, 0
for i = 3, #ARGV, 4 do
  messages = messages + tonumber(ARGV[i + 1])
  bytes = bytes + #ARGV[i + 3]
end
local held = redis.call('HMGET', KEYS[3], 'messages', 'bytes')
if tonumber(held[1] or 0) + messages > tonumber(ARGV[1]) or tonumber(held[2] or 0) + bytes > tonumber(ARGV[2]) then return 'full' end
for i = 3, #ARGV, 4 do
  redis.call('XADD', KEYS[1], '*', 'key', ARGV[i], 'messages', ARGV[i + 1], 'id', ARGV[i + 2], 'payload', ARGV[i + 3])
  redis.call('HINCRBY', KEYS[2], ARGV[i], 1)
end
redis.call('HINCRBY', KEYS[3], 'messages', messages)
redis.call('HINCRBY', KEYS[3], 'bytes', bytes)
return 'held'`

/**
 * KEYS: stream, keys, totals. ARGV: id, key, messages and bytes of each entry. Counted down once, whoever is told first
 * that it is done.
 */
const DONE = `
for i = 1, #ARGV, 4 do
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then
    if redis.call('HINCRBY', KEYS[2], ARGV[i + 1], -1) <= 0 then redis.call('HDEL', KEYS[2], ARGV[i + 1]) end
    redis.call('HINCRBY', KEYS[3], 'messages', -tonumber(ARGV[i + 2]))
    redis.call('HINCRBY', KEYS[3], 'bytes', -tonumber(ARGV[i + 3]))
  end
end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1], KEYS[2], KEYS[3]) end
return 1`

interface Scripts {
  addHeld(...values: (string | number)[]): Promise<'held' | 'full'>
  doneHeld(...values: (string | number)[]): Promise<number>
}

/**
 * What all instances hold together, in the order in which it was held: any of them can save it. How durable it is, is how
 * durable this Redis is; whoever needs more keeps a copy.
 * Every method throws when Redis does not answer; what was asked for may have happened then.
 */
export class HeldStream {
  readonly #redis: Redis & Scripts
  readonly #bounds: HeldBounds
  readonly #looks = new Resting(LOOK_WITHIN_MS)
  readonly #keys: [stream: string, keys: string, totals: string]
  readonly #dead: string

  /** @param identity of the database that it is held for. */
  constructor(redis: Redis, identity: string, bounds: HeldBounds) {
    redis.defineCommand('addHeld', { numberOfKeys: 3, lua: ADD })
    redis.defineCommand('doneHeld', { numberOfKeys: 3, lua: DONE })
    this.#redis = redis as Redis & Scripts
    this.#bounds = bounds
    const name = `tributary:held:{${identity}}`
    this.#keys = [name, `${name}:keys`, `${name}:totals`]
    this.#dead = `${name}:dead`
  }

  /** An entry may be on the stream twice, where the first answer was lost: its id tells. */
  add(entries: readonly HeldEntry[]): Promise<'held' | 'full'> {
    const fields = entries.flatMap(({ key, messages, id, payload }) => [key, messages, id, payload])
    return insist(() =>
      this.#redis.addHeld(...this.#keys, this.#bounds.messages, this.#bounds.bytes, ...fields),
    )
  }

  async holds(key: string): Promise<boolean> {
    return (await this.#looks.ask(() => insist(() => this.#redis.hexists(this.#keys[1], key)))) === 1
  }

  /** Messages held by all instances together. */
  async countMessages(): Promise<number> {
    return Number((await this.#redis.hget(this.#keys[2], 'messages')) ?? 0)
  }

  /** The oldest entries, or the oldest after one of them. */
  async read(count: number, afterStreamId?: string): Promise<StreamedEntry[]> {
    const from = afterStreamId === undefined ? '-' : `(${afterStreamId}`
    const rows = await this.#redis.xrange(this.#keys[0], from, '+', 'COUNT', count)
    return rows.map(([streamId, fields]) => {
      const field = (name: string) => fields[fields.indexOf(name) + 1] ?? ''
      const [id, key, payload] = [field('id'), field('key'), field('payload')]
      return { streamId, id, key, messages: Number(field('messages')), payload }
    })
  }

  /** They are saved, or buried. */
  async done(entries: readonly StreamedEntry[]): Promise<void> {
    const fields = entries.flatMap(({ streamId, key, messages, payload }) => [
      streamId,
      key,
      messages,
      Buffer.byteLength(payload),
    ])
    await this.#redis.doneHeld(...this.#keys, ...fields)
  }

  /** Puts an entry aside that can never be saved, for a person to look at. */
  async bury({ key, payload }: HeldEntry, reason: string): Promise<void> {
    await this.#redis.xadd(this.#dead, '*', 'key', key, 'payload', payload, 'reason', reason)
  }
}

async function insist<T>(command: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await command()
    } catch (error) {
      if (attempt === TRIES || !(error instanceof Error && TIMED_OUT.test(error.message))) throw error
    }
  }
}
