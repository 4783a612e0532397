import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface EmbeddingsCall {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly model: string
  readonly input: readonly string[]
  /** As a real server answers. */
  answer(): void
  status(status: number): void
  /** Anything, as the body of a 200. */
  raw(body: string): void
  /** The connection ends without an answer. */
  disconnect(): void
}

/** Words of one line mean the same; what none of them says is in the last dimension. */
const MEANINGS = [
  ['sleep', 'slumber', 'rest', 'insomnia', 'sonno', 'dormire'],
  ['run', 'running', 'jog', 'jogging', 'corsa', 'marathon'],
  ['soup', 'broth', 'zuppa', 'minestrone'],
  ['bread', 'loaf', 'pane'],
  ['mood', 'happiness', 'umore'],
]

/** Speaks OpenAI's embeddings over real HTTP. Texts that mean the same are near, others are at right angles. */
export class FakeEmbeddings {
  readonly calls: EmbeddingsCall[] = []
  onCall: (call: EmbeddingsCall) => void | Promise<void> = call => call.answer()
  /** Zeros behind each vector: another model. */
  padding = 0
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      void text(request).then(async body => {
        const call = this.#callOf(request.url ?? '', request.headers, JSON.parse(body), response)
        this.calls.push(call)
        await this.onCall(call)
      })
    })
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`
  }

  /** How often each text was sent. */
  get sent(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const input of this.calls.flatMap(call => call.input))
      counts.set(input, (counts.get(input) ?? 0) + 1)
    return counts
  }

  listen(): Promise<void> {
    return new Promise(resolve => this.#server.listen(0, '127.0.0.1', resolve))
  }

  close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    return closed
  }

  vectorOf(input: string): number[] {
    const words = input.toLowerCase().match(/\p{L}+/gu) ?? []
    const counts = MEANINGS.map(meaning => words.filter(word => meaning.includes(word)).length)
    const rest = counts.every(count => count === 0) ? 1 : 0
    return [...counts, rest, ...Array.from({ length: this.padding }, () => 0)]
  }

  #callOf(
    path: string,
    headers: IncomingHttpHeaders,
    { model, input }: { model: string; input: string[] },
    response: ServerResponse,
  ): EmbeddingsCall {
    const send = (status: number, body: string) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(body)
    }
    return {
      path,
      headers,
      model,
      input,
      answer: () => {
        const data = input.map((one, index) => ({
          object: 'embedding',
          index,
          embedding: this.vectorOf(one),
        }))
        // In no order, which a server need not keep.
        const usage = { prompt_tokens: input.length, total_tokens: input.length }
        send(200, JSON.stringify({ object: 'list', model, data: data.toReversed(), usage }))
      },
      status: status => send(status, JSON.stringify({ error: { message: `secret of ${input[0]}` } })),
      raw: body => send(200, body),
      disconnect: () => void response.destroy(),
    }
  }
}

export async function startFakeEmbeddings(): Promise<FakeEmbeddings> {
  const server = new FakeEmbeddings()
  await server.listen()
  return server
}
