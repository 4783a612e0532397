import type { MemoryFactRow } from '../../database/memory-facts.ts'

/** Who somebody is, then what to mind, then what they are after. */
const ORDER = ['name', 'about', 'constraint', 'goal', 'preference', 'date']
const MAX_CHARACTERS = 2000

/** What is known, in one paragraph; empty where nothing is. The newest of a kind come first, and the oldest are left out. */
export function summariseFacts(facts: readonly MemoryFactRow[]): string {
  const place = ({ kind }: MemoryFactRow) => (ORDER.includes(kind) ? ORDER.indexOf(kind) : ORDER.length)
  const sorted = facts.toReversed().sort((one, other) => place(one) - place(other))
  let summary = ''
  for (const { content } of sorted) {
    const sentence = `${summary === '' ? '' : ' '}${content.replace(/[\s.]+$/, '')}.`
    if (summary.length + sentence.length > MAX_CHARACTERS) break
    summary += sentence
  }
  return summary
}
