import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startBenchDatabase } from './bench-database.ts'
import { childrenOf, cpuSeconds, loads, memoryMb, requestsOf, send } from './peers-load.ts'
import { median } from './peers-report.ts'
import { contenders, type RunningServer, startServer } from './peers-servers.ts'
import { writeSection } from './performance-document.ts'
import { loadReadsData, signReaderToken } from './reads-data.ts'

/**
 * `npm run bench -- workers`: the gateway as one process and as two workers (`--workers`), on the same data, on all cores. They take
 * turns, in an order that each round turns around; the one whose turn it is not is idle. Writes into docs/performance.md.
 */
const { values: options } = parseArgs({
  options: {
    workers: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '10,100' },
    shapes: { type: 'string', default: 'typename,viewer,analyses,facts,mixed' },
    dry: { type: 'boolean', default: false },
  },
})
const [seconds, rounds] = [Number(options.seconds), Number(options.rounds)]
const connectionCounts = options.connections.split(',').map(Number)
const names = options.shapes.split(',')
const unknown = names.filter(name => !loads.some(load => load.name === name))
if (unknown.length > 0)
  throw new Error(`there is no shape ${unknown}; there are ${loads.map(({ name }) => name)}`)
const SECRET = 'the secret of the benchmark, long enough'
/** Each worker compiles for itself, and sees a part of the requests. */
const WARMING = { connections: 50, seconds: 4 }
const AFTER_THE_OTHER_SECONDS = 0.5

interface Figures {
  perSecond: number
  p50Ms: number
  p99Ms: number
  cpuPerThousand: number
}

const gateway = contenders.find(({ kind }) => kind === 'gateway')
if (!gateway) throw new Error('there is no gateway to measure')
const folder = await mkdtemp(join(tmpdir(), 'tributary-workers-'))
const database = await startBenchDatabase()
const servers: RunningServer[] = []
try {
  console.log('loading data')
  const data = await loadReadsData(text => database.query(text))
  const token = await signReaderToken(1, SECRET)
  for (const workers of ['1', options.workers])
    servers.push(
      await startServer(gateway, {
        databaseUrl: database.url,
        secret: SECRET,
        token,
        folder,
        cores: `0-${cpus().length - 1}`,
        settings: { WORKERS: workers },
      }),
    )
  const processes = await Promise.all(
    servers.map(async ({ pid }) => [pid, ...(await childrenOf(pid))] as const),
  )
  const cpuOf = async (index: number) => sum(await Promise.all((processes[index] ?? []).map(cpuSeconds)))
  const lines: string[] = []
  let failed = 0
  for (const load of loads.filter(({ name }) => names.includes(name))) {
    const warming = await requestsOf(load, WARMING.connections, data, SECRET)
    for (const { url } of servers) await send(url, warming, { ...WARMING, writes: load.writes })
    for (const connections of connectionCounts) {
      const requests = await requestsOf(load, connections, data, SECRET)
      const setting = { connections, writes: load.writes }
      const measured: [Figures[], Figures[]] = [[], []]
      for (let round = 0; round < rounds; round++)
        for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
          const { url } = servers[index] as RunningServer
          await send(url, requests, { ...setting, seconds: AFTER_THE_OTHER_SECONDS })
          const cpu = await cpuOf(index)
          const sent = await send(url, requests, { ...setting, seconds })
          failed += sent.failed
          measured[index].push({
            ...sent,
            perSecond: sent.answered / sent.seconds,
            cpuPerThousand: ((await cpuOf(index)) - cpu) / (sent.answered / 1000),
          })
        }
      const [one, several] = measured.map(of => ({
        perSecond: median(of.map(({ perSecond }) => perSecond)),
        p50Ms: median(of.map(({ p50Ms }) => p50Ms)),
        p99Ms: median(of.map(({ p99Ms }) => p99Ms)),
        cpuPerThousand: median(of.map(({ cpuPerThousand }) => cpuPerThousand)),
      })) as [Figures, Figures]
      const cell = (figure: keyof Figures, digits: number) =>
        `${one[figure].toFixed(digits)} → ${several[figure].toFixed(digits)}`
      lines.push(
        `| ${load.name} | ${connections} | ${cell('perSecond', 0)} | ${(several.perSecond / one.perSecond).toFixed(2)} | ${cell('p50Ms', 1)} | ${cell('p99Ms', 1)} | ${cell('cpuPerThousand', 2)} |`,
      )
      console.log(lines.at(-1))
    }
  }
  const memory = await Promise.all(
    processes.map(async pids => sum(await Promise.all(pids.map(pid => memoryMb(pid, 'VmRSS'))))),
  )
  const text = [
    `Measured on ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores of ${cpus()[0]?.model.trim()}; one process → ${options.workers} workers, medians of ${rounds} rounds of ${seconds} s, ${failed} requests failed. Memory afterwards, of all processes: ${memory.map(mb => `${mb.toFixed(0)} MB`).join(' → ')}.`,
    '',
    '| load | connections | requests/s | times | p50 ms | p99 ms | CPU s per 1,000 |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n')
  console.log(`\n${text}`)
  if (!options.dry) {
    await writeSection('workers', text)
  }
} finally {
  for (const server of servers) await server.stop()
  await database.stop()
  await rm(folder, { recursive: true, force: true })
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
