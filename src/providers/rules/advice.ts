import type { FindingType } from './archetype-weights.ts'
import type { MetricFamily } from './metric-catalogue.ts'

export interface Advice {
  title: string
  /** An imperative without its full stop, as an archetype's `advise` takes it. */
  action: string
}

type FamilyAdvice = { usually: Advice } & Partial<Record<FindingType, Advice>>

/** What to do about a finding that is bad, by the family of its metric and, where it differs, by the finding. */
const adviceByFamily: Record<MetricFamily, FamilyAdvice> = {
  sleep: {
    usually: {
      title: 'Win back sleep',
      action: 'put the lights out 20 minutes earlier on four evenings a week',
    },
    weekend: {
      title: 'Even out your nights',
      action: 'keep the same bedtime on Friday and Saturday as on Thursday',
    },
    unevenness: {
      title: 'Even out your nights',
      action: 'get up at the same time every day, weekends included',
    },
    outliers: { title: 'Look at your odd nights', action: 'note what came before each of these nights' },
  },
  movement: {
    usually: {
      title: 'Bring movement back',
      action: 'add one walk of 15 minutes at a fixed time of the day',
    },
    weekend: {
      title: 'Give weekends a walk',
      action: 'plan one walk of half an hour on Saturday and one on Sunday',
    },
  },
  training: {
    usually: {
      title: 'Rebuild your training',
      action: 'put two sessions of 30 minutes on fixed days of the week',
    },
    weekend: { title: 'Use one weekend day', action: 'move one session of the week to Saturday or Sunday' },
  },
  recovery: {
    usually: {
      title: 'Make room for recovery',
      action: 'keep two days a week free of hard effort and of alcohol',
    },
    outliers: {
      title: 'Look at your strained days',
      action: 'note illness, alcohol and late nights on such days',
    },
  },
  mood: {
    usually: { title: 'Look after your mood', action: 'plan one thing a day that has done you good before' },
    weekend: { title: 'Shape your weekends', action: 'make one plan with somebody for each weekend' },
  },
  work: {
    usually: { title: 'Set your working hours', action: 'fix the hour at which the working day ends' },
    outliers: {
      title: 'Cap your longest days',
      action: 'stop two hours earlier the day after a day like these',
    },
  },
  nutrition: {
    usually: {
      title: 'Steady your meals',
      action: 'fix the time of one meal that is often missed or hurried',
    },
  },
  body: { usually: { title: 'Watch the direction', action: 'weigh in on the same two mornings a week' } },
  other: { usually: { title: 'Look into the change', action: 'note what else changed in the same days' } },
}

/** What to make of a finding that is neither good nor bad; a trend needs no advice to be told. */
const neutralAdvice: Partial<Record<FindingType, { title(name: string): string; sentence: string }>> = {
  weekend: {
    title: name => `Plan weekends on their own in ${name}`,
    sentence: 'An average of all days describes neither: set yourself a measure for each.',
  },
  outliers: {
    title: name => `Look back at unusual days in ${name}`,
    sentence: 'Where you remember what was different, note it.',
  },
  shift: {
    title: name => `Keep an eye on your ${name}`,
    sentence: 'The next days will show whether it stays like this.',
  },
}

export function neutralAdviceFor(
  type: FindingType,
): { title(name: string): string; sentence: string } | null {
  return neutralAdvice[type] ?? null
}

export function adviceFor(family: MetricFamily, type: FindingType): Advice {
  const advice = adviceByFamily[family]
  return advice[type] ?? advice.usually
}
