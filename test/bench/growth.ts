import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type BenchDatabase, startBenchDatabase } from './bench-database.ts'
import { loads, requestsOf, send } from './peers-load.ts'
import { median } from './peers-report.ts'
import { contenders, type RunningServer, startServer } from './peers-servers.ts'
import { writeSection } from './performance-document.ts'
import { pinSelf } from './pin-self.ts'
import { loadReadsData, type ReadsData, signReaderToken } from './reads-data.ts'

/**
 * `npm run bench -- growth`: the gateway over the data of the other benchmarks, and over so many times as much (`--scale`, 10), each
 * in a PostgreSQL of its own; they take turns. What has grown is everything: users, and with them all that is theirs. Loading takes minutes.
 */
const { values: options } = parseArgs({
  options: {
    scale: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '1,10' },
    dry: { type: 'boolean', default: false },
  },
})
const [scale, seconds, rounds] = [options.scale, options.seconds, options.rounds].map(Number) as [
  number,
  number,
  number,
]
const connectionCounts = options.connections.split(',').map(Number)
const GOAL = 1.3
const SECRET = 'the secret of the benchmark, long enough'

interface Side {
  readonly database: BenchDatabase
  readonly data: ReadsData
  readonly server: RunningServer
}
const gateway = contenders.find(({ kind }) => kind === 'gateway')
if (!gateway) throw new Error('there is no gateway to measure')
const folder = await mkdtemp(join(tmpdir(), 'tributary-growth-'))
const sides: Side[] = []
const databases: BenchDatabase[] = []
try {
  for (const factor of [1, scale]) {
    console.log(`loading ${factor} times the data`)
    const database = await startBenchDatabase()
    databases.push(database)
    const data = await loadReadsData(text => database.query(text), factor)
    const token = await signReaderToken(1, SECRET)
    const server = await startServer(gateway, { databaseUrl: database.url, secret: SECRET, token, folder })
    sides.push({ database, data, server })
  }
  pinSelf(1)
  const lines: string[] = []
  let met = 0
  for (const load of loads.filter(({ kind }) => kind === 'point' || kind === 'list'))
    for (const connections of connectionCounts) {
      const p50s: [number[], number[]] = [[], []]
      for (let round = 0; round < rounds; round++)
        for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
          const side = sides[index]
          if (!side) continue
          const requests = await requestsOf(load, connections, side.data, SECRET)
          const setting = { connections, writes: false }
          await send(side.server.url, requests, { ...setting, seconds: 1 })
          p50s[index].push((await send(side.server.url, requests, { ...setting, seconds })).p50Ms)
        }
      const [small, large] = [median(p50s[0]), median(p50s[1])]
      const within = large / small <= GOAL
      if (within) met++
      lines.push(
        `| ${load.name} | ${connections} | ${small.toFixed(2)} | ${large.toFixed(2)} | ${(large / small).toFixed(2)} | ${within ? 'met' : '**missed**'} |`,
      )
      console.log(lines.at(-1))
    }
  const text = [
    `Measured on ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores of ${cpus()[0]?.model.trim()}; medians of ${rounds} rounds of ${seconds} s. ${met} of ${lines.length} are within ${GOAL} times.`,
    '',
    `| load | connections | p50 ms | p50 ms with ${scale} times the rows | ratio | |`,
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n')
  console.log(`\n${text}`)
  if (!options.dry) {
    await writeSection('growth', text)
  }
} finally {
  for (const { server } of sides) await server.stop()
  for (const database of databases) await database.stop()
  await rm(folder, { recursive: true, force: true })
}
