import type { JsonValue } from '../shared/json.ts'
import type { GenerationContext } from './generator.ts'

export interface KnownFact {
  id: string
  kind: string
  content: string
}

export interface Passage {
  documentId: string
  text: string
  /** HTML, with what was found in <b>. */
  snippet: string
  /** 0 to 1, within one answer alone. */
  score: number
  metadata: JsonValue
}

export interface ReplyInput {
  /** What is to be answered. */
  content: string
  /** What was said before, oldest first. */
  history: readonly { role: 'USER' | 'ASSISTANT' | 'SYSTEM' | 'TOOL'; content: string }[]
  facts: readonly KnownFact[]
  /** The best documents of the collection, best first. */
  passages: readonly Passage[]
}

export interface ReplyDraft {
  text: string
  /** What it was drawn from: ids of `facts`, and documentIds of `passages`. */
  factIds: string[]
  documentIds: string[]
}

export interface ReplyContext extends GenerationContext {
  /** All of the reply as far as it is written; a shorter one than before is ignored. */
  reportText(text: string): void
}

/** The part of the generator that answers a message; calls and errors as in Generator. */
export interface ReplyGenerator {
  generateReply(input: ReplyInput, context: ReplyContext): Promise<ReplyDraft>
}
