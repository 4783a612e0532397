import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type BenchDatabase, startBenchDatabase, useBenchDatabase } from './bench-database.ts'
import {
  cpuSeconds,
  cpuSecondsOfChildren,
  type Load,
  loads,
  memoryMb,
  postmasterOf,
  requestOf,
  requestsOf,
  resetPeakMemory,
  send,
  WRITE_SOURCE,
  writeBody,
} from './peers-load.ts'
import { profile } from './peers-profile.ts'
import { type Measured, missedLoads, type Refused, reportPeers } from './peers-report.ts'
import { type Contender, contenders, installPeers, type RunningServer, startServer } from './peers-servers.ts'
import { pinSelf } from './pin-self.ts'
import { describeReadsData, loadReadsData, type ReadsData, signReaderToken } from './reads-data.ts'

/**
 * `npm run bench -- peers`: the gateway and the servers it is compared with, on the same data, in one run. Each server is one
 * process on the first core, the load comes from the second, and PostgreSQL is where the system puts it. They take turns: for each
 * load and number of connections each is measured, in an order that the next round turns around. Writes
 * docs/performance.md and docs/performance.svg. Some twenty minutes; with --quick four.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string' },
    connections: { type: 'string' },
    shapes: { type: 'string' },
    servers: { type: 'string' },
    rounds: { type: 'string' },
    scale: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    /** One that is loaded, with pg_stat_statements. */
    database: { type: 'string' },
    /** Prints, and writes no document. */
    dry: { type: 'boolean', default: false },
  },
})
const quick = options.quick
const seconds = Number(options.seconds ?? (quick ? 1 : 2))
const rounds = Number(options.rounds ?? (quick ? 1 : 2))
const connectionCounts = (options.connections ?? (quick ? '10,100' : '1,10,100,500')).split(',').map(Number)
const scale = Number(options.scale)
const WARMING_CONNECTIONS = 50
const HOT_CONNECTIONS = quick ? 100 : 500

function chosen<Named extends { name: string }>(all: readonly Named[], names: string | undefined): Named[] {
  const wanted = names?.split(',') ?? all.map(({ name }) => name)
  const unknown = wanted.filter(name => !all.some(known => known.name === name))
  if (unknown.length > 0)
    throw new Error(`there is no ${unknown.join(', ')}; there are ${all.map(({ name }) => name).join(', ')}`)
  return all.filter(({ name }) => wanted.includes(name))
}
const chosenLoads = chosen(loads, options.shapes)
const chosenContenders = chosen(contenders, options.servers)

const SECRET = 'the secret of the benchmark, long enough'
const folder = await mkdtemp(join(tmpdir(), 'tributary-peers-'))
const begun = Date.now()
await installPeers()
const database = options.database
  ? useBenchDatabase(options.database)
  : await startBenchDatabase({ countStatements: true })
const servers: RunningServer[] = []
try {
  const data = options.database
    ? describeReadsData(scale)
    : await loadReadsData(text => database.query(text), scale)
  const token = await signReaderToken(1, SECRET)
  const [backend] = await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const postmaster = await postmasterOf(backend?.pid ?? 0)
  const start = (contender: Contender, nodeOptions: string[] = []) =>
    startServer(contender, { databaseUrl: database.url, secret: SECRET, token, folder, nodeOptions })
  // The database has both cores, this process the second from here on.
  pinSelf(1)
  const measured: Measured[] = []
  const refused: Refused[] = []
  for (const contender of chosenContenders) {
    try {
      servers.push(await start(contender))
    } catch (error) {
      if (contender.kind === 'gateway') throw error
      const reason = error instanceof Error ? error.message.slice(0, 300) : String(error)
      console.log(reason)
      refused.push(...chosenLoads.map(load => ({ server: contender.name, load: load.name, reason })))
    }
  }
  for (const load of chosenLoads) {
    const admitted: RunningServer[] = []
    for (const server of servers) {
      const reason = await differs(load, server, data)
      if (reason) {
        refused.push({ server: server.name, load: load.name, reason })
        console.log(`${load.name}: ${server.name} is not measured: ${reason}`)
      } else admitted.push(server)
    }
    // Compiled code, prepared statements on every connection of the pool.
    const warming = await requestsOf(load, WARMING_CONNECTIONS, data, SECRET)
    for (const server of admitted)
      await send(server.url, warming, {
        connections: WARMING_CONNECTIONS,
        writes: load.writes,
        seconds: quick ? 1 : 2,
      })
    for (const connections of load.hot ? [HOT_CONNECTIONS] : connectionCounts) {
      const requests = await requestsOf(load, connections, data, SECRET)
      for (let round = 0; round < rounds; round++) {
        const order = round % 2 === 0 ? admitted : admitted.toReversed()
        for (const server of order) {
          const setting = { connections, writes: load.writes }
          // After the others' turn: what is in the processor's caches, and in the database's.
          await send(server.url, requests, { ...setting, seconds: 0.5 })
          const row = await measure(server, load, requests, setting, postmaster, round)
          if (!row) {
            console.log(`${load.name} ${connections} ${server.name}: nothing answered within ${seconds} s`)
            continue
          }
          measured.push(row)
          console.log(
            `${load.name} ${connections} ${server.name}: ${Math.round(row.perSecond)}/s p50 ${row.p50Ms.toFixed(2)} p99 ${row.p99Ms.toFixed(2)} ms, ${row.statements.toFixed(2)} statements`,
          )
        }
      }
    }
    if (load.writes) await forgetWrites(database)
  }
  // A profile of the gateway for each load where it is not where it should be.
  const profiles = []
  const gateway = chosenContenders.find(({ kind }) => kind === 'gateway')
  if (gateway) {
    for (const server of servers.splice(0)) await server.stop()
    for (const name of missedLoads(measured)) {
      const load = loads.find(known => known.name === name)
      if (!load) continue
      const connections = load.hot ? HOT_CONNECTIONS : 100
      profiles.push(
        await profile(
          load,
          connections,
          folder,
          nodeOptions => start(gateway, nodeOptions),
          url =>
            requestsOf(load, connections, data, SECRET).then(requests =>
              send(url, requests, { connections, seconds: Math.max(2, seconds), writes: load.writes }),
            ),
        ),
      )
      if (load.writes) await forgetWrites(database)
    }
  }
  await reportPeers(
    {
      measured,
      refused,
      profiles,
      seconds,
      rounds,
      scale,
      data,
      minutes: (Date.now() - begun) / 60_000,
    },
    options.dry ? undefined : new URL('../../docs/', import.meta.url),
  )
} finally {
  for (const server of servers) await server.stop()
  await database.stop()
  await rm(folder, { recursive: true, force: true })
}

