import { z } from 'zod'
import type { JsonValue } from '../../../shared/json.ts'
import { findingTypes } from '../archetype-weights.ts'
import { type Side, sides } from '../findings.ts'
import { findMetricEntry, type MetricFamily } from '../metric-catalogue.ts'

/** What an analysis found to be wrong, as far as it changes a plan. */
export interface Concerns {
  /** Of the metrics in which something is bad. */
  families: ReadonlySet<MetricFamily>
  /** Of these, the ones with too little of it, and the ones with too much; it may be both, or neither. */
  tooLittle: ReadonlySet<MetricFamily>
  tooMuch: ReadonlySet<MetricFamily>
  /** Too little of it, or less and less. */
  shortSleep: boolean
  /** Nights of very different length, or other ones at weekends. */
  unevenSleep: boolean
  /** What the analysis would do first, a sentence; null where it says nothing. */
  firstStep: string | null
}

const nothing: Concerns = {
  families: new Set(),
  tooLittle: new Set(),
  tooMuch: new Set(),
  shortSleep: false,
  unevenSleep: false,
  firstStep: null,
}
/** A step is quoted in a sentence of its own; what is longer was not written by the rules engine. */
const longestStep = 200

const result = z.object({
  engine: z.literal('rules'),
  version: z.literal(1),
  focus: z.array(z.unknown()).catch([]),
  nextSteps: z.array(z.unknown()).catch([]),
})
const badFinding = z.object({
  metric: z.string(),
  finding: z.enum(findingTypes),
  judgement: z.literal('bad'),
  side: z.enum(sides).nullable().catch(null),
})
const step = z.string().min(1).max(longestStep)

/** Reads what the rules engine once stored. Of another generator's or version's result, and of one that does not fit, nothing. */
export function readConcerns(stored: JsonValue): Concerns {
  const parsed = result.safeParse(stored)
  if (!parsed.success) return nothing
  const findings = parsed.data.focus.flatMap(entry => badFinding.safeParse(entry).data ?? [])
  const familyOf = ({ metric }: { metric: string }) => findMetricEntry(metric).family
  const familiesAt = (wanted: Side) => new Set(findings.filter(({ side }) => side === wanted).map(familyOf))
  const sleep = findings.filter(finding => familyOf(finding) === 'sleep')
  return {
    families: new Set(findings.map(familyOf)),
    tooLittle: familiesAt('below'),
    tooMuch: familiesAt('above'),
    shortSleep: sleep.some(
      ({ finding, side }) => side === 'below' && ['level', 'trend', 'shift'].includes(finding),
    ),
    unevenSleep: sleep.some(({ finding }) => ['unevenness', 'weekend', 'outliers'].includes(finding)),
    firstStep: step.safeParse(parsed.data.nextSteps[0]).data ?? null,
  }
}
