import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { sampleOf, strictModeObjection } from './fake-openai-sample.ts'
import type { Gate } from './gate.ts'
import { until } from './until.ts'

export interface FakeOpenAiBody {
  model: string
  messages: { role: string; content: string }[]
  stream?: boolean
  stream_options?: { include_usage?: boolean }
  response_format: {
    type: string
    json_schema: { name: string; strict: boolean; schema: Record<string, unknown> }
  }
  [other: string]: unknown
}

export interface FakeAnswer {
  /** By default a value that the schema of the request allows. */
  content?: string
  /** By default as the request asks. */
  streamed?: boolean
  finishReason?: string | null
  refusal?: string
  usage?: { prompt_tokens: number; completion_tokens: number } | null
  contentType?: string
}

const USAGE = { prompt_tokens: 100, completion_tokens: 40 }
const PIECE_CHARACTERS = 40

/** One request that has arrived; the test says what becomes of it. */
export class FakeOpenAiCall {
  /** From 1. */
  readonly number: number
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: FakeOpenAiBody
  bytesSent = 0
  readonly #response: ServerResponse
  readonly #draw: () => number

  constructor(
    number: number,
    request: { path: string; headers: IncomingHttpHeaders; body: FakeOpenAiBody },
    response: ServerResponse,
    draw: () => number,
  ) {
    this.number = number
    this.path = request.path
    this.headers = request.headers
    this.body = request.body
    this.#response = response
    this.#draw = draw
  }

  /** The client has closed the connection before the answer was whole. */
  get hungUp(): boolean {
    return this.#response.destroyed && !this.#response.writableFinished
  }

  /** All that was sent to the model. */
  get prompt(): string {
    return this.body.messages.map(({ content }) => content).join('\n')
  }

  /** A value that the schema of the request allows. */
  sample(): string {
    return JSON.stringify(sampleOf(this.body.response_format.json_schema.schema, this.#draw))
  }

  /** As a real server answers; a schema that is not one of strict mode is refused as there. */
  answer(answer: FakeAnswer = {}): void {
    const objection = strictModeObjection(this.body.response_format.json_schema.schema)
    if (objection) this.status(400, { body: { error: { message: objection, code: 'invalid_schema' } } })
    else if (answer.streamed ?? this.body.stream) this.#stream(answer)
    else this.raw(JSON.stringify(this.#whole(answer)), answer.contentType ?? 'application/json')
  }

  /** Half of the answer, then the rest when the gate opens. */
  async drip(gate: Gate, answer: FakeAnswer = {}): Promise<void> {
    const events = this.#events(answer)
    this.#head(200, { 'content-type': 'text/event-stream' })
    for (const event of events.slice(0, events.length / 2)) this.#write(event)
    await gate.pass()
    for (const event of events.slice(events.length / 2)) this.#write(event)
    this.#response.end()
  }

  /** Half of the answer, then nothing: the connection breaks. */
  drop(answer: FakeAnswer = {}): void {
    const half = this.#events(answer).slice(0, 3).join('')
    this.#head(200, { 'content-type': 'text/event-stream' })
    this.#response.write(half, () => this.#response.destroy())
  }

  /** Half of the answer, then an orderly end. */
  stopHalfway(answer: FakeAnswer = {}): void {
    const events = this.#events(answer)
    this.raw(events.slice(0, events.length / 2).join(''), 'text/event-stream')
  }

  /** The start of an answer, whose rest never comes. */
  begin(start: string, options: { status?: number; contentType: string }): void {
    this.#head(options.status ?? 200, { 'content-type': options.contentType })
    this.#write(start)
  }

  /** More and more of the same, until so many bytes are sent or nobody listens. */
  async flood(
    start: string,
    piece: string,
    options: { bytes: number; status?: number; contentType: string },
  ): Promise<void> {
    this.begin(start, options)
    while (this.bytesSent < options.bytes && !this.#response.destroyed) {
      if (!this.#write(piece)) await this.#drained()
    }
    this.#response.end()
  }

  status(status: number, options: { headers?: Record<string, string>; body?: unknown } = {}): void {
    this.#head(status, { 'content-type': 'application/json', ...options.headers })
    this.#response.end(JSON.stringify(options.body ?? { error: { message: `status ${status}` } }))
  }

  raw(body: string, contentType: string): void {
    this.#head(200, { 'content-type': contentType })
    this.#write(body)
    this.#response.end()
  }

  /** The connection ends without an answer. */
  disconnect(): void {
    this.#response.destroy()
  }

  #whole(answer: FakeAnswer) {
    const message = {
      role: 'assistant',
      content: answer.content ?? this.sample(),
      refusal: answer.refusal ?? null,
    }
    return {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      model: this.body.model,
      choices: [{ index: 0, finish_reason: finishOf(answer), message }],
      usage: answer.usage === undefined ? USAGE : answer.usage,
    }
  }

  #events(answer: FakeAnswer): string[] {
    const content = answer.content ?? this.sample()
    const pieces = content.match(new RegExp(`[\\s\\S]{1,${PIECE_CHARACTERS}}`, 'g')) ?? []
    const choice = (delta: object, finish_reason: string | null = null) => ({
      choices: [{ index: 0, delta, finish_reason }],
    })
    const chunks = [
      choice({ role: 'assistant', content: '' }),
      ...pieces.map(piece => choice({ content: piece })),
      ...(answer.refusal ? [choice({ refusal: answer.refusal })] : []),
      choice({}, finishOf(answer)),
      ...(answer.usage === null ? [] : [{ choices: [], usage: answer.usage ?? USAGE }]),
    ]
    const data = chunks.map(chunk =>
      JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', ...chunk }),
    )
    return [...data, '[DONE]'].map(event => `data: ${event}\n\n`)
  }

  #stream(answer: FakeAnswer): void {
    this.#head(200, { 'content-type': answer.contentType ?? 'text/event-stream; charset=utf-8' })
    for (const event of this.#events(answer)) this.#write(event)
    this.#response.end()
  }

  #head(status: number, headers: Record<string, string>): void {
    this.#response.writeHead(status, headers)
    this.#response.flushHeaders()
  }

  #drained(): Promise<void> {
    const response = this.#response
    return new Promise(resolve => {
      const done = () => {
        response.off('drain', done).off('close', done)
        resolve()
      }
      response.on('drain', done).on('close', done)
    })
  }

  #write(bytes: string): boolean {
    this.bytesSent += Buffer.byteLength(bytes)
    return this.#response.write(bytes)
  }
}

