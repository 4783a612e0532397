/**
 * How many characters a text has, as its reader counts them: by code points, of which JavaScript's `length` counts those of
 * emoji and rarer scripts twice. What has more than `most` is not counted to its end.
 */
export function countCharacters(text: string, most: number): number {
  let count = 0
  for (const _ of text) if (++count > most) break
  return count
}

/** What a client sent may stand in a message, which says enough with so much of it. */
const MAX_MESSAGE_CHARACTERS = 1000

/** The message with its middle left out where it is long: what was wrong stands at one of its ends. */
export function brief(message: string): string {
  if (message.length <= MAX_MESSAGE_CHARACTERS) return message
  const half = MAX_MESSAGE_CHARACTERS / 2 - 1
  // A character that would be cut in two is left out whole.
  return `${message.slice(0, half)} … ${message.slice(-half)}`.replace(LONE, '')
}

const LONE = /\p{Cs}/gu
