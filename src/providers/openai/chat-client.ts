import { APIError } from 'openai'
import { createApiClient, detailsOf, failureOfCall } from './api-client.ts'
import { ProviderFailure } from './provider-failure.ts'
import { type AnswerLimits, type Completion, readAnswer } from './read-answer.ts'
import type { JsonSchema } from './strict-schema.ts'

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant'
  content: string
}

export interface ChatRequest {
  messages: readonly ChatMessage[]
  /** The form of the answer: what the server holds the model to. */
  format: { name: string; schema: JsonSchema }
}

/** Makes one call at a time of a chat-completions server: no retries, and nothing of an answer is believed. */
export class ChatClient {
  readonly #client: ReturnType<typeof createApiClient>
  readonly #apiKey: string | undefined
  readonly #model: string
  readonly #limits: AnswerLimits
  readonly #now: () => Date
  /** Until the server says that it does not stream. */
  #streams = true

  constructor(options: {
    /** Ends in /v1. */
    baseUrl: string
    /** Undefined for a server that asks for none. */
    apiKey: string | undefined
    model: string
    limits: AnswerLimits
    now: () => Date
  }) {
    this.#client = createApiClient({ ...options, errorBodyMs: options.limits.errorBodyMs })
    this.#apiKey = options.apiKey
    this.#model = options.model
    this.#limits = options.limits
    this.#now = options.now
  }

  /** @throws ProviderFailure, or the signal's reason when it aborts; the connection is closed then. */
  async complete(
    request: ChatRequest,
    context: { signal: AbortSignal; onText: (characters: number, content: () => string) => void },
  ): Promise<Completion> {
    if (!this.#streams) return this.#send(request, false, context)
    try {
      return await this.#send(request, true, context)
    } catch (error) {
      if (!(error instanceof StreamingRefused)) throw error
      const completion = await this.#send(request, false, context)
      this.#streams = false
      return completion
    }
  }

  async #send(
    { messages, format }: ChatRequest,
    streamed: boolean,
    { signal, onText }: { signal: AbortSignal; onText: (characters: number, content: () => string) => void },
  ): Promise<Completion> {
    const client = this.#client
    const body = {
      model: this.#model,
      messages: [...messages],
      response_format: { type: 'json_schema' as const, json_schema: { ...format, strict: true } },
    }
    try {
      const sent = streamed
        ? client.chat.completions.create(
            { ...body, stream: true, stream_options: { include_usage: true } },
            { signal },
          )
        : client.chat.completions.create(body, { signal })
      const response = await sent.asResponse()
      return await readAnswer(response, { client, limits: this.#limits, signal, onText })
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw this.#failureOf(error, streamed)
    }
  }

  #failureOf(error: unknown, streamed: boolean): unknown {
    if (streamed && error instanceof APIError && mindsStreaming(error.status, error.error))
      return new StreamingRefused('rejected', { details: detailsOf(error, this.#apiKey) })
    return failureOfCall(error, { apiKey: this.#apiKey, now: this.#now() })
  }
}

class StreamingRefused extends ProviderFailure {}

/** As servers answer that do not stream, or do not know stream_options. */
function mindsStreaming(status: number | undefined, body: unknown): boolean {
  return (status === 400 || status === 422) && /\bstream(ing|_options)?\b/.test(JSON.stringify(body ?? null))
}
