import type { FindingType } from './archetype-weights.ts'
import type { Finding, Side } from './findings.ts'
import { type CatalogueMetric, isInCatalogue } from './metric-catalogue.ts'

export interface Advice {
  title: string
  /** An imperative without its full stop, as an archetype's `advise` takes it. */
  action: string
}

/** What helps against too little is seldom what helps against too much. */
type BySide = Record<Side, Advice>
type MetricAdvice = { usually: BySide } & Partial<Record<FindingType, BySide>>

const whicheverSide = (advice: Advice): BySide => ({ below: advice, above: advice })

const lookIntoIt: Advice = {
  title: 'Look into the change',
  action: 'note what else changed in the same days',
}
const evenNights: Advice = {
  title: 'Even out your nights',
  action: 'get up at the same time every day, weekends included',
}
const oddNights = whicheverSide({
  title: 'Look at your odd nights',
  action: 'note what came before each of these nights',
})
const recover: Advice = {
  title: 'Make room for recovery',
  action: 'keep two days a week free of hard effort and of alcohol',
}
const strainedDays: Advice = {
  title: 'Look at your strained days',
  action: 'note illness, alcohol and late nights on such days',
}
const rebuildTraining: Advice = {
  title: 'Rebuild your training',
  action: 'put two sessions of 30 minutes on fixed days of the week',
}
const easeTraining: Advice = {
  title: 'Let training settle',
  action: 'keep two days a week free of training, the day after the hardest one among them',
}
const weekendTraining: BySide = {
  below: { title: 'Use one weekend day', action: 'move one session of the week to Saturday or Sunday' },
  above: { title: 'Spread your training', action: 'move one session of the weekend to a weekday' },
}
const training: MetricAdvice = {
  usually: { below: rebuildTraining, above: easeTraining },
  weekend: weekendTraining,
}
const lookAfterMood: Advice = {
  title: 'Look after your mood',
  action: 'plan one thing a day that has done you good before',
}
const keepWhatLifts: Advice = {
  title: 'Keep what lifts you',
  action: 'note what you did on the days that felt best',
}
const liftWeekends: Advice = {
  title: 'Shape your weekends',
  action: 'make one plan with somebody for each weekend',
}
const lift: MetricAdvice = {
  usually: { below: lookAfterMood, above: keepWhatLifts },
  weekend: { below: liftWeekends, above: keepWhatLifts },
}
const weighIn: Advice = { title: 'Watch the direction', action: 'weigh in on the same two mornings a week' }
const steadyMeals: Advice = {
  title: 'Steady your meals',
  action: 'fix the time of one meal that is often missed or hurried',
}

/** What to do about a finding that is bad, by its metric, the side and, where it differs, by the kind of finding. */
const adviceByMetric: Record<CatalogueMetric, MetricAdvice> = {
  sleep_hours: {
    usually: {
      below: {
        title: 'Win back sleep',
        action: 'put the lights out 20 minutes earlier on four evenings a week',
      },
      above: {
        title: 'Get up at a fixed time',
        action: 'set the alarm for nine hours after lights out, and ask a doctor if that leaves you tired',
      },
    },
    weekend: {
      below: {
        title: 'Even out your nights',
        action: 'keep the same bedtime on Friday and Saturday as on Thursday',
      },
      above: {
        title: 'Even out your nights',
        action: 'get up on Saturday and Sunday within an hour of your weekday time',
      },
    },
    unevenness: whicheverSide(evenNights),
    outliers: oddNights,
  },
  steps: {
    usually: {
      below: {
        title: 'Bring movement back',
        action: 'add one walk of 15 minutes at a fixed time of the day',
      },
      above: { title: 'Let your legs rest', action: 'take the shorter way on one day of the week' },
    },
    weekend: {
      below: {
        title: 'Give weekends a walk',
        action: 'plan one walk of half an hour on Saturday and one on Sunday',
      },
      above: { title: 'Spread your walks', action: 'add a short walk on two weekdays' },
    },
  },
  active_minutes: training,
  distance_meters: training,
  resting_heart_rate: {
    usually: { below: lookIntoIt, above: recover },
    outliers: { below: lookIntoIt, above: strainedDays },
  },
  heart_rate: {
    usually: { below: lookIntoIt, above: recover },
    outliers: { below: lookIntoIt, above: strainedDays },
  },
  hrv_ms: {
    usually: { below: recover, above: lookIntoIt },
    outliers: { below: strainedDays, above: lookIntoIt },
  },
  mood: lift,
  energy: lift,
  stress: {
    usually: {
      below: keepWhatLifts,
      above: { title: 'Take pressure out', action: 'keep half an hour a day in which nobody can reach you' },
    },
    weekend: {
      below: keepWhatLifts,
      above: {
        title: 'Take pressure out of weekends',
        action: 'keep one half of each weekend free of any plan',
      },
    },
  },
  coding_seconds: {
    usually: {
      below: {
        title: 'Protect your working time',
        action: 'block the first hour and a half of the working day for one task, without messages',
      },
      above: { title: 'Set your working hours', action: 'fix the hour at which the working day ends' },
    },
    weekend: {
      below: lookIntoIt,
      above: { title: 'Keep the weekend free', action: 'leave one day of the weekend without work' },
    },
    outliers: {
      below: { title: 'Look at your lost days', action: 'note what took the place of work on such days' },
      above: {
        title: 'Cap your longest days',
        action: 'stop two hours earlier the day after a day like these',
      },
    },
  },
  calories: {
    usually: {
      below: steadyMeals,
      above: {
        title: 'Steady your meals',
        action: 'put on the plate what you mean to eat, and sit down to it',
      },
    },
  },
  water_ml: {
    usually: {
      below: {
        title: 'Drink at fixed times',
        action: 'drink a glass of water with each meal and one between',
      },
      above: { title: 'Drink to your thirst', action: 'leave out what you drink without being thirsty' },
    },
  },
  weight: { usually: { below: weighIn, above: weighIn } },
}

/** What to make of a finding that is neither good nor bad; a trend needs no advice to be told. */
const neutralAdvice: Partial<Record<FindingType, { title(name: string): string; sentence: string }>> = {
  weekend: {
    title: name => `Measure ${name} apart at weekends`,
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

/** The same object for the same advice, so that it can be told whether two findings lead to one. */
export function adviceFor({ metric, type, side }: Pick<Finding, 'metric' | 'type' | 'side'>): Advice {
  const name = metric.record.metric
  if (!isInCatalogue(name)) return lookIntoIt
  const advice = adviceByMetric[name][type] ?? adviceByMetric[name].usually
  if (side) return advice[side]
  // Days on both sides: what helps against one of them may be wrong for the other.
  return advice.below === advice.above ? advice.below : lookIntoIt
}
