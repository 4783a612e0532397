import type { Archetype } from '../../../shared/archetype.ts'
import type { MetricFamily } from '../metric-catalogue.ts'

/** Something that has no time of its own and is put where there is room. */
export interface RoutineBlock {
  title: string
  description: string
  minutes: number
  /** It may be cut down to this; without room for as much it is left out. */
  leastMinutes: number
  /** Where it would best begin: minutes after waking, or, below 0, before the wind-down. */
  at: number
  /** Whether the observed time of this takes its place. */
  observed?: 'movement' | 'focus'
}

export interface ArchetypeRoutine {
  wake: number
  /** Within the seven to nine hours of the American Academy of Sleep Medicine's consensus, 2015. */
  sleepMinutes: number
  windDownMinutes: number
  windDown: string
  /** The most important first: who comes first gets the room. */
  blocks: readonly RoutineBlock[]
}

const daylight: RoutineBlock = {
  title: 'Daylight and water',
  description:
    'Drink a glass of water and get daylight into your eyes: it sets the clock for the night to come.',
  minutes: 10,
  leastMinutes: 5,
  at: 10,
}

export const archetypeRoutines: Record<Archetype, ArchetypeRoutine> = {
  // Few things, every day the same.
  FOUNDATION_BUILDER: {
    wake: 420,
    sleepMinutes: 480,
    windDownMinutes: 45,
    windDown: 'Screens away, lights low, tomorrow laid out: the same three things in the same order.',
    blocks: [
      daylight,
      focusBlock(45, 120, 'One thing, without messages. Stop when the time is over, also when it goes well.'),
      movementBlock('Walk', 20, 570, 'At an easy pace. It counts on the days when nothing else does.'),
      {
        title: 'One small habit',
        description: 'The one thing that you are building now, at the same time every day; more can wait.',
        minutes: 10,
        leastMinutes: 5,
        at: 95,
      },
    ],
  },
  // Training and two blocks of work, and the recovery that carries them.
  PEAK_PERFORMER: {
    wake: 360,
    sleepMinutes: 480,
    windDownMinutes: 45,
    windDown: 'Screens away and lights low; training ends here, and not in bed.',
    blocks: [
      daylight,
      focusBlock(90, 105, 'The hardest task of the day, without messages.'),
      movementBlock('Training', 60, 630, 'What your programme says for today, warm-up included.'),
      {
        ...focusBlock(90, 420, 'The second task of the day, to a result that can be shown.'),
        title: 'Second focus block',
      },
      {
        title: 'Recovery break',
        description: 'Lie down or walk slowly, without a screen: what is not recovered is not gained.',
        minutes: 20,
        leastMinutes: 10,
        at: 385,
      },
      {
        title: 'Plan tomorrow',
        description: 'Write down the three results of tomorrow and when each has its time.',
        minutes: 10,
        leastMinutes: 5,
        at: -20,
      },
    ],
  },
  // Even blocks, a measurement, one change at a time.
  SYSTEMATIC_IMPROVER: {
    wake: 390,
    sleepMinutes: 480,
    windDownMinutes: 45,
    windDown: 'The same order every evening, so that a change shows in the numbers.',
    blocks: [
      daylight,
      focusBlock(75, 120, 'One task, without messages; note when you began and ended.'),
      movementBlock(
        'Movement',
        30,
        600,
        'At the same time and of the same kind as yesterday, so that days can be compared.',
      ),
      { ...focusBlock(75, 450, 'The second task, measured like the first.'), title: 'Second focus block' },
      {
        title: 'Note the day',
        description: 'Sleep, steps, mood and the one thing that you are changing: two minutes, no judgement.',
        minutes: 10,
        leastMinutes: 5,
        at: -20,
      },
    ],
  },
  // Rest at fixed times, little that must be done.
  RESILIENCE_REBUILDER: {
    wake: 450,
    sleepMinutes: 510,
    windDownMinutes: 75,
    windDown: 'Warm light, something quiet, nothing that has to be finished. Lying awake is no failure.',
    blocks: [
      daylight,
      {
        title: 'Rest',
        description: 'Lie down or sit outside, without a screen and without a goal.',
        minutes: 30,
        leastMinutes: 15,
        at: 420,
      },
      movementBlock(
        'Gentle walk',
        20,
        180,
        'Slowly enough to talk. On a hard day to the door and back is enough.',
      ),
      focusBlock(45, 240, 'One thing that matters, with a break after it whether it is done or not.'),
      {
        title: 'Breathing break',
        description: 'Breathe out for longer than you breathe in, for ten minutes.',
        minutes: 10,
        leastMinutes: 5,
        at: 600,
      },
    ],
  },
}

/** What a finding adds to the day, whoever it belongs to. */
export const blocksByConcern: Partial<
  Record<MetricFamily, { block: RoutineBlock; onlyOfTooLittle?: boolean }>
> = {
  movement: {
    onlyOfTooLittle: true,
    block: {
      title: 'Extra walk',
      description: 'Your movement has gone down: a walk around lunch brings it back with the least effort.',
      minutes: 20,
      leastMinutes: 10,
      at: 400,
    },
  },
  training: {
    onlyOfTooLittle: true,
    block: {
      title: 'Session of strength',
      description: 'Your training has become less: a short session at a fixed time is how it returns.',
      minutes: 30,
      leastMinutes: 15,
      at: 570,
    },
  },
  recovery: {
    block: {
      title: 'Quiet half hour',
      description: 'Your body shows strain: no effort and no screen for this half hour.',
      minutes: 30,
      leastMinutes: 15,
      at: 480,
    },
  },
  mood: {
    block: {
      title: 'Something that has done you good',
      description:
        'Somebody to talk to, music, the garden: planned like an appointment, because mood follows it.',
      minutes: 30,
      leastMinutes: 15,
      at: 660,
    },
  },
}

export const endOfWork: RoutineBlock = {
  title: 'End of the working day',
  description: 'Write down where you stopped and close it all; what comes after is tomorrow.',
  minutes: 10,
  leastMinutes: 5,
  at: 600,
}

function focusBlock(minutes: number, at: number, description: string): RoutineBlock {
  return {
    title: 'Focus block',
    description,
    minutes,
    leastMinutes: Math.min(minutes, 25),
    at,
    observed: 'focus',
  }
}

function movementBlock(title: string, minutes: number, at: number, description: string): RoutineBlock {
  return { title, description, minutes, leastMinutes: 10, at, observed: 'movement' }
}
