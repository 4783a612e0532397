import { z } from 'zod'
import type { ReplyDraft, ReplyInput } from '../reply.ts'
import type { Question } from './ask-model.ts'
import { asData, loadPrompt } from './prompt-template.ts'

const numbers = (what: string) =>
  z.array(z.int().min(1)).max(50).describe(`The numbers of the ${what} that the reply stands on.`)

/** The reply comes first, so that it can be shown while the rest is written. Keep to what strict-schema.ts lets a schema say. */
const replyAnswer = z.object({
  reply: z.string().describe('To the person.'),
  facts: numbers('facts'),
  documents: numbers('documents'),
})
export type ReplyAnswer = z.infer<typeof replyAnswer>

const EXPECTED_CHARACTERS = 900
const MOST_FACTS = 200
const MOST_HISTORY_CHARACTERS = 12_000
const MOST_DOCUMENT_CHARACTERS = 4000
const MOST_MESSAGE_CHARACTERS = 20_000

export const loadReplyPrompt = () => loadPrompt('reply.v1', ['facts', 'documents', 'history', 'message'])

export function replyQuestion(
  template: ReturnType<typeof loadReplyPrompt>,
  { content, history, facts, passages }: ReplyInput,
): Question<ReplyAnswer> {
  return {
    name: 'conversation_reply',
    form: replyAnswer,
    prompt: template.fill({
      facts: asData(
        facts
          .slice(-MOST_FACTS)
          .map((fact, index) => ({ number: index + 1, kind: fact.kind, fact: fact.content })),
      ),
      documents: asData(
        passages.map(({ text }, index) => ({
          number: index + 1,
          text: text.slice(0, MOST_DOCUMENT_CHARACTERS),
        })),
      ),
      history: asData(newest(history)),
      message: asData(content.slice(0, MOST_MESSAGE_CHARACTERS)),
    }),
    expectedCharacters: EXPECTED_CHARACTERS,
  }
}

export function replyDraft({ reply, facts, documents }: ReplyAnswer, input: ReplyInput): ReplyDraft {
  const shown = input.facts.slice(-MOST_FACTS)
  return {
    text: reply,
    factIds: [...new Set(facts.flatMap(number => shown[number - 1]?.id ?? []))],
    documentIds: [...new Set(documents.flatMap(number => input.passages[number - 1]?.documentId ?? []))],
  }
}

/** What of an answer that is still being written is the reply; undefined before it has begun. */
export function replySoFar(content: string): string | undefined {
  const begun = /"reply"\s*:\s*"((?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)/.exec(content)?.[1]
  if (begun === undefined) return undefined
  const text = JSON.parse(`"${begun.replaceAll(/\p{Cc}/gu, ' ')}"`) as string
  // The second half of a pair is still to come.
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text
}

function newest(history: ReplyInput['history']) {
  const kept: { from: string; text: string }[] = []
  let characters = 0
  for (const { role, content } of history.toReversed()) {
    characters += content.length
    if (characters > MOST_HISTORY_CHARACTERS) break
    kept.unshift({ from: role.toLowerCase(), text: content })
  }
  return kept
}
