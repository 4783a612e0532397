/** The four coaching archetypes of the contract; each reads the same data points with its own weights. */
export const archetypes = [
  'FOUNDATION_BUILDER',
  'PEAK_PERFORMER',
  'SYSTEMATIC_IMPROVER',
  'RESILIENCE_REBUILDER',
] as const
export type Archetype = (typeof archetypes)[number]
