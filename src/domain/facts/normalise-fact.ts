import { createHash } from 'node:crypto'

/** What is shown of a fact: compatible characters made one, white space around it gone and within it single. */
export function normaliseFact(text: string): string {
  return text.normalize('NFKC').replaceAll(/\s+/gu, ' ').trim()
}

/** A letter of its own in Turkish, whose upper case is that of i. */
const DOTLESS_I = 'ı'

/**
 * SHA-256, in hex, of what makes two facts the same: the normalised text with its case folded, as Unicode does by default.
 * JavaScript has no case folding: upper case alone gives ß and SS, or σ and ς, one form; lower case before it does so for
 * ẞ as well. It may take characters apart, so they are put together again.
 */
export function factHash(normalised: string): string {
  const folded = normalised
    .toLowerCase()
    .split(DOTLESS_I)
    .map(part => part.toUpperCase())
    .join(DOTLESS_I)
  return createHash('sha256').update(folded.normalize('NFKC')).digest('hex')
}
