import type {
  AnalysisDraft,
  AnalysisInput,
  GenerationContext,
  Generator,
} from '../../src/providers/generator.ts'
import type { InterviewPromptDraft, InterviewPromptInput } from '../../src/providers/interview-prompt.ts'
import type { PlanDraft, PlanInput, PreferenceConflict } from '../../src/providers/plan.ts'

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

  findPreferenceConflicts(): PreferenceConflict[] {
    return this.conflicts
  }
}
