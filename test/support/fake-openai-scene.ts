import type { AnalysisInput, GenerationContext, Generator } from '../../src/providers/generator.ts'
import {
  createOpenAiGenerator,
  type OpenAiGeneratorOptions,
} from '../../src/providers/openai/openai-generator.ts'
import { ProviderFailure } from '../../src/providers/openai/provider-failure.ts'
import type { PlanInput, PlanPreferences } from '../../src/providers/plan.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { type FakeOpenAi, startFakeOpenAi } from './fake-openai-server.ts'
import { SimulatedClock, SimulatedTime } from './simulated-clock.ts'
import { until } from './until.ts'

export const API_KEY = 'sk-test-5f1c0a7e9b'
const DAY_MS = 86_400_000
export const NOW = new Date('2026-04-02T13:20:00.000Z')

export interface OpenAiScene {
  server: FakeOpenAi
  generator: Generator
  /** Of pauses, timeouts and breakers. Nothing of it passes by itself. */
  time: SimulatedTime
  clock: SimulatedClock
  /** As the generator told them: kind, direction, tokens. */
  tokens: string[]
  repairs: string[]
  breakers: string[]
  logged: () => string
}

/** A generator in front of a fake provider, on a clock of the test. */
export async function openAiScene(options: Partial<OpenAiGeneratorOptions> = {}): Promise<OpenAiScene> {
  const server = await startFakeOpenAi()
  const time = new SimulatedTime()
  const clock = new SimulatedClock(time)
  const [tokens, repairs, breakers]: string[][] = [[], [], []]
  const lines: string[] = []
  const generator = createOpenAiGenerator({
    baseUrl: server.url,
    apiKey: API_KEY,
    model: 'test-model',
    logger: createLogger({
      level: 'trace',
      format: 'json',
      destination: { write: line => lines.push(line) },
    }),
    onTokens: ({ kind, direction, tokens: count }) => tokens?.push(`${kind} ${direction} ${count}`),
    onRepair: ({ kind }) => repairs?.push(kind),
    onBreakerChange: ({ kind, state }) => breakers?.push(`${kind} ${state}`),
    clock,
    now: () => NOW,
    random: () => 1,
    ...options,
  })
  return {
    server,
    generator,
    time,
    clock,
    tokens: tokens ?? [],
    repairs: repairs ?? [],
    breakers: breakers ?? [],
    logged: () => lines.join(''),
  }
}

/** A run's context whose progress and end the test holds. */
export function runContext(): GenerationContext & { progress: number[]; controller: AbortController } {
  const controller = new AbortController()
  const progress: number[] = []
  return {
    controller,
    progress,
    signal: controller.signal,
    reportProgress: fraction => void progress.push(fraction),
  }
}

export function analysisInput(input: Partial<AnalysisInput> = {}): AnalysisInput {
  return {
    archetype: 'PEAK_PERFORMER',
    mode: 'INITIAL',
    window: { from: new Date(NOW.getTime() - 7 * DAY_MS), to: NOW },
    points: Array.from({ length: 7 }, (_, day) => ({
      metric: 'sleep_hours',
      value: 7 + day / 10,
      unit: 'h',
      recordedAt: new Date(NOW.getTime() - (7 - day) * DAY_MS),
    })),
    previous: null,
    ...input,
  }
}

export const noPreferences: PlanPreferences = {
  dietType: null,
  dietaryRestrictions: [],
  dislikedIngredients: [],
  recipeType: [],
  macroProtein: null,
  macroCarbs: null,
  macroFat: null,
  calorieGoal: null,
  mealTimes: [],
  appliances: [],
  prepComplexity: null,
  servingsPerMeal: 1,
  snacksPerDay: 0,
}

export function planInput(input: Partial<PlanInput> & Pick<PlanInput, 'kind'>): PlanInput {
  const { archetype, points } = analysisInput()
  return {
    archetype,
    date: '2026-04-03',
    days: 1,
    analysis: { summary: 'You sleep well.', result: {}, createdAt: NOW },
    preferences: noPreferences,
    points,
    previousDishes: [],
    ...input,
  }
}

/** Lets every pause pass as soon as it begins, until the generation is over, and says how long they were together. */
export async function withoutPauses<T>(
  { time, clock }: OpenAiScene,
  generation: Promise<T>,
): Promise<PromiseSettledResult<T> & { pausedMs: number }> {
  const startedAtMs = time.nowMs
  let over = false
  const settled = Promise.allSettled([generation]).then(([result]) => {
    over = true
    return result
  })
  while (!over) {
    await until(() => over || clock.pendingTimers > 0, { what: 'a pause or the end of a generation' })
    if (!over) time.fireNext()
  }
  return { ...(await settled), pausedMs: time.nowMs - startedAtMs }
}

/** How a generation fails. */
export async function failureOf(generation: Promise<unknown>): Promise<ProviderFailure> {
  const [result] = await Promise.allSettled([generation])
  if (result.status === 'fulfilled') throw new Error('the generation did not fail')
  if (!(result.reason instanceof ProviderFailure)) throw result.reason
  return result.reason
}
