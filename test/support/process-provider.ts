import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { AnalysisDraft, AnalysisMode } from '../../src/providers/generator.ts'
import { until } from './until.ts'

/** What a gateway sends for one provider call. */
export interface ProviderRequest {
  /** Which of the test's gateways calls. */
  instance: string
  /** What the generation is for; the test's name of the user. */
  key: string
  mode: AnalysisMode
  points: number
}

/** What the provider sends back, a line of JSON each; the last one is a draft or an error. */
export type ProviderLine =
  | { progress: number }
  /** Of a reply: all of its text so far. */
  | { text: string }
  | { draft: AnalysisDraft }
  | { error: string; retryable: boolean }

/** One call: it waits until the test answers it. */
export class ProviderCall {
  /** From 1, over all instances. */
  readonly number: number
  readonly request: ProviderRequest
  readonly atMs = performance.now()
  readonly #response: ServerResponse

  constructor(number: number, request: ProviderRequest, response: ServerResponse) {
    this.number = number
    this.request = request
    this.#response = response
  }

  /** The caller has hung up. */
  get gone(): boolean {
    return this.#response.destroyed
  }

  progress(fraction: number): void {
    this.#send({ progress: fraction })
  }

  text(text: string): void {
    this.#send({ text })
  }

  answer(): void {
    const { key, instance, points } = this.request
    this.#end({
      draft: {
        summary: `answer ${this.number} for ${key}`,
        result: { call: this.number, key, instance, points },
        insights: [{ kind: 'TREND', title: `insight ${this.number}`, body: key, confidence: 0.5 }],
      },
    })
  }

  fail(message: string, options: { retryable: boolean }): void {
    this.#end({ error: message, ...options })
  }

  #send(line: ProviderLine): void {
    if (!this.#response.writableEnded) this.#response.write(`${JSON.stringify(line)}\n`)
  }

  #end(line: ProviderLine): void {
    this.#send(line)
    this.#response.end()
  }
}

/** Where a generation costs money: every call that arrives here counts, whatever becomes of its caller. */
export interface Provider {
  readonly url: string
  readonly calls: readonly ProviderCall[]
  /** What becomes of a call when it arrives; at first it waits for the test. */
  onCall: (call: ProviderCall) => void
  callsFor(key: string): ProviderCall[]
  /** Waits until so many calls have arrived. @returns the newest of them. */
  called(count: number): Promise<ProviderCall>
}

/** A provider over real HTTP in the test's process, for the test that is running. */
export async function startProvider(): Promise<Provider> {
  const calls: ProviderCall[] = []
  const server = createServer((request, response) => {
    readJson(request).then(
      body => {
        // The head goes out at once, so that a caller that is paused has it and only waits for the lines.
        response.writeHead(200, { 'content-type': 'application/x-ndjson' })
        response.flushHeaders()
        const call = new ProviderCall(calls.length + 1, body as ProviderRequest, response)
        calls.push(call)
        provider.onCall(call)
      },
      () => response.destroy(),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const provider: Provider = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    onCall: () => {},
    callsFor: key => calls.filter(call => call.request.key === key),
    async called(count) {
      await until(() => calls.length >= count, { what: `provider call ${count}` })
      const call = calls[count - 1]
      if (!call) throw new Error('a call that has arrived is gone')
      return call
    },
  }
  return provider
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  return JSON.parse(body)
}
