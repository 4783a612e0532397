import type { Redis } from 'ioredis'
import type { JsonValue } from '../shared/json.ts'

/** Where other services read what has happened: a stream with the fields topic, key and payload (JSON). */
export const EVENT_STREAM = 'tributary:events'
/** Some days of events; who reads less often than that reads the API. */
const MAX_LENGTH = 100_000

export interface PublishedEvent {
  topic: string
  key: string
  payload: JsonValue
}

/** Appends in order. An event may be there twice after a crash; its key tells. @throws when Redis is away. */
export async function appendEvents(redis: Redis, events: readonly PublishedEvent[]): Promise<void> {
  const step = redis.pipeline()
  for (const { topic, key, payload } of events)
    step.xadd(
      EVENT_STREAM,
      'MAXLEN',
      '~',
      MAX_LENGTH,
      '*',
      'topic',
      topic,
      'key',
      key,
      'payload',
      JSON.stringify(payload),
    )
  const results = await step.exec()
  for (const [error] of results ?? []) if (error) throw error
}
