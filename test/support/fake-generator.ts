import type {
  AnalysisDraft,
  AnalysisInput,
  GenerationContext,
  Generator,
} from '../../src/providers/generator.ts'

/** A generator whose calls the test sees, and answers as it likes. */
export class FakeGenerator implements Generator {
  readonly name = 'fake'
  readonly calls: AnalysisInput[] = []
  /** What a call does before it answers; throw to fail it. The number counts calls from 1. */
  behave: (input: AnalysisInput, context: GenerationContext, call: number) => Promise<void> = async () => {}

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
}
