import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { loads } from './peers-load.ts'
import { plotPeers } from './peers-plot.ts'
import type { Profile } from './peers-profile.ts'
import { contenders } from './peers-servers.ts'
import { writeSection } from './performance-document.ts'
import type { ReadsData } from './reads-data.ts'

export interface Measured {
  server: string
  load: string
  connections: number
  round: number
  perSecond: number
  p50Ms: number
  p99Ms: number
  failed: number
  generator: number
  statements: number
  cpuPerThousand: number
  databaseCpuPerThousand: number
  peakMb: number
}
export interface Refused {
  server: string
  load: string
  reason: string
}
export interface Figures extends Omit<Measured, 'round' | 'failed'> {
  failed: number
}

const FIGURES = [
  'perSecond',
  'p50Ms',
  'p99Ms',
  'generator',
  'statements',
  'cpuPerThousand',
  'databaseCpuPerThousand',
  'peakMb',
] as const

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2
}

/** Of each server, load and number of connections, the median of the rounds. */
export function mediansOf(measured: readonly Measured[]): Figures[] {
  const groups = Map.groupBy(measured, row => `${row.load} ${row.connections} ${row.server}`)
  return [...groups.values()].map(rows => ({
    server: rows[0]?.server ?? '',
    load: rows[0]?.load ?? '',
    connections: rows[0]?.connections ?? 0,
    failed: rows.reduce((sum, row) => sum + row.failed, 0),
    ...(Object.fromEntries(FIGURES.map(name => [name, median(rows.map(row => row[name]))])) as Record<
      (typeof FIGURES)[number],
      number
    >),
  }))
}

interface Goal {
  readonly load: string
  readonly says: string
  readonly connections: number
  readonly measured: string
  readonly met: boolean
}

/** The goals that these figures can answer: each for a load and a number of connections. */
export function goalsOf(figures: readonly Figures[]): Goal[] {
  const goals: Goal[] = []
  for (const [, rows] of Map.groupBy(figures, row => `${row.load} ${row.connections}`)) {
    const of = (kind: string) =>
      rows.filter(row => contenders.find(({ name }) => name === row.server)?.kind === kind)
    const [ours] = of('gateway')
    const peers = of('peer').sort((one, other) => other.perSecond - one.perSecond)
    const [fastest] = peers
    const [limit] = of('limit')
    const kind = loads.find(load => load.name === ours?.load)?.kind
    if (!ours || !fastest) continue
    const { load, connections } = ours
    const ratio = ours.perSecond / fastest.perSecond
    const against = `${times(ratio)} of ${fastest.server}`
    const add = (says: string, measured: string, met: boolean) =>
      goals.push({ load, says, connections, measured, met })
    const many = connections >= 100
    if (kind === 'hot') add('at least 5 times the fastest peer', against, ratio >= 5)
    else if (kind === 'point' && many) add('at least 4 times the fastest peer', against, ratio >= 4)
    else if (kind === 'list' && many) add('at least 2.5 times the fastest peer', against, ratio >= 2.5)
    else add('ahead of every peer', against, ratio > 1)
    if (limit && connections === 100 && (kind === 'point' || kind === 'list')) {
      const toLimit = ours.perSecond / limit.perSecond
      add('ahead of one hand-written statement a request', times(toLimit), toLimit > 1)
    }
    if (many) {
      const best = peers.reduce((one, other) => (other.p99Ms < one.p99Ms ? other : one))
      add(
        "p99 below every peer's",
        `${ms(ours.p99Ms)} against ${ms(best.p99Ms)} ms of ${best.server}`,
        ours.p99Ms < best.p99Ms,
      )
    }
  }
  return goals
}

/** The loads of which a goal is missed. */
export function missedLoads(measured: readonly Measured[]): string[] {
  return [
    ...new Set(
      goalsOf(mediansOf(measured))
        .filter(goal => !goal.met)
        .map(goal => goal.load),
    ),
  ]
}

const times = (ratio: number) => `${ratio.toFixed(ratio < 10 ? 2 : 1)} times`
const ms = (value: number) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
const whole = (value: number) => Math.round(value).toLocaleString('en')
export const titleOf = (name: string) => contenders.find(known => known.name === name)?.title ?? name

export interface PeersRun {
  measured: readonly Measured[]
  refused: readonly Refused[]
  profiles: readonly Profile[]
  seconds: number
  rounds: number
  scale: number
  data: ReadsData
  minutes: number
}

