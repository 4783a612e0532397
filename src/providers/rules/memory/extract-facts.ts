import { setImmediate } from 'node:timers/promises'
import type { GenerationContext } from '../../generator.ts'
import type { ExchangeInput, FactDraft, MemoryGenerator } from '../../memory.ts'
import { clausesOf } from './clauses.ts'
import { dateFact } from './dates.ts'
import { factPatterns } from './fact-patterns.ts'

/** One message has no more to say of somebody; a list that was pasted has. */
const MAX_FACTS = 50
const MAX_CONTENT = 300

/**
 * What the user says of themself in plain words, in English and Italian. What the other side says of them is left alone: it
 * may be a guess.
 */
export function createRulesMemory(): MemoryGenerator {
  return {
    async extractFacts({ userMessage }: ExchangeInput, { signal }: GenerationContext) {
      await setImmediate()
      signal.throwIfAborted()
      return extractFacts(userMessage)
    },
  }
}

export function extractFacts(message: string): FactDraft[] {
  const facts: FactDraft[] = []
  for (const { text, question } of clausesOf(message)) {
    if (facts.length >= MAX_FACTS) break
    if (question) continue
    const found = [statedFact(text), dateFact(text)].filter(fact => fact !== undefined)
    // "My goal is a marathon on 4 May" says two things; "my birthday is on 4 May" one.
    facts.push(...found.map(fact => ({ ...fact, content: fact.content.slice(0, MAX_CONTENT).trim() })))
  }
  return facts
}

function statedFact(clause: string): FactDraft | undefined {
  for (const { pattern, fact } of factPatterns) {
    const groups = pattern.exec(clause)?.groups
    const found = groups && fact(groups)
    if (found) return found
  }
  return undefined
}
