import { z } from 'zod'
import { countCharacters } from '../shared/characters.ts'

/** What is wrong with an input, where, and what was expected. */
export interface FieldIssue {
  path: string[]
  message: string
}

/** Beyond this a list of what is wrong helps nobody. */
const MAX_ISSUES = 20

export function fieldIssues(error: z.ZodError, under: readonly string[] = []): FieldIssue[] {
  return error.issues
    .slice(0, MAX_ISSUES)
    .map(issue => ({ path: [...under, ...issue.path.map(String)], message: issue.message }))
}

function textOf({ min, max }: { min: number; max: number }) {
  return z.string('expected text').refine(text => {
    const count = countCharacters(text, max)
    return count >= min && count <= max
  }, `expected ${min} to ${max} characters`)
}

/** Characters without a shape, which no name or id of a source has: C0 and C1 controls, and halves of surrogate pairs. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u

/** Text on one line that PostgreSQL and JSON can both hold. */
export function plainText({ min, max }: { min: number; max: number }) {
  return textOf({ min, max }).refine(
    text => !UNPRINTABLE.test(text),
    'expected text without control characters',
  )
}

/** Controls that no text has, other than tabs and line ends, and halves of surrogate pairs. */
const UNREADABLE = /(?![\t\n\r])\p{Cc}|\p{Cs}/u

/** Text of any number of lines that PostgreSQL and JSON can both hold. */
export function longText({ min, max }: { min: number; max: number }) {
  return textOf({ min, max }).refine(
    text => !UNREADABLE.test(text),
    'expected text without control characters',
  )
}
