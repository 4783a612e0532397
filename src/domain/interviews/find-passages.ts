import type { DocumentSearch } from '../../database/collections.ts'
import type { Passage } from '../../providers/interview-prompt.ts'

/** What a prompt can be built on. */
const MOST_PASSAGES = 5
/** A topic is a sentence at most; more words find no better passages. */
const MOST_WORDS = 20

/** What a collection has to say about a topic, the best first: what `search` finds by any of the topic's words. */
export async function findPassages(
  search: (search: DocumentSearch) => Promise<Passage[]>,
  collection: string,
  topic: string,
): Promise<Passage[]> {
  const words = topic.match(/[\p{L}\p{N}]{3,}/gu) ?? []
  if (words.length === 0) return []
  const hits = await search({
    collection,
    query: words.slice(0, MOST_WORDS).join(' or '),
    limit: MOST_PASSAGES,
  })
  return hits.map(({ documentId, text }) => ({ documentId, text }))
}
