/**
 * How many characters a text has, as its reader counts them: by code points, of which JavaScript's `length` counts those of
 * emoji and rarer scripts twice. What has more than `most` is not counted to its end.
 */
export function countCharacters(text: string, most: number): number {
  let count = 0
  for (const _ of text) if (++count > most) break
  return count
}
