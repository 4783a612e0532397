import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startBenchDatabase } from './bench-database.ts'
import { loads, memoryMb, requestOf, send } from './peers-load.ts'
import { median } from './peers-report.ts'
import { contenders, startServer } from './peers-servers.ts'
import { writeSection } from './performance-document.ts'
import { pinSelf } from './pin-self.ts'
import { loadReadsData, signReaderToken } from './reads-data.ts'
import { plotSoak, type Sample } from './soak-plot.ts'

/**
 * `npm run bench -- soak`: every kind of read, and a write in ten, over 100 connections for ten minutes (`--minutes`), as fast as
 * the gateway answers: about as many requests as hours of a working day bring. Its memory is looked at each second.
 */
const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    connections: { type: 'string', default: '100' },
    dry: { type: 'boolean', default: false },
  },
})
const minutes = Number(options.minutes)
const connections = Number(options.connections)
const HOURS = 8
/** The last quarter may hold so much more than the second: heaps breathe. */
const FLAT = 1.1
const SECRET = 'the secret of the benchmark, long enough'

const gateway = contenders.find(({ kind }) => kind === 'gateway')
if (!gateway) throw new Error('there is no gateway to measure')
const folder = await mkdtemp(join(tmpdir(), 'tributary-soak-'))
const database = await startBenchDatabase()
try {
  console.log('loading data')
  const data = await loadReadsData(text => database.query(text))
  const token = await signReaderToken(1, SECRET)
  pinSelf(1)
  const server = await startServer(gateway, { databaseUrl: database.url, secret: SECRET, token, folder })
  try {
    const reads = loads.filter(({ kind }) => kind === 'none' || kind === 'point' || kind === 'list')
    const requests = await Promise.all(
      Array.from({ length: 5000 }, (_, n) => {
        const load = reads[n % reads.length]
        if (!load) throw new Error('there are no reads')
        return requestOf(load, n, data, SECRET)
      }),
    )
    const samples: Sample[] = []
    const begun = Date.now()
    const sampling = setInterval(async () => {
      const [rssMb, metrics] = await Promise.all([
        memoryMb(server.pid, 'VmRSS'),
        fetch(`${server.url}/metrics`).then(response => response.text()),
      ]).catch(() => [Number.NaN, ''] as const)
      const heap = Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(metrics)?.[1])
      samples.push({ minute: (Date.now() - begun) / 60_000, rssMb, heapMb: heap / 2 ** 20 })
    }, 1000)
    const sent = await send(server.url, requests, { connections, seconds: minutes * 60, writes: true })
    clearInterval(sampling)
    const quarter = (from: number) =>
      median(
        samples
          .filter(
            ({ minute, rssMb }) => minute >= from * minutes && minute < (from + 0.25) * minutes && rssMb > 0,
          )
          .map(({ rssMb }) => rssMb),
      )
    const [early, late] = [quarter(0.25), quarter(0.75)]
    const text = [
      `Measured on ${new Date().toISOString().slice(0, 10)}: ${sent.answered.toLocaleString('en')} requests in ${minutes} minutes, ${sent.failed} failed, p99 ${sent.p99Ms.toFixed(1)} ms;`,
      `as many as ${HOURS} hours bring at ${(sent.answered / (HOURS * 3600)).toFixed(1)} a second. Memory: ${early.toFixed(0)} MB in the second quarter of the time, ${late.toFixed(0)} MB in the last,`,
      `${(late / early).toFixed(2)} times: ${late / early <= FLAT ? 'flat' : '**not flat**'} (goal: at most ${FLAT} times).`,
      '',
      '![Memory of the gateway over the time](soak.svg)',
    ].join('\n')
    console.log(`\n${text}`)
    if (!options.dry) {
      await writeSection('soak', text)
      await writeFile(new URL('../../docs/soak.svg', import.meta.url), plotSoak(samples, minutes))
    }
  } finally {
    await server.stop()
  }
} finally {
  await database.stop()
  await rm(folder, { recursive: true, force: true })
}
