import { type BreakerState, CircuitBreaker } from '../../shared/circuit-breaker.ts'
import { type Clock, systemClock } from '../../shared/clock.ts'
import type { JsonValue } from '../../shared/json.ts'
import type { Logger } from '../../shared/logger.ts'
import { inSpan, type Tracing } from '../../shared/tracing.ts'
import type { AnalysisDraft, AnalysisInput, GenerationContext, Generator } from '../generator.ts'
import type { InterviewPromptDraft, InterviewPromptInput } from '../interview-prompt.ts'
import type { ExchangeInput, FactDraft } from '../memory.ts'
import type { PlanDraft, PlanInput, PlanKind } from '../plan.ts'
import type { ReplyContext, ReplyDraft, ReplyInput } from '../reply.ts'
import { generateInterviewPrompt } from '../rules/interview-prompt.ts'
import { createRulesReplies } from '../rules/replies/reply-by-extraction.ts'
import { analysisDraft, analysisQuestion, loadAnalysisPrompt } from './analysis-question.ts'
import { afterThought, storable } from './answer-text.ts'
import { askModel, type Question, type Reply } from './ask-model.ts'
import { ChatClient } from './chat-client.ts'
import { interviewPromptDraft, interviewQuestion, loadInterviewPrompt } from './interview-question.ts'
import { factDrafts, loadMemoryPrompt, memoryQuestion } from './memory-question.ts'
import { type CallPolicy, callPersistently, longestCallMs } from './persistent-call.ts'
import {
  loadPlanPrompts,
  menuQuestion,
  nutritionQuestion,
  type PlanQuestion,
  planFacts,
  routineQuestion,
} from './plan-question.ts'
import { findNumericConflicts } from './preference-conflicts.ts'
import { loadMessage } from './prompt-template.ts'
import type { AnswerLimits } from './read-answer.ts'
import { loadReplyPrompt, replyDraft, replyQuestion, replySoFar } from './reply-question.ts'

/** As the metrics name what is generated. */
export type OpenAiKind =
  | 'BEHAVIOR_ANALYSIS'
  | `${PlanKind}_PLAN`
  | 'INTERVIEW_PROMPT'
  | 'CONVERSATION_REPLY'
  | 'MEMORY_EXTRACTION'

export interface OpenAiGeneratorOptions {
  /** Ends in /v1. */
  baseUrl: string
  /** Undefined for a server that asks for none. */
  apiKey: string | undefined
  model: string
  logger: Logger
  /** One span for each call of the server, without what was asked and answered. */
  tracing?: Tracing | undefined
  /** Told after every answer whose server says what it cost, also of one that is then repaired. */
  onTokens: (count: { kind: OpenAiKind; direction: 'input' | 'output'; tokens: number }) => void
  onRepair?: (repair: { kind: OpenAiKind }) => void
  onBreakerChange?: (change: { kind: OpenAiKind; state: BreakerState }) => void
  /** Bounds each call of the provider, retries not counted in. Undefined: the signal of the run alone does. */
  callTimeoutMs?: number | undefined
  limits?: Partial<AnswerLimits>
  policy?: Partial<Omit<CallPolicy, 'callTimeoutMs'>>
  breaker?: { openAfter?: number; openForMs?: number }
  clock?: Clock
  /** The wall clock, for a Retry-After that is a date. */
  now?: () => Date
  random?: () => number
}

/** The largest plan, two weeks of six dishes a day, is a twentieth of it. */
const LIMITS: AnswerLimits = {
  answerBytes: 2 * 1024 * 1024,
  streamBytes: 32 * 1024 * 1024,
  errorBodyMs: 2000,
}
/** Somebody waits for the answer: tries are few, and pauses shorter than a generation takes. */
const POLICY = { tries: 3, baseMs: 500, maxMs: 8000, longestRetryAfterMs: 30_000 }
/** More failures in a row than one run makes alone, so that one unlucky run closes nothing. */
const BREAKER = { openAfter: 5, openForMs: 30_000 }
/**
 * Whoever has nothing to say in a text that may be any text has kept to the schema, whose strict mode knows no least length and not
 * everywhere a pattern: the answer is paid for and taken, and what the text is for is made of what the gateway has itself.
 */
const byRules = { generateInterviewPrompt, ...createRulesReplies() }
/** The answer, and its correction. */
const MOST_EXCHANGES = 2

/**
 * A generator behind any server that speaks OpenAI's chat completions. One call of a method makes one call of the
 * server, a few more where it fails for a moment, and as many again when its answer has to be corrected.
 * Nothing that names a user is sent. Reads its prompts from files: blocks, so at start only.
 * @throws Error where a prompt does not fit the code
 */
