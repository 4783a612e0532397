import { z } from 'zod'
import type { JsonValue } from '../../shared/json.ts'
import { type AnalysisDraft, type AnalysisInput, insightKinds } from '../generator.ts'
import { dayMs } from '../rules/utc-day.ts'
import { archetypeDescriptions } from './archetype-descriptions.ts'
import type { Question } from './ask-model.ts'
import { type Digest, digestPoints } from './metric-digest.ts'
import { asData, loadPrompt } from './prompt-template.ts'
import { digestResult } from './result-digest.ts'

/** What the result of an analysis says of its making. */
export type Provenance = { [key: string]: JsonValue }

/** Keep to what strict-schema.ts lets a schema say. */
const analysisAnswer = z.object({
  summary: z
    .string()
    .describe('Two to four sentences to the person: what was read, what stands out, what to do first.'),
  overallConfidence: z.number().min(0).max(1),
  patterns: z
    .array(
      z.object({
        metric: z.string().describe('The metric as the data name it.'),
        direction: z.enum(['IMPROVING', 'STEADY', 'WORSENING', 'UNCLEAR']),
        observation: z.string().describe('One sentence with the numbers it stands on.'),
      }),
    )
    .max(20),
  insights: z
    .array(
      z.object({
        kind: z.enum(insightKinds),
        title: z.string().describe('A few words.'),
        body: z.string().describe('Two or three sentences with the numbers they stand on.'),
        confidence: z.number().min(0).max(1),
      }),
    )
    .min(1)
    .max(12)
    .describe('The most important first.'),
  nextSteps: z.array(z.string()).min(1).max(5).describe('Each one sentence, the most important first.'),
})
export type AnalysisAnswer = z.infer<typeof analysisAnswer>

const EXPECTED_CHARACTERS = 4000

const modeDescriptions: Record<AnalysisInput['mode'], string> = {
  INITIAL: 'This is the first analysis of this person for this archetype.',
  FOLLOW_UP: 'This is a follow-up: say above all what has changed since the analysis before it.',
}

export const loadAnalysisPrompt = () =>
  loadPrompt('analysis.v1', ['archetype', 'mode', 'window', 'measurements', 'previous'])

export async function analysisQuestion(
  template: ReturnType<typeof loadAnalysisPrompt>,
  input: AnalysisInput,
  signal: AbortSignal,
): Promise<{ question: Question<AnalysisAnswer>; digest: Digest }> {
  const { archetype, mode, window, points, previous } = input
  const digest = await digestPoints(points, archetype, window, signal)
  const prompt = template.fill({
    archetype: archetypeDescriptions[archetype],
    mode: modeDescriptions[mode],
    window: `${window.from.toISOString()} to ${window.to.toISOString()}`,
    measurements: asData({
      dataPoints: points.length,
      metricsLeftOut: digest.leftOut,
      metrics: digest.metrics,
    }),
    previous: asData(
      previous && { createdAt: previous.createdAt.toISOString(), ...digestResult(previous.result) },
    ),
  })
  return {
    question: {
      name: 'behavior_analysis',
      form: analysisAnswer,
      prompt,
      expectedCharacters: EXPECTED_CHARACTERS,
    },
    digest,
  }
}

export function analysisDraft(
  answer: AnalysisAnswer,
  input: AnalysisInput,
  digest: Digest,
  metadata: Provenance,
): AnalysisDraft {
  const { archetype, mode, window, points } = input
  const { summary, overallConfidence, patterns, insights, nextSteps } = answer
  return {
    summary,
    result: {
      engine: 'openai',
      version: 1,
      archetype,
      mode,
      window: {
        from: window.from.toISOString(),
        to: window.to.toISOString(),
        days: Math.max(1, Math.round((window.to.getTime() - window.from.getTime()) / dayMs)),
      },
      dataPointCount: points.length,
      // For the next analysis, which is handed this result and not the row beside it.
      summary,
      overallConfidence,
      metrics: Object.fromEntries(
        Object.entries(digest.metrics).map(([metric, { daily: _, ...figures }]) => [metric, figures]),
      ),
      metricsLeftOut: digest.leftOut,
      patterns,
      nextSteps,
      metadata,
    },
    insights,
  }
}
