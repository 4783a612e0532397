import { ReadableStream as WebStream } from 'node:stream/web'
import type OpenAI from 'openai'
import { Stream } from 'openai/streaming'
import { z } from 'zod'
import { parseAnswerText } from './answer-text.ts'
import { failureOfErrorBody, ProviderFailure } from './provider-failure.ts'
import { bounded, peek, receiveBody } from './receive-body.ts'

export interface TokenUsage {
  input: number
  output: number
}

/** What a model has answered, before anybody knows whether it is what was asked for. */
export interface Completion {
  content: string
  /** Why the model stopped; null where the server does not say. */
  finishReason: string | null
  usage: TokenUsage | null
}

export interface AnswerLimits {
  /** Of an answer: the bytes of an unstreamed one, the characters of a streamed one. */
  answerBytes: number
  /** Of a stream with all its wrapping: a few hundred bytes for every few characters. */
  streamBytes: number
  /** For how long the rest of an error is waited for: its status, and what it asks to wait, are known by then. */
  errorBodyMs: number
}

/**
 * Reads an answer as it comes, whole or streamed, whatever was asked for and whatever its content type says: a JSON
 * object is an unstreamed answer, everything else is read as events.
 * @throws ProviderFailure where it is none, is too large, or breaks off; the signal's reason when it aborts
 */
export async function readAnswer(
  response: Response,
  reading: {
    client: OpenAI
    limits: AnswerLimits
    signal: AbortSignal
    /** Told how many characters have come so far, and which. */
    onText: (characters: number, content: () => string) => void
  },
): Promise<Completion> {
  const { limits, signal } = reading
  if (!response.body) throw new ProviderFailure('unusable')
  const received = bounded(receiveBody(response.body, signal), {
    bytes: limits.streamBytes,
    lineBytes: limits.answerBytes,
  })
  const { first, chunks } = await peek(received)
  const completion =
    first === OPENING_BRACE
      ? await readWhole(bounded(chunks, { bytes: limits.answerBytes, lineBytes: limits.answerBytes }))
      : await readEvents(chunks, reading)
  signal.throwIfAborted()
  const { content, finishReason } = completion
  if (finishReason === null && parseAnswerText(content) === undefined)
    throw new ProviderFailure(content === '' ? 'unusable' : 'unfinished')
  return completion
}

const OPENING_BRACE = 0x7b

const text = z.string().nullish()
/** A text, or its parts; those that are something else than text, such as what a model thinks, are none of the answer. */
const content = z
  .union([z.string(), z.array(z.object({ type: text, text }))])
  .nullish()
  .transform(told => {
    if (!Array.isArray(told)) return told ?? ''
    return told.map(part => ((part.type ?? 'text') === 'text' ? (part.text ?? '') : '')).join('')
  })
const usage = z
  .object({ prompt_tokens: z.int().min(0), completion_tokens: z.int().min(0) })
  .transform(({ prompt_tokens, completion_tokens }) => ({ input: prompt_tokens, output: completion_tokens }))
  .nullish()
  .catch(null)

const wholeAnswer = z.object({
  choices: z.array(z.object({ finish_reason: text, message: z.object({ content, refusal: text }) })).min(1),
  usage,
})

const chunkOfAnswer = z.object({
  choices: z
    .array(
      z.object({
        index: z.int().optional(),
        finish_reason: text,
        delta: z.object({ content, refusal: text }).nullish(),
      }),
    )
    .nullish(),
  usage,
})

async function readWhole(chunks: AsyncGenerator<Uint8Array>): Promise<Completion> {
  const body = parseAnswerText(await responseOf(chunks).text())
  if (typeof body === 'object' && body !== null && 'error' in body && body.error)
    throw failureOfErrorBody(body.error)
  const parsed = wholeAnswer.safeParse(body)
  const choice = parsed.data?.choices[0]
  if (!choice) throw new ProviderFailure('unusable')
  if (choice.message.refusal) throw new ProviderFailure('declined')
  return {
    content: choice.message.content,
    finishReason: choice.finish_reason ?? null,
    usage: parsed.data?.usage ?? null,
  }
}

async function readEvents(
  chunks: AsyncGenerator<Uint8Array>,
  { client, limits, onText }: Parameters<typeof readAnswer>[1],
): Promise<Completion> {
  const events = Stream.fromSSEResponse<unknown>(responseOf(chunks), new AbortController(), client)
  const parts: string[] = []
  let characters = 0
  let refused = false
  const completion: Completion = { content: '', finishReason: null, usage: null }
  for await (const event of events) {
    const parsed = chunkOfAnswer.safeParse(event)
    if (!parsed.success) throw new ProviderFailure('unusable')
    // Servers that tell the tokens more than once tell the sum so far.
    completion.usage = parsed.data.usage ?? completion.usage
    const choice = parsed.data.choices?.find(({ index }) => (index ?? 0) === 0)
    if (!choice) continue
    completion.finishReason = choice.finish_reason ?? completion.finishReason
    if (choice.delta?.refusal) refused = true
    const piece = choice.delta?.content ?? ''
    if (piece === '') continue
    parts.push(piece)
    characters += piece.length
    if (characters > limits.answerBytes) throw new ProviderFailure('oversized')
    onText(characters, () => parts.join(''))
  }
  if (refused) throw new ProviderFailure('declined')
  return { ...completion, content: parts.join('') }
}

const responseOf = (chunks: AsyncGenerator<Uint8Array>) =>
  new Response(WebStream.from(chunks) as ReadableStream<Uint8Array>)
