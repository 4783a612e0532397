const MAX_WORDS = 24
const SMALL_WORDS = new Set(
  'or and not the for are was you your what how when why who che cosa come non per con una del'.split(' '),
)

/**
 * What a search looks for that is asked with a whole message: any of its words, in the search's own language of words and
 * `or`, whose ranking puts first what has most of them.
 */
export function searchQueryOf(message: string): string {
  const words = message.toLowerCase().match(/[\p{L}\p{N}]{3,40}/gu) ?? []
  return [...new Set(words)]
    .filter(word => !SMALL_WORDS.has(word))
    .slice(0, MAX_WORDS)
    .join(' or ')
}
