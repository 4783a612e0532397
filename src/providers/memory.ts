import type { GenerationContext } from './generator.ts'

export const factKinds = ['name', 'about', 'preference', 'goal', 'constraint', 'date'] as const
export type FactKind = (typeof factKinds)[number]

/** What was said in turn. */
export interface ExchangeInput {
  userMessage: string
  aiResponse: string
  /** Of today in UTC, YYYY-MM-DD: for "tomorrow" and the like. */
  date: string
}

export interface FactDraft {
  kind: FactKind
  /**
   * What the user can have one of, in a few words: `name`, `calories`, `birthday`. A newer fact of the same kind and subject
   * supersedes an older one. Null: one of any number.
   */
  subject: string | null
  /** One sentence or less, in the language of the user. */
  content: string
}

/** The part of the generator that learns about a user; calls and errors as in Generator. */
export interface MemoryGenerator {
  /** What the exchange says of the user that is worth remembering; nothing is a fine answer. */
  extractFacts(input: ExchangeInput, context: GenerationContext): Promise<FactDraft[]>
}
