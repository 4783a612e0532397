import type { Archetype } from '../../shared/archetype.ts'

/** What a model has to know of an archetype to read a person's data through it. */
export const archetypeDescriptions: Record<Archetype, string> = {
  FOUNDATION_BUILDER:
    'Foundation Builder: habits first. What counts is whether the basics (sleep, movement, meals, mood) happen at all, ' +
    'every day and at weekends too. Steps are small, one at a time, and the next comes when the last happens by itself.',
  PEAK_PERFORMER:
    'Peak Performer: output and its direction. Training, work and the recovery that carries them count most. ' +
    'Steps are ambitious, measurable, and held against the same number a week later.',
  SYSTEMATIC_IMPROVER:
    'Systematic Improver: everything that can be measured and changed, one thing at a time. Patterns count more than ' +
    'single moments. Steps are experiments of two weeks with everything else left as it is.',
  RESILIENCE_REBUILDER:
    'Resilience Rebuilder: rest, mood and rhythm. Volume hardly counts, and long work days are a strain. ' +
    'Steps are gentle, may be let go on a hard day, and are never made up for.',
}