const finishOf = ({ finishReason }: FakeAnswer) => (finishReason === undefined ? 'stop' : finishReason)

export type FakeOpenAiBehaviour = (call: FakeOpenAiCall) => void | Promise<void>

/** Plays an OpenAI-compatible provider over real HTTP. */
export class FakeOpenAi {
  readonly calls: FakeOpenAiCall[] = []
  /** What becomes of a call for which the script has nothing (left). */
  onCall: FakeOpenAiBehaviour = call => call.answer()
  /** Where samples take their chance from; replace it to draw others. */
  draw: () => number = Math.random
  readonly #script: FakeOpenAiBehaviour[] = []
  readonly #server: Server
  #connections = 0

  constructor() {
    this.#server = createServer((request, response) => {
      void text(request).then(async body => {
        const { url: path = '', headers } = request
        const number = this.calls.length + 1
        const call = new FakeOpenAiCall(number, { path, headers, body: JSON.parse(body) }, response, () =>
          this.draw(),
        )
        this.calls.push(call)
        await (this.#script.shift() ?? this.onCall)(call)
      })
    })
    this.#server.on('connection', socket => {
      this.#connections++
      socket.on('close', () => this.#connections--)
    })
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`
  }

  get openConnections(): number {
    return this.#connections
  }

  /** What becomes of the next calls, one after the other. */
  script(...behaviours: FakeOpenAiBehaviour[]): void {
    this.#script.push(...behaviours)
  }

  /** Waits until so many calls have arrived. @returns the newest of them. */
  async called(count: number): Promise<FakeOpenAiCall> {
    await until(() => this.calls.length >= count, {
      what: `${count} calls, of which ${this.calls.length} came`,
    })
    return this.calls[count - 1] as FakeOpenAiCall
  }

  listen(): Promise<void> {
    return new Promise(resolve => this.#server.listen(0, '127.0.0.1', resolve))
  }

  close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    return closed
  }
}

/** Runs until the test is over. */
export async function startFakeOpenAi(): Promise<FakeOpenAi> {
  const server = new FakeOpenAi()
  await server.listen()
  onTestFinished(() => server.close())
  return server
}