export function createOpenAiGenerator(options: OpenAiGeneratorOptions): Generator {
  const { model, logger, clock = systemClock, random = Math.random } = options
  const prompts = {
    analysis: loadAnalysisPrompt(),
    plans: loadPlanPrompts(),
    interview: loadInterviewPrompt(),
    reply: loadReplyPrompt(),
    memory: loadMemoryPrompt(),
    repair: loadMessage('repair.v1', ['problems']),
  }
  const client = new ChatClient({
    baseUrl: options.baseUrl,
    apiKey: options.apiKey,
    model,
    limits: { ...LIMITS, ...options.limits },
    now: options.now ?? (() => new Date()),
  })
  const policy = { ...POLICY, ...options.policy, callTimeoutMs: options.callTimeoutMs }
  const breakerByKind = new Map<OpenAiKind, CircuitBreaker>()

  function breakerOf(kind: OpenAiKind): CircuitBreaker {
    const known = breakerByKind.get(kind)
    if (known) return known
    const onChange = (state: BreakerState) => {
      logger.warn({ kind, state }, 'the circuit breaker of the model provider moved')
      options.onBreakerChange?.({ kind, state })
    }
    const breaker = new CircuitBreaker({ clock, ...BREAKER, ...options.breaker, onChange })
    breakerByKind.set(kind, breaker)
    return breaker
  }

  function ask<Answer>(
    kind: OpenAiKind,
    question: Question<Answer>,
    context: GenerationContext,
    onContent?: (content: string) => void,
  ): Promise<Reply<Answer>> {
    const breaker = breakerOf(kind)
    const log = logger.child({ kind })
    const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': model }
    return askModel(question, {
      client,
      repair: prompts.repair,
      context,
      ...(onContent && { onContent }),
      persist: call => {
        const traced = (signal: AbortSignal) =>
          inSpan(options.tracing, 'POST chat/completions', { kind: 'client', attributes }, () => call(signal))
        return callPersistently(traced, context.signal, { policy, breaker, clock, random, logger: log })
      },
      onUsage: ({ input, output }) => {
        options.onTokens({ kind, direction: 'input', tokens: input })
        options.onTokens({ kind, direction: 'output', tokens: output })
      },
      onRepair: () => {
        log.info('an answer of the model did not have the expected form and goes back to it')
        options.onRepair?.({ kind })
      },
    })
  }

  const provenance = (
    template: string,
    { repaired, tokens }: Reply<unknown>,
  ): { [key: string]: JsonValue } => ({
    engine: 'openai',
    model,
    template,
    repaired,
    tokens: tokens && { ...tokens },
  })

  async function makePlan<Answer>(
    kind: PlanKind,
    template: string,
    { question, read }: PlanQuestion<Answer>,
    context: GenerationContext,
  ): Promise<PlanDraft> {
    const reply = await ask(`${kind}_PLAN`, question, context)
    const { mainDishes, ...plan } = read(reply.answer)
    context.reportProgress(1)
    const notes = plan.notes.map(({ message }) => message)
    return { ...plan, metadata: { ...provenance(template, reply), ...(mainDishes && { mainDishes }), notes } }
  }

  return {
    name: 'openai',

    longestGenerationMs,

    async generateAnalysis(input: AnalysisInput, context: GenerationContext): Promise<AnalysisDraft> {
      const { question, digest } = await analysisQuestion(prompts.analysis, input, context.signal)
      const reply = await ask('BEHAVIOR_ANALYSIS', question, context)
      context.reportProgress(1)
      return analysisDraft(reply.answer, input, digest, provenance(prompts.analysis.name, reply))
    },

    async generatePlan(input: PlanInput, context: GenerationContext): Promise<PlanDraft> {
      const facts = await planFacts(input, context.signal)
      const { ROUTINE, NUTRITION, MENU } = prompts.plans
      switch (input.kind) {
        case 'ROUTINE':
          return makePlan('ROUTINE', ROUTINE.name, routineQuestion(ROUTINE.fill(facts)), context)
        case 'NUTRITION':
          return makePlan(
            'NUTRITION',
            NUTRITION.name,
            nutritionQuestion(NUTRITION.fill(facts), input),
            context,
          )
        case 'MENU':
          return makePlan('MENU', MENU.name, menuQuestion(MENU.fill(facts), input), context)
      }
    },

    async generateInterviewPrompt(
      input: InterviewPromptInput,
      context: GenerationContext,
    ): Promise<InterviewPromptDraft> {
      const reply = await ask('INTERVIEW_PROMPT', interviewQuestion(prompts.interview, input), context)
      const draft = interviewPromptDraft(reply.answer, provenance(prompts.interview.name, reply))
      context.reportProgress(1)
      return draft.text === '' ? byRules.generateInterviewPrompt(input, context) : draft
    },

    async generateReply(input: ReplyInput, context: ReplyContext): Promise<ReplyDraft> {
      const question = replyQuestion(prompts.reply, input)
      const reply = await ask('CONVERSATION_REPLY', question, context, content => {
        const text = replySoFar(afterThought(content))
        if (text !== undefined) context.reportText(storable(text))
      })
      const draft = replyDraft(reply.answer, input)
      return draft.text.trim() === '' ? byRules.generateReply(input, context) : draft
    },

    async extractFacts(input: ExchangeInput, context: GenerationContext): Promise<FactDraft[]> {
      return factDrafts(
        (await ask('MEMORY_EXTRACTION', memoryQuestion(prompts.memory, input), context)).answer,
      )
    },

    findPreferenceConflicts: ({ kind, preferences }) => findNumericConflicts(kind, preferences),
  }
}

/** A bound above a whole generation, for who guards it from outside, where each call is bounded by `callTimeoutMs`. */
function longestGenerationMs(callTimeoutMs: number): number {
  return MOST_EXCHANGES * longestCallMs({ ...POLICY, callTimeoutMs })
}
