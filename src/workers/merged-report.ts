import type { HealthReport } from '../http/health.ts'

const WORST_LAST = ['ok', 'degraded', 'down'] as const

/**
 * One report of several processes of an instance: figures of each process are summed, what is read from the database is told as
 * the worst of them has read it. @param silent so many that did not answer
 */
export function mergeReports(path: string, reports: readonly HealthReport[], silent: number): HealthReport {
  const sorted = reports.toSorted((one, other) => badness(other) - badness(one))
  const [worst] = sorted
  if (!worst) return { status: 'down', problems: ['no worker answers'] }
  const problems = new Set(reports.flatMap(({ problems }) => (Array.isArray(problems) ? problems : [])))
  if (silent > 0) problems.add(`${silent} of ${reports.length + silent} workers do not answer`)
  return {
    ...worst,
    ...(path.endsWith('/coordination') && mergeCoordination(reports)),
    ...(path.endsWith('/database-sync') && mergeSync(reports)),
    status: silent > 0 && worst.status === 'ok' ? 'degraded' : worst.status,
    ...(problems.size > 0 && { problems: [...problems] }),
    workers: reports.length,
  }
}

const badness = ({ status }: HealthReport) => WORST_LAST.indexOf(status)

/** Every figure of it is of what happens in a process; its number is its own. */
function mergeCoordination(reports: readonly HealthReport[]) {
  const { instance: _, status: __, ...summed } = sum(reports) as Record<string, unknown>
  return {
    ...summed,
    livenessConnected: reports.every(report => report.livenessConnected !== false),
    instance: reports.map(({ instance }) => instance),
  }
}

/** The database's figures are the same for all; pool and listener are each process's own. */
function mergeSync(reports: readonly HealthReport[]) {
  const down = reports.find(({ promptListener }) => isDown(promptListener))
  return {
    pool: sum(reports.map(({ pool }) => pool)),
    ...(down && { promptListener: down.promptListener }),
  }
}

const isDown = (listener: unknown) => (listener as { state?: string } | undefined)?.state === 'down'

/** Adds numbers up, however deep they lie; of all else the first. */
function sum(values: readonly unknown[]): unknown {
  const known = values.filter(value => value !== undefined)
  const [first] = known
  if (typeof first === 'number') return known.reduce<number>((total, value) => total + Number(value), 0)
  if (typeof first !== 'object' || first === null || Array.isArray(first)) return first
  const keys = new Set(known.flatMap(value => Object.keys(value as object)))
  return Object.fromEntries(
    [...keys].map(key => [key, sum(known.map(value => (value as Record<string, unknown>)[key]))]),
  )
}
