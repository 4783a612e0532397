import type { Queryable } from '../../database/client.ts'
import { type CopiedTail, digestOf, findWrongTails } from '../../database/consistency.ts'
import type { ConversationCache } from '../../redis/conversation-cache.ts'

/** A cache may hold millions: of so many a fault that is not a single one shows. */
const MAX_LOOKED_AT = 10_000
const BATCH = 100

/**
 * Conversations whose cached messages are not the database's at the version that they carry, or whose version the database has
 * not reached, as after it was restored from a backup. Each is read before its row, so that an append meanwhile leaves it
 * behind and not ahead. A cache that does not answer serves nobody, and nothing is found in it.
 */
export async function findWrongCacheEntries(db: Queryable, cache: ConversationCache): Promise<string[]> {
  const cached = await cache.find(MAX_LOOKED_AT).catch(() => [])
  const wrong: string[] = []
  for (let from = 0; from < cached.length; from += BATCH) {
    const copies: CopiedTail[] = []
    for (const id of cached.slice(from, from + BATCH)) {
      const tail = await cache.read(id).catch(() => undefined)
      if (!tail) continue
      const { version, messages } = tail
      copies.push({ id, version, messages: messages.length, digest: digestOf(messages) })
    }
    if (copies.length > 0) wrong.push(...(await findWrongTails(db, copies)))
  }
  return wrong
}
