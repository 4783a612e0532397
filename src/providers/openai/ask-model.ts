import type { z } from 'zod'
import type { GenerationContext } from '../generator.ts'
import { parseAnswerText, storable } from './answer-text.ts'
import type { ChatClient, ChatMessage } from './chat-client.ts'
import type { MessageTemplate, Prompt } from './prompt-template.ts'
import { ProviderFailure } from './provider-failure.ts'
import type { Completion, TokenUsage } from './read-answer.ts'
import { strictJsonSchema } from './strict-schema.ts'

export interface Question<Answer> {
  /** What the server calls the form of the answer. */
  name: string
  form: z.ZodType<Answer>
  prompt: Prompt
  /** Progress is held against it. */
  expectedCharacters: number
}

export interface Reply<Answer> {
  answer: Answer
  /** Whether the first answer was invalid, and this is its correction. */
  repaired: boolean
  /** Of both calls; null where the server tells none. */
  tokens: TokenUsage | null
}

export interface Asking {
  client: ChatClient
  repair: MessageTemplate<'problems'>
  /** Makes a call as often as it has to be. */
  persist: <T>(call: (signal: AbortSignal) => Promise<T>) => Promise<T>
  onUsage: (usage: TokenUsage) => void
  onRepair: () => void
  /** Told what of an answer has come so far. */
  onContent?: (content: string) => void
  context: GenerationContext
}

/** Of an invalid answer, what the model is shown again. */
const SHOWN_CHARACTERS = 40_000
const SHOWN_PROBLEMS = 20
const MOST_READ_ALONG = 50_000
/** What characters can move; the rest is for reading them. */
const MOST_PROGRESS = 0.95

/**
 * Asks a model for an answer of a form. An answer that has not the form goes back to the model, once, with what is
 * wrong with it.
 * @throws ProviderFailure, or the reason of the context's signal
 */
export async function askModel<Answer>(question: Question<Answer>, asking: Asking): Promise<Reply<Answer>> {
  const { prompt, form } = question
  const schema = strictJsonSchema(form)
  const messages: ChatMessage[] = [
    { role: 'system', content: prompt.system },
    { role: 'user', content: prompt.user },
  ]
  const exchange = () => exchangeOnce(question, schema, messages, asking)
  const first = await exchange()
  const answer = readForm(first.content, form)
  if (answer.success) return { answer: answer.data, repaired: false, tokens: first.usage }
  assertWorthRepair(first)

  asking.onRepair()
  const correction = asking.repair.fill({
    problems: answer.problems.map(problem => `- ${problem}`).join('\n'),
  })
  messages.push(
    { role: 'assistant', content: first.content.slice(0, SHOWN_CHARACTERS) },
    { role: 'user', content: correction },
  )
  const second = await exchange()
  const corrected = readForm(second.content, form)
  if (!corrected.success) {
    assertWorthRepair(second)
    throw new ProviderFailure('invalid')
  }
  return { answer: corrected.data, repaired: true, tokens: sumOf(first.usage, second.usage) }
}

async function exchangeOnce<Answer>(
  { name, expectedCharacters }: Question<Answer>,
  schema: ReturnType<typeof strictJsonSchema>,
  messages: readonly ChatMessage[],
  { client, persist, onUsage, onContent, context }: Asking,
): Promise<Completion> {
  const onText = (characters: number, content: () => string) => {
    context.reportProgress(MOST_PROGRESS * Math.min(1, characters / expectedCharacters))
    // Nobody reads along in an answer that is longer than that.
    if (onContent && characters <= MOST_READ_ALONG) onContent(content())
  }
  const completion = await persist(signal =>
    client.complete({ messages, format: { name, schema } }, { signal, onText }),
  )
  if (completion.usage) onUsage(completion.usage)
  return completion
}

/** @throws ProviderFailure where the model has not finished what it had to say, or said nothing */
function assertWorthRepair({ content, finishReason }: Completion): void {
  if (finishReason === 'length') throw new ProviderFailure('truncated')
  if (finishReason === 'content_filter') throw new ProviderFailure('filtered')
  if (content.trim() === '') throw new ProviderFailure('empty')
}

function readForm<Answer>(
  content: string,
  form: z.ZodType<Answer>,
): { success: true; data: Answer } | { success: false; problems: string[] } {
  const json = parseAnswerText(content)
  if (json === undefined) return { success: false, problems: ['the answer is not JSON'] }
  const parsed = form.safeParse(json)
  if (parsed.success) return { success: true, data: storable(parsed.data) }
  const problems = parsed.error.issues
    .slice(0, SHOWN_PROBLEMS)
    .map(({ path, message }) => `${path.join('.') || 'the answer'}: ${message}`)
  return { success: false, problems }
}

function sumOf(first: TokenUsage | null, second: TokenUsage | null): TokenUsage | null {
  if (!first || !second) return first ?? second
  return { input: first.input + second.input, output: first.output + second.output }
}
