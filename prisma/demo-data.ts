export interface DemoDataPoint {
  metric: string
  value: number
  unit: string | null
  recordedAt: Date
  source: string
  externalId: string
}

/** Something put into the demo data for an analysis of all its days to find. */
export interface PlantedFinding {
  metric: string
  finding: 'trend' | 'weekend' | 'level' | 'outliers'
  direction: 'up' | 'down'
  /** In the metric's unit: the change over all days, weekend against weekday, or the value reached. */
  amount: number
  /** Which days, counted back from `until`; only for outliers. */
  daysAgo?: readonly number[]
}

/** What an analysis of the 90 days should find, and nothing beside it: mood, for one, is flat. */
export const plantedFindings = [
  { metric: 'sleep_hours', finding: 'trend', direction: 'down', amount: 1.2 },
  { metric: 'resting_heart_rate', finding: 'trend', direction: 'up', amount: 6 },
  { metric: 'steps', finding: 'weekend', direction: 'down', amount: 3_500 },
  { metric: 'steps', finding: 'level', direction: 'up', amount: 8_000 },
  { metric: 'coding_seconds', finding: 'weekend', direction: 'down', amount: 12_600 },
  { metric: 'coding_seconds', finding: 'outliers', direction: 'up', amount: 46_800, daysAgo: [23, 52] },
] as const satisfies readonly PlantedFinding[]

/** The metric in which there is nothing to find. */
export const flatMetric = 'mood'

interface Day {
  /** 0 on the first of the days, 1 on the last. */
  elapsed: number
  daysAgo: number
  weekend: boolean
  /** Standard normal, drawn for this metric and day. */
  noise: number
}

interface DemoMetric {
  metric: string
  unit: string | null
  /** Time of the day in UTC, in hours. */
  recordedAtHour: number
  valueOn(day: Day): number
}

const [sleepTrend, heartTrend, stepsWeekend, , codingWeekend, codingOutliers] = plantedFindings

const demoMetrics: readonly DemoMetric[] = [
  {
    metric: 'sleep_hours',
    unit: 'h',
    recordedAtHour: 6.5,
    // Slightly longer at weekends, too little to be worth telling.
    valueOn: ({ elapsed, weekend, noise }) =>
      rounded(7.8 - sleepTrend.amount * elapsed + (weekend ? 0.1 : 0) + 0.45 * noise, 0.01),
  },
  {
    metric: 'resting_heart_rate',
    unit: 'bpm',
    recordedAtHour: 6.6,
    valueOn: ({ elapsed, noise }) => rounded(55 + heartTrend.amount * elapsed + 1.6 * noise, 1),
  },
  {
    metric: 'steps',
    unit: 'steps',
    recordedAtHour: 21.75,
    valueOn: ({ weekend, noise }) =>
      Math.max(0, rounded(10_600 - (weekend ? stepsWeekend.amount : 0) + 1_100 * noise, 1)),
  },
  {
    metric: 'coding_seconds',
    unit: 's',
    recordedAtHour: 18.25,
    valueOn: ({ daysAgo, weekend, noise }) => {
      if (isOutlier('coding_seconds', daysAgo)) return rounded(codingOutliers.amount + 600 * noise, 1)
      return Math.max(0, rounded(18_000 - (weekend ? codingWeekend.amount : 0) + 2_400 * noise, 1))
    },
  },
  {
    metric: flatMetric,
    unit: null,
    recordedAtHour: 20.25,
    valueOn: ({ noise }) => Math.min(10, Math.max(1, rounded(6.7 + 0.9 * noise, 1))),
  },
]

const dayMs = 86_400_000
/** Three or four days of the 90 have no value, as with a watch left at home. */
const missingShare = 0.04

/**
 * Believable data of the days that end at `until`, ordered by metric and time; nothing lies after it. The noise of a day
 * depends on that day alone, and the externalId on metric and day: storing again on the same day stores nothing twice,
 * and storing again later adds the days since.
 * @param options.seed another seed is another person with the same planted findings
 */
export function createDemoDataPoints(options: {
  until: Date
  days?: number
  seed?: number
}): DemoDataPoint[] {
  const { until, days = 90, seed = 1 } = options
  const from = until.getTime() - days * dayMs
  const lastDay = Math.floor(until.getTime() / dayMs)
  return demoMetrics.flatMap(({ metric, unit, recordedAtHour, valueOn }) => {
    const points: DemoDataPoint[] = []
    for (let day = lastDay - days; day <= lastDay; day++) {
      const draw = mulberry32(hash(`${seed}:${metric}:${day}`))
      const noise = normal(draw)
      const recordedAt = new Date(day * dayMs + recordedAtHour * 3_600_000 + Math.floor(draw() * 900_000))
      const missing = draw() < missingShare
      const daysAgo = lastDay - day
      if (recordedAt.getTime() <= from || recordedAt > until) continue
      if (missing && !isOutlier(metric, daysAgo)) continue
      const elapsed = (recordedAt.getTime() - from) / (days * dayMs)
      const weekday = recordedAt.getUTCDay()
      const value = valueOn({ elapsed, daysAgo, weekend: weekday === 0 || weekday === 6, noise })
      const externalId = `demo:${metric}:${recordedAt.toISOString().slice(0, 10)}`
      points.push({ metric, value, unit, recordedAt, source: 'demo', externalId })
    }
    return points
  })
}

function isOutlier(metric: string, daysAgo: number): boolean {
  return metric === codingOutliers.metric && codingOutliers.daysAgo.some(planted => planted === daysAgo)
}

function rounded(value: number, step: number): number {
  return Number((Math.round(value / step) * step).toFixed(2))
}

/** Box and Muller. */
function normal(draw: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw())
}

/** Tommy Ettinger's mulberry32: small, and good enough for noise. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let state = 0x811c9dc5
  for (const character of text) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193)
  return state >>> 0
}
