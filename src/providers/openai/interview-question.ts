import { z } from 'zod'
import type { JsonValue } from '../../shared/json.ts'
import type { InterviewPromptDraft, InterviewPromptInput } from '../interview-prompt.ts'
import type { Question } from './ask-model.ts'
import { asData, loadPrompt, type PromptTemplate } from './prompt-template.ts'

type InterviewPlaceholder = 'topic' | 'context' | 'passages'

/** What a model can weigh; the best come first. */
const MOST_PASSAGES = 10
const MOST_PASSAGE_CHARACTERS = 4000
const EXPECTED_CHARACTERS = 3000

const form = z.object({
  prompt: z
    .string()
    .describe(
      'What the interviewer is told: role, aim, how to open, the questions in their order, how to close.',
    ),
})

export function loadInterviewPrompt(): PromptTemplate<InterviewPlaceholder> {
  return loadPrompt('interview.v1', ['topic', 'context', 'passages'])
}

export function interviewQuestion(
  template: PromptTemplate<InterviewPlaceholder>,
  { topic, context, passages }: InterviewPromptInput,
): Question<z.infer<typeof form>> {
  const background = passages
    .slice(0, MOST_PASSAGES)
    .map(({ documentId, text }) => ({ documentId, text: text.slice(0, MOST_PASSAGE_CHARACTERS) }))
  return {
    name: 'interview_prompt',
    form,
    prompt: template.fill({ topic: asData(topic), context: asData(context), passages: asData(background) }),
    expectedCharacters: EXPECTED_CHARACTERS,
  }
}

export function interviewPromptDraft(
  { prompt }: z.infer<typeof form>,
  metadata: { [key: string]: JsonValue },
): InterviewPromptDraft {
  return { text: prompt.trim(), metadata }
}
