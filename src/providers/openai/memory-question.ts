import { z } from 'zod'
import { type ExchangeInput, type FactDraft, factKinds } from '../memory.ts'
import type { Question } from './ask-model.ts'
import { asData, loadPrompt } from './prompt-template.ts'

/** Keep to what strict-schema.ts lets a schema say. */
const memoryAnswer = z.object({
  facts: z
    .array(
      z.object({
        kind: z.enum(factKinds),
        subject: z
          .string()
          .nullable()
          .describe('What a person has one of, in a word or two; null for one of any number.'),
        content: z.string().describe('One short sentence or less.'),
      }),
    )
    .max(30),
})
export type MemoryAnswer = z.infer<typeof memoryAnswer>

const EXPECTED_CHARACTERS = 400
const MOST_CHARACTERS = 20_000
const MOST_SUBJECT_CHARACTERS = 100

export const loadMemoryPrompt = () => loadPrompt('memory.v1', ['date', 'person', 'coach'])

export function memoryQuestion(
  template: ReturnType<typeof loadMemoryPrompt>,
  { userMessage, aiResponse, date }: ExchangeInput,
): Question<MemoryAnswer> {
  return {
    name: 'memory_facts',
    form: memoryAnswer,
    prompt: template.fill({
      date,
      person: asData(userMessage.slice(0, MOST_CHARACTERS)),
      coach: asData(aiResponse.slice(0, MOST_CHARACTERS)),
    }),
    expectedCharacters: EXPECTED_CHARACTERS,
  }
}

export function factDrafts({ facts }: MemoryAnswer): FactDraft[] {
  return facts.map(({ kind, subject, content }) => ({
    kind,
    // There is one name, whatever a model calls it.
    subject: kind === 'name' ? 'name' : subject?.trim().slice(0, MOST_SUBJECT_CHARACTERS) || null,
    content,
  }))
}