/** Without a folder, onto the terminal alone. */
export async function reportPeers(run: PeersRun, docs: URL | undefined): Promise<void> {
  const figures = mediansOf(run.measured)
  const text = [
    setting(run),
    docs ? '![Requests a second of each server, by load and number of connections](performance.svg)' : '',
    goalTable(goalsOf(figures)),
    ...loads.map(load => loadTable(load, figures, run)),
    profileText(run.profiles),
  ]
    .filter(Boolean)
    .join('\n\n')
  console.log(`\n${text}`)
  if (!docs) return
  await writeSection('peers', text, docs)
  await writeFile(new URL('performance.svg', docs), plotPeers(figures))
}

function setting({ seconds, rounds, scale, data, minutes, measured }: PeersRun): string {
  const processor = cpus()[0]?.model.trim() ?? 'an unknown processor'
  const busiest = Math.max(...measured.map(row => row.generator))
  return [
    `Measured on ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpus().length} cores of ${processor}, in ${minutes.toFixed(0)} minutes:`,
    `${rounds} round${rounds === 1 ? '' : 's'} of ${seconds} s for each server, load and number of connections, of which the medians stand here.`,
    `${whole(data.users)} users, ${whole(data.analyses)} analyses${scale === 1 ? '' : ` (${scale} times the data)`}.`,
    `The load generator used ${Math.round(busiest * 100)} % of its core at most; a † marks figures where it used more than 90 %, and may have been the limit.`,
  ].join('\n')
}

function goalTable(goals: readonly Goal[]): string {
  if (goals.length === 0) return ''
  const met = goals.filter(goal => goal.met).length
  return [
    '### Goals',
    '',
    `${met} of ${goals.length} are met.`,
    '',
    '| load | connections | goal | measured | |',
    '| --- | --- | --- | --- | --- |',
    ...goals.map(
      goal =>
        `| ${goal.load} | ${goal.connections} | ${goal.says} | ${goal.measured} | ${goal.met ? 'met' : '**missed**'} |`,
    ),
  ].join('\n')
}

/** Each figure, and in brackets how many times the gateway's it is. */
function loadTable(load: (typeof loads)[number], figures: readonly Figures[], run: PeersRun): string {
  const rows = figures.filter(row => row.load === load.name)
  if (rows.length === 0) return ''
  const ours = (connections: number) =>
    rows.find(row => row.server === 'tributary' && row.connections === connections)
  const lines = [...Map.groupBy(rows, row => row.connections)].flatMap(([connections, group]) =>
    contenders.flatMap(({ name, title }) => {
      const row = group.find(known => known.server === name)
      if (!row) return []
      const base = ours(connections)
      const cell = (figure: (typeof FIGURES)[number], format: (value: number) => string) =>
        base && name !== 'tributary' && base[figure] > 0
          ? `${format(row[figure])} (${(row[figure] / base[figure]).toFixed(2)})`
          : format(row[figure])
      return [
        `| ${connections} | ${title}${row.generator > 0.9 ? ' †' : ''} | ${[
          cell('perSecond', whole),
          cell('p50Ms', ms),
          cell('p99Ms', ms),
          cell('statements', value => value.toFixed(2)),
          cell('cpuPerThousand', value => value.toFixed(3)),
          cell('databaseCpuPerThousand', value => value.toFixed(3)),
          cell('peakMb', whole),
        ].join(' | ')} |${row.failed > 0 ? ` ${row.failed} failed` : ''}`,
      ]
    }),
  )
  const refused = run.refused
    .filter(one => one.load === load.name)
    .map(one => `n/a: ${titleOf(one.server)}: ${one.reason.replaceAll('|', '\\|').replaceAll('\n', ' ')}`)
  return [
    `### ${load.name}: ${load.says}`,
    '',
    '| connections | server | requests/s | p50 ms | p99 ms | SQL statements a request | CPU s of 1,000 requests | CPU s of PostgreSQL for them | peak memory MB |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    ...(refused.length > 0 ? ['', ...refused] : []),
  ].join('\n')
}

function profileText(profiles: readonly Profile[]): string {
  if (profiles.length === 0) return ''
  const share = ([name, part]: readonly [string, number]) =>
    `${name.replaceAll('|', '\\|')} ${(part * 100).toFixed(1)} %`
  return [
    '### Profiles of what is missed',
    '',
    "The gateway's own time in the loads above of which a goal is missed, by `node --cpu-prof`.",
    '',
    ...profiles.map(
      ({ load, connections, perSecond, shares, functions }) =>
        `- **${load}**, ${connections} connections, ${whole(perSecond)} requests/s while profiled. By part: ${shares.map(share).join(', ')}. The largest functions: ${functions.map(share).join('; ')}.`,
    ),
  ].join('\n')
}
