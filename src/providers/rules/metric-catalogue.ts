/** What a metric tells about; archetypes weigh families, not single metrics. */
export const metricFamilies = [
  'sleep',
  'movement',
  'training',
  'recovery',
  'mood',
  'work',
  'nutrition',
  'body',
  'other',
] as const
export type MetricFamily = (typeof metricFamilies)[number]

/** Which way a value should go; a range is good inside and worse the farther outside. */
export type Better = 'higher' | 'lower' | 'neither' | { from: number; to: number }

/** All amounts are in the metric's own unit: seconds for coding_seconds, however it is shown. */
export interface MetricEntry {
  /** As it stands in the middle of a sentence. */
  name: string
  family: MetricFamily
  /** How the end user reads it: value / divideBy, rounded to a multiple of roundTo. */
  display: { unit: string; divideBy: number; roundTo: number }
  /** False where only the recorded unit says what a value means, so that kilograms and pounds are not mixed. */
  nameFixesUnit: boolean
  /**
   * How a day's points make the day's value. `max` for sleep: a nap does not halve the night, a second tracker does
   * not double it.
   */
  perDay: 'sum' | 'mean' | 'max'
  better: Better
  /** Values outside are errors of a sensor or a unit, and left out. For one point, not for the day. */
  plausible: { from: number; to: number }
  /** The smallest change worth telling: this amount, or this share of the usual value, whichever is more. */
  relevantChange: { amount: number; share: number }
  /** Known good and poor values of a day; only where research or a guideline names them. */
  goodDay: { from: number; to: number } | null
  poorDay: { below: number; above: number } | null
  /** Day-to-day spread (as a standard deviation) from which the metric is uneven. */
  unevenSpread: number | null
  /** Whether a day without a value is a gap. */
  everyDay: boolean
  /** Lower values at weekends are rest, not neglect. */
  restsAtWeekend: boolean
}

/** Beyond this a double no longer tells neighbouring whole numbers apart; nothing a person measures lies there. */
const largestMeasure = 1e15

const neutral: Omit<MetricEntry, 'name'> = {
  family: 'other',
  display: { unit: '', divideBy: 1, roundTo: 0 },
  nameFixesUnit: false,
  perDay: 'mean',
  better: 'neither',
  plausible: { from: -largestMeasure, to: largestMeasure },
  relevantChange: { amount: 0, share: 0.1 },
  goodDay: null,
  poorDay: null,
  unevenSpread: null,
  everyDay: false,
  restsAtWeekend: false,
}

