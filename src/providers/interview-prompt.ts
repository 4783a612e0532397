import type { JsonValue } from '../shared/json.ts'
import type { GenerationContext } from './generator.ts'

/** A piece of a collection that says something about the topic. */
export interface Passage {
  documentId: string
  text: string
}

export interface InterviewPromptInput {
  topic: string
  /** What its owner wrote about it. */
  context: string | null
  /** From the interview's collection, the best first; few. */
  passages: readonly Passage[]
}

export interface InterviewPromptDraft {
  /** What an interviewer, a person or a model, is to be told. */
  text: string
  metadata: { [key: string]: JsonValue }
}

/** The part of the generator's port that prepares interviews. @throws GenerationError where the provider failed */
export interface InterviewPromptGenerator {
  generateInterviewPrompt(
    input: InterviewPromptInput,
    context: GenerationContext,
  ): Promise<InterviewPromptDraft>
}
