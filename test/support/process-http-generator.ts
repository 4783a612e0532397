import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import {
  type AnalysisDraft,
  type AnalysisInput,
  type GenerationContext,
  GenerationError,
  type Generator,
} from '../../src/providers/generator.ts'
import type { InterviewPromptDraft, InterviewPromptInput } from '../../src/providers/interview-prompt.ts'
import type { ExchangeInput, FactDraft } from '../../src/providers/memory.ts'
import type { PlanDraft, PlanInput, PreferenceConflict } from '../../src/providers/plan.ts'
import type { ReplyContext, ReplyDraft, ReplyInput } from '../../src/providers/reply.ts'
import { extractFacts } from '../../src/providers/rules/memory/extract-facts.ts'
import type { ProviderLine, ProviderRequest } from './process-provider.ts'

/**
 * Asks the test's provider over HTTP, as a gateway asks a model. The run is told to the provider by the metric of its
 * data points: a generator is not told whose analysis it makes.
 */
export class HttpGenerator implements Generator {
  readonly name = 'http'
  readonly #url: string
  readonly #instance: string

  constructor(options: { url: string; instance: string }) {
    this.#url = options.url
    this.#instance = options.instance
  }

  async generateAnalysis(input: AnalysisInput, context: GenerationContext): Promise<AnalysisDraft> {
    const request: ProviderRequest = {
      instance: this.#instance,
      key: input.points[0]?.metric ?? input.archetype,
      mode: input.mode,
      points: input.points.length,
    }
    return this.#insist(request, context)
  }

  /** The run is told to the provider by the interview's topic. */
  async generateInterviewPrompt(
    { topic, passages }: InterviewPromptInput,
    context: GenerationContext,
  ): Promise<InterviewPromptDraft> {
    const request: ProviderRequest = {
      instance: this.#instance,
      key: topic,
      mode: 'INITIAL',
      points: passages.length,
    }
    const draft = await this.#insist(request, context)
    return { text: draft.summary, metadata: { engine: this.name } }
  }

  /** The run is told to the provider by the plan's kind and the metric of the data points. */
  async generatePlan({ kind, points }: PlanInput, context: GenerationContext): Promise<PlanDraft> {
    const request: ProviderRequest = {
      instance: this.#instance,
      key: `${kind} ${points[0]?.metric}`,
      mode: 'INITIAL',
      points: points.length,
    }
    const { summary } = await this.#insist(request, context)
    return { title: summary, summary, items: [], notes: [], metadata: { engine: this.name } }
  }

  /** Plain words are enough for a test, and cost no call. */
  async extractFacts({ userMessage }: ExchangeInput): Promise<FactDraft[]> {
    return extractFacts(userMessage)
  }

  async generateReply({ content }: ReplyInput, context: ReplyContext): Promise<ReplyDraft> {
    const request = { instance: this.#instance, key: content, mode: 'INITIAL' as const, points: 0 }
    const { summary } = await this.#ask(request, context)
    return { text: summary, factIds: [], documentIds: [] }
  }

  findPreferenceConflicts(): PreferenceConflict[] {
    return []
  }

  async #insist(request: ProviderRequest, context: GenerationContext): Promise<AnalysisDraft> {
    try {
      return await this.#ask(request, context)
    } catch (error) {
      if (error instanceof GenerationError || context.signal.aborted) throw error
      throw new GenerationError('The provider could not be reached.', { retryable: true, cause: error })
    }
  }

  async #ask(
    request: ProviderRequest,
    { signal, reportProgress, reportText }: GenerationContext & Partial<ReplyContext>,
  ): Promise<AnalysisDraft> {
    const response = await fetch(this.#url, { method: 'POST', body: JSON.stringify(request), signal })
    if (!response.ok || !response.body) throw new Error(`the provider answered ${response.status}`)
    const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>)
    for await (const text of createInterface(body)) {
      const line = JSON.parse(text) as ProviderLine
      if ('draft' in line) return line.draft
      if ('error' in line) throw new GenerationError(line.error, { retryable: line.retryable })
      if ('text' in line) reportText?.(line.text)
      else reportProgress(line.progress)
    }
    throw new Error('the provider hung up')
  }
}
