import OpenAI, { APIConnectionError, APIError } from 'openai'
import {
  type FailureDetails,
  failureOfConnection,
  failureOfErrorBody,
  loggable,
  ProviderFailure,
  reasonOfStatus,
} from './provider-failure.ts'
import { type AnswerLimits, type Completion, readAnswer } from './read-answer.ts'
import { readStart, receiveBody } from './receive-body.ts'
import { retryAfterMs } from './retry-after.ts'
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

/** The library's own timer, out of the way: calls are bounded by their signal. The longest that a timer takes. */
const NO_TIMEOUT_MS = 2_147_483_647
/** What is read of an error's body; only its code is looked at. */
const ERROR_BODY_BYTES = 65_536

/** Makes one call at a time of a chat-completions server: no retries, and nothing of an answer is believed. */
export class ChatClient {
  readonly #client: OpenAI
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
    // What is null here would else come from the library's own look at the environment.
    this.#client = new OpenAI({
      baseURL: options.baseUrl.replace(/\/+$/, ''),
      apiKey: options.apiKey ?? 'none',
      ...(options.apiKey === undefined && { defaultHeaders: { authorization: null } }),
      adminAPIKey: null,
      organization: null,
      project: null,
      webhookSecret: null,
      maxRetries: 0,
      timeout: NO_TIMEOUT_MS,
      // Its log would hold the prompts.
      logLevel: 'off',
      fetch: fetchAnswer,
    })
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
    if (error instanceof APIConnectionError) return failureOfConnection(error, 'unreachable')
    if (error instanceof APIError) {
      const { status, headers } = error as APIError
      if (status === undefined) return failureOfErrorBody(error.error)
      const details = withoutGaps({
        status,
        code: loggable(error.code, this.#apiKey),
        requestId: loggable(error.requestID, this.#apiKey),
      })
      if (streamed && mindsStreaming(status, error.error))
        return new StreamingRefused('rejected', { details })
      const waitMs = retryAfterMs(headers?.get('retry-after'), this.#now())
      return new ProviderFailure(reasonOfStatus(status), { retryAfterMs: waitMs, details })
    }
    // An event that is no JSON.
    if (error instanceof SyntaxError) return new ProviderFailure('unusable')
    return error
  }
}

class StreamingRefused extends ProviderFailure {}

/** As servers answer that do not stream, or do not know stream_options. */
function mindsStreaming(status: number, body: unknown): boolean {
  return (status === 400 || status === 422) && /\bstream(ing|_options)?\b/.test(JSON.stringify(body ?? null))
}

/** Follows no redirect, which would take a user's data to somebody else, and reads no more of an error than it needs. */
async function fetchAnswer(url: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, { ...init, redirect: 'manual' })
  if (response.ok || !response.body) return response
  const chunks = receiveBody(response.body, init?.signal ?? new AbortController().signal)
  // Its status says enough where the rest does not arrive.
  const text = await readStart(chunks, ERROR_BODY_BYTES).catch(() => '')
  return new Response(text || null, { status: response.status, headers: response.headers })
}

function withoutGaps(
  details: { [Key in keyof FailureDetails]: FailureDetails[Key] | undefined },
): FailureDetails {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined))
}