async function measure(
  server: RunningServer,
  load: Load,
  requests: Awaited<ReturnType<typeof requestsOf>>,
  setting: { connections: number; writes: boolean },
  postmaster: number,
  round: number,
): Promise<Measured | undefined> {
  await resetPeakMemory(server.pid)
  await database.query('SELECT pg_stat_statements_reset()')
  const [cpu, databaseCpu] = [await cpuSeconds(server.pid), await cpuSecondsOfChildren(postmaster)]
  const sent = await send(server.url, requests, { ...setting, seconds })
  if (sent.answered === 0) return undefined
  const thousands = sent.answered / 1000
  const [calls] = await database.query<{ calls: number }>(
    `SELECT coalesce(sum(calls), 0)::float8 AS calls FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'`,
  )
  return {
    server: server.name,
    load: load.name,
    connections: setting.connections,
    round,
    perSecond: sent.answered / sent.seconds,
    p50Ms: sent.p50Ms,
    p99Ms: sent.p99Ms,
    failed: sent.failed,
    generator: sent.generator,
    statements: (calls?.calls ?? 0) / sent.answered,
    cpuPerThousand: ((await cpuSeconds(server.pid)) - cpu) / thousands,
    databaseCpuPerThousand: ((await cpuSecondsOfChildren(postmaster)) - databaseCpu) / thousands,
    peakMb: await memoryMb(server.pid, 'VmHWM'),
  }
}

/** Cursors are each server's own: that there is one is what counts. */
function comparable(text: string): string {
  return JSON.stringify((JSON.parse(text) as { data?: unknown }).data, (key, value) =>
    key === 'endCursor' ? typeof value : value,
  )
}

/** Why a server is not measured: what it answers is not what the gateway answers, to the letter and in its order. */
async function differs(load: Load, server: RunningServer, data: ReadsData): Promise<string | undefined> {
  const reference = servers.find(({ kind }) => kind === 'gateway')
  const ask = async (url: string, body: string, headers: Record<string, string>) => {
    const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body })
    return response.text()
  }
  for (let n = 0; n < 5; n++) {
    const { headers, body } = await requestOf(load, n * 13, data, SECRET)
    const given = await ask(server.url, body, headers)
    if (given.includes('"errors"')) return given.slice(0, 300)
    const expected = reference ? await ask(reference.url, body, headers) : given
    if (expected.includes('"errors"'))
      throw new Error(`the gateway answers ${load.name} with ${expected.slice(0, 300)}`)
    if (comparable(given) !== comparable(expected))
      return `it answers ${comparable(given).slice(0, 300)}, expected ${comparable(expected).slice(0, 300)}`
    if (!load.writes) continue
    const id = `${server.name} ${n}`
    // Stored once, and known the second time.
    for (const stored of [1, 0]) {
      const answer = comparable(await ask(server.url, writeBody(id), headers))
      const wanted = JSON.stringify({ recordDataPoints: { stored, duplicates: 1 - stored } })
      if (answer !== wanted) return `a write answers ${answer.slice(0, 300)}, expected ${wanted}`
    }
  }
  return undefined
}

/** What the writes have left would be read by whoever comes after. */
async function forgetWrites(from: BenchDatabase): Promise<void> {
  await from.query(`DELETE FROM data_points WHERE source = '${WRITE_SOURCE}'`)
  await from.query('UPDATE users SET data_revision = 2 WHERE data_revision > 2')
  await from.query('VACUUM ANALYZE data_points, users')
}
