import { createHash } from 'node:crypto'

/** What is shown of a fact: compatible characters made one, white space around it gone and within it single. */
export function normaliseFact(text: string): string {
  return text.normalize('NFKC').replaceAll(/\s+/gu, ' ').trim()
}

/**
 * SHA-256, in hex, of what makes two facts the same: the normalised text in one case. Upper case, because it alone gives
 * ß and SS, or σ and ς, one form; it may take characters apart, so they are put together again.
 */
export function factHash(normalised: string): string {
  return createHash('sha256').update(normalised.toUpperCase().normalize('NFKC')).digest('hex')
}
