import type {
  AnalysisDraft,
  AnalysisInput,
  GenerationContext,
  Generator,
} from '../../src/providers/generator.ts'
import type { InterviewPromptDraft, InterviewPromptInput } from '../../src/providers/interview-prompt.ts'
import type { ExchangeInput, FactDraft } from '../../src/providers/memory.ts'
import type { PlanDraft, PlanInput, PreferenceConflict } from '../../src/providers/plan.ts'
import type { ReplyContext, ReplyDraft, ReplyInput } from '../../src/providers/reply.ts'

/** A generator whose calls the test sees, and answers as it likes. */
export class FakeGenerator implements Generator {
  readonly name = 'fake'
  readonly calls: AnalysisInput[] = []
  readonly planCalls: PlanInput[] = []
  /** What a call does before it answers; throw to fail it. The number counts calls from 1. */
  behave: (input: AnalysisInput, context: GenerationContext, call: number) => Promise<void> = async () => {}
  behavePlan: (input: PlanInput, context: GenerationContext, call: number) => Promise<void> = async () => {}
  conflicts: PreferenceConflict[] = []
  readonly promptCalls: InterviewPromptInput[] = []
  behavePrompt: (input: InterviewPromptInput, context: GenerationContext, call: number) => Promise<void> =
    async () => {}
  readonly replyCalls: ReplyInput[] = []
  behaveReply: (input: ReplyInput, context: ReplyContext, call: number) => Promise<void> = async () => {}
  readonly exchanges: ExchangeInput[] = []
  /** What an exchange teaches; throw to fail. */
  learn: (input: ExchangeInput, context: GenerationContext) => Promise<FactDraft[]> = async () => []

  async generateAnalysis(input: AnalysisInput, context: GenerationContext): Promise<AnalysisDraft> {
    this.calls.push(input)
    const call = this.calls.length
    await this.behave(input, context, call)
    return {
      summary: `answer ${call}`,
      result: { call, points: input.points.length },
      insights: [{ kind: 'TREND', title: `insight ${call}`, body: 'as the test wanted', confidence: 0.5 }],
    }
  }

  async generatePlan(input: PlanInput, context: GenerationContext): Promise<PlanDraft> {
    this.planCalls.push(input)
    const call = this.planCalls.length
    await this.behavePlan(input, context, call)
    return {
      title: `${input.kind} ${call}`,
      summary: 'a plan as the test wanted',
      items: [
        {
          day: 1,
          time: '08:00',
          title: `dish ${call}`,
          description: 'an item',
          ingredients: ['oats'],
          nutrition: { calories: 400, proteinGrams: 20, carbsGrams: 50, fatGrams: 13 },
        },
      ],
      notes: [],
      metadata: { engine: 'fake', mainDishes: [`dish ${call}`] },
    }
  }

  async generateInterviewPrompt(
    input: InterviewPromptInput,
    context: GenerationContext,
  ): Promise<InterviewPromptDraft> {
    this.promptCalls.push(input)
    const call = this.promptCalls.length
    await this.behavePrompt(input, context, call)
    return { text: `prompt ${call} about ${input.topic}`, metadata: { engine: 'fake' } }
  }

  async generateReply(input: ReplyInput, context: ReplyContext): Promise<ReplyDraft> {
    this.replyCalls.push(input)
    const call = this.replyCalls.length
    await this.behaveReply(input, context, call)
    return {
      text: `reply ${call} to ${input.content}`,
      factIds: input.facts.map(fact => fact.id),
      documentIds: input.passages.map(passage => passage.documentId),
    }
  }

  extractFacts(input: ExchangeInput, context: GenerationContext): Promise<FactDraft[]> {
    this.exchanges.push(input)
    return this.learn(input, context)
  }

  findPreferenceConflicts(): PreferenceConflict[] {
    return this.conflicts
  }
}
