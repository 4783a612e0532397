import type { Archetype } from '../../shared/archetype.ts'
import type { Better, MetricFamily } from './metric-catalogue.ts'

/** What can be found in a metric; see findings.ts for when. */
export const findingTypes = [
  'trend',
  'shift',
  'level',
  'weekend',
  'outliers',
  'unevenness',
  'regularity',
] as const
export type FindingType = (typeof findingTypes)[number]

export interface ArchetypeReading {
  /** In the middle of a sentence. */
  name: string
  /** How much a family of metrics, and a kind of finding, concerns this archetype, 0 to 1. Multiplied. */
  families: Record<MetricFamily, number>
  findings: Record<FindingType, number>
  /** Where this archetype sees good and bad otherwise than the catalogue does. */
  better: Partial<Record<MetricFamily, Better>>
  /** What to record before anything else, the most telling first; names of the catalogue. */
  recordFirst: readonly string[]
  /** Puts an action into the way this archetype changes things. */
  advise(action: string): string
}

/** The table by which the four archetypes read the same data points. */
export const archetypeReadings: Record<Archetype, ArchetypeReading> = {
  // Habits first: whether things happen at all, every day, weekends included.
  FOUNDATION_BUILDER: {
    name: 'Foundation Builder',
    families: {
      sleep: 1.0,
      movement: 0.9,
      training: 0.5,
      recovery: 0.5,
      mood: 0.7,
      work: 0.5,
      nutrition: 0.7,
      body: 0.5,
      other: 0.4,
    },
    findings: {
      trend: 0.7,
      shift: 0.7,
      level: 0.9,
      weekend: 0.9,
      outliers: 0.4,
      unevenness: 0.9,
      regularity: 1.0,
    },
    better: {},
    recordFirst: ['sleep_hours', 'steps', 'mood'],
    advise: action => `One small step is enough: ${action}. Add the next one when this happens by itself.`,
  },
  // Output and its direction; recovery counts as what carries it.
  PEAK_PERFORMER: {
    name: 'Peak Performer',
    families: {
      sleep: 0.7,
      movement: 0.9,
      training: 1.0,
      recovery: 0.9,
      mood: 0.4,
      work: 1.0,
      nutrition: 0.6,
      body: 0.6,
      other: 0.4,
    },
    findings: {
      trend: 1.0,
      shift: 0.9,
      level: 0.8,
      weekend: 0.5,
      outliers: 0.7,
      unevenness: 0.5,
      regularity: 0.4,
    },
    better: { work: 'higher' },
    recordFirst: ['active_minutes', 'resting_heart_rate', 'sleep_hours', 'steps'],
    advise: action => `Treat it like training: ${action}, and hold it against the same number in one week.`,
  },
  // Everything that can be measured and changed one thing at a time; even weights, patterns above moments.
  SYSTEMATIC_IMPROVER: {
    name: 'Systematic Improver',
    families: {
      sleep: 0.8,
      movement: 0.8,
      training: 0.8,
      recovery: 0.8,
      mood: 0.7,
      work: 0.8,
      nutrition: 0.8,
      body: 0.7,
      other: 0.6,
    },
    findings: {
      trend: 0.9,
      shift: 0.8,
      level: 0.6,
      weekend: 0.9,
      outliers: 0.8,
      unevenness: 0.8,
      regularity: 0.7,
    },
    better: {},
    recordFirst: ['sleep_hours', 'steps', 'resting_heart_rate', 'coding_seconds'],
    advise: action => `Change one thing for two weeks and compare: ${action}, and leave the rest as it is.`,
  },
  // Rest, mood and rhythm; volume hardly counts, and long work days are a strain.
  RESILIENCE_REBUILDER: {
    name: 'Resilience Rebuilder',
    families: {
      sleep: 1.0,
      movement: 0.4,
      training: 0.3,
      recovery: 1.0,
      mood: 1.0,
      work: 0.6,
      nutrition: 0.5,
      body: 0.3,
      other: 0.4,
    },
    findings: {
      trend: 0.8,
      shift: 1.0,
      level: 0.9,
      weekend: 0.5,
      outliers: 0.8,
      unevenness: 1.0,
      regularity: 0.8,
    },
    better: { work: 'lower' },
    recordFirst: ['sleep_hours', 'mood', 'resting_heart_rate'],
    advise: action => `Go gently: ${action}, and let it go on a hard day without making up for it.`,
  },
}
