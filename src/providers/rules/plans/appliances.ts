import { foldName } from './name-match.ts'

export const appliances = [
  'stove',
  'oven',
  'microwave',
  'blender',
  'air_fryer',
  'slow_cooker',
  'pressure_cooker',
  'rice_cooker',
  'toaster',
  'kettle',
  'grill',
] as const
export type Appliance = (typeof appliances)[number]

/** What people call them, by folded name; an instant pot is two in one. */
const otherNames: Record<string, readonly Appliance[]> = {
  hob: ['stove'],
  stovetop: ['stove'],
  'stove top': ['stove'],
  cooktop: ['stove'],
  cooker: ['stove', 'oven'],
  'gas stove': ['stove'],
  'electric stove': ['stove'],
  'induction hob': ['stove'],
  range: ['stove', 'oven'],
  'mini oven': ['oven'],
  'toaster oven': ['oven', 'toaster'],
  airfryer: ['air_fryer'],
  mixer: ['blender'],
  'food processor': ['blender'],
  'hand blender': ['blender'],
  'smoothie maker': ['blender'],
  crockpot: ['slow_cooker'],
  'crock pot': ['slow_cooker'],
  'instant pot': ['pressure_cooker', 'slow_cooker'],
  'multi cooker': ['pressure_cooker', 'slow_cooker'],
  'water boiler': ['kettle'],
  barbecue: ['grill'],
  bbq: ['grill'],
  'grill pan': ['stove'],
}

/** Those that recipes know; an unknown one enables nothing, and none at all leaves the dishes that need none. */
export function readAppliances(names: readonly string[]): Set<Appliance> {
  return new Set(names.flatMap(findAppliances))
}

export function findAppliances(name: string): readonly Appliance[] {
  const folded = foldName(name)
  const known = appliances.find(appliance => foldName(appliance) === folded)
  return known ? [known] : (otherNames[folded] ?? [])
}

export function applianceName(appliance: Appliance): string {
  return appliance.replaceAll('_', ' ')
}