const known = {
  sleep_hours: {
    ...neutral,
    name: 'sleep',
    family: 'sleep',
    display: { unit: 'h', divideBy: 1, roundTo: 0.1 },
    nameFixesUnit: true,
    perDay: 'max',
    // Seven to nine hours for adults: the consensus of the American Academy of Sleep Medicine, 2015.
    better: { from: 7, to: 9 },
    plausible: { from: 0, to: 24 },
    relevantChange: { amount: 0.5, share: 0 },
    goodDay: { from: 7, to: 9 },
    poorDay: { below: 7, above: 10 },
    unevenSpread: 1.25,
    everyDay: true,
  },
  steps: {
    ...neutral,
    name: 'steps',
    family: 'movement',
    display: { unit: '', divideBy: 1, roundTo: 10 },
    nameFixesUnit: true,
    perDay: 'sum',
    better: 'higher',
    plausible: { from: 0, to: 200_000 },
    relevantChange: { amount: 1_000, share: 0.1 },
    // Mortality falls up to about 8,000 steps a day (Paluch and others, Lancet Public Health 2022).
    goodDay: { from: 8_000, to: 200_000 },
    poorDay: { below: 5_000, above: Number.POSITIVE_INFINITY },
    everyDay: true,
  },
  active_minutes: {
    ...neutral,
    name: 'active time',
    family: 'training',
    display: { unit: 'min', divideBy: 1, roundTo: 1 },
    nameFixesUnit: true,
    perDay: 'sum',
    better: 'higher',
    plausible: { from: 0, to: 1_440 },
    relevantChange: { amount: 10, share: 0.15 },
    // WHO 2020: 150 to 300 minutes a week.
    goodDay: { from: 22, to: 1_440 },
    poorDay: { below: 10, above: Number.POSITIVE_INFINITY },
  },
  distance_meters: {
    ...neutral,
    name: 'distance covered',
    family: 'training',
    display: { unit: 'km', divideBy: 1_000, roundTo: 0.1 },
    nameFixesUnit: true,
    perDay: 'sum',
    better: 'higher',
    plausible: { from: 0, to: 1_000_000 },
    relevantChange: { amount: 500, share: 0.1 },
  },
  resting_heart_rate: {
    ...neutral,
    name: 'resting heart rate',
    family: 'recovery',
    display: { unit: 'bpm', divideBy: 1, roundTo: 1 },
    nameFixesUnit: true,
    better: 'lower',
    plausible: { from: 20, to: 150 },
    relevantChange: { amount: 3, share: 0 },
    poorDay: { below: 0, above: 90 },
    everyDay: true,
  },
  heart_rate: {
    ...neutral,
    name: 'heart rate',
    family: 'recovery',
    display: { unit: 'bpm', divideBy: 1, roundTo: 1 },
    nameFixesUnit: true,
    // High in training and low at rest: a day's average is neither good nor bad.
    plausible: { from: 20, to: 250 },
    relevantChange: { amount: 5, share: 0 },
  },
  hrv_ms: {
    ...neutral,
    name: 'heart rate variability',
    family: 'recovery',
    display: { unit: 'ms', divideBy: 1, roundTo: 1 },
    nameFixesUnit: true,
    better: 'higher',
    plausible: { from: 0, to: 400 },
    relevantChange: { amount: 5, share: 0.1 },
  },
  // Scales differ (1 to 5, 1 to 10, 0 to 100), so the relevant change is a share of the usual value.
  mood: { ...neutral, ...scale('mood'), better: 'higher', everyDay: true },
  energy: { ...neutral, ...scale('energy'), better: 'higher' },
  stress: { ...neutral, ...scale('stress'), better: 'lower' },
  coding_seconds: {
    ...neutral,
    name: 'coding time',
    family: 'work',
    display: { unit: 'h', divideBy: 3_600, roundTo: 0.1 },
    nameFixesUnit: true,
    perDay: 'sum',
    plausible: { from: 0, to: 86_400 },
    relevantChange: { amount: 1_800, share: 0.15 },
    restsAtWeekend: true,
  },
  calories: {
    ...neutral,
    name: 'calories',
    family: 'nutrition',
    display: { unit: 'kcal', divideBy: 1, roundTo: 10 },
    nameFixesUnit: true,
    perDay: 'sum',
    plausible: { from: 0, to: 20_000 },
    relevantChange: { amount: 200, share: 0.1 },
  },
  water_ml: {
    ...neutral,
    name: 'water',
    family: 'nutrition',
    display: { unit: 'l', divideBy: 1_000, roundTo: 0.1 },
    nameFixesUnit: true,
    perDay: 'sum',
    better: 'higher',
    plausible: { from: 0, to: 20_000 },
    relevantChange: { amount: 300, share: 0.1 },
  },
  // Kilograms or pounds: the recorded unit decides.
  weight: {
    ...neutral,
    name: 'weight',
    family: 'body',
    display: { unit: '', divideBy: 1, roundTo: 0.1 },
    plausible: { from: 1, to: 2_000 },
    relevantChange: { amount: 0, share: 0.015 },
  },
} satisfies Record<string, MetricEntry>

export type CatalogueMetric = keyof typeof known

const catalogue = new Map<string, MetricEntry>(Object.entries(known))

export const catalogueMetrics = Object.keys(known) as readonly CatalogueMetric[]

export function isInCatalogue(metric: string): metric is CatalogueMetric {
  return catalogue.has(metric)
}

/** A metric that the catalogue does not know is analysed too, without a judgement of what is good. */
export function findMetricEntry(metric: string): MetricEntry {
  return catalogue.get(metric) ?? { ...neutral, name: metric.replaceAll('_', ' ').trim() || metric }
}

function scale(name: string) {
  return {
    name,
    family: 'mood',
    display: { unit: '', divideBy: 1, roundTo: 0.1 },
    plausible: { from: -1_000, to: 1_000 },
    relevantChange: { amount: 0, share: 0.12 },
  } satisfies Partial<MetricEntry>
}
