import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { type BenchDatabase, round, startBenchDatabase } from './bench-database.ts'
import { type Load, loads, requestsOf, send } from './peers-load.ts'
import { describeReadsData, loadReadsData } from './reads-data.ts'

/**
 * `npm run bench:reads`: the loads of the comparison with the peers over HTTP, against the gateway as `npm start` runs it, on one core, with
 * authentication, limits, logs and metrics as in production. `SHAPES=viewer,facts`, `CONNECTIONS=1,100`, `SECONDS=5` choose.
 * `READS_DATABASE_URL` names a database that is loaded; `PROFILE=/folder` writes a CPU profile there.
 */
const SECONDS = Number(process.env.SECONDS ?? 5)
const CONNECTIONS = (process.env.CONNECTIONS ?? '1,10,100').split(',').map(Number)
const SHAPES = process.env.SHAPES?.split(',')
const unknown = SHAPES?.filter(name => !loads.some(load => load.name === name)) ?? []
if (unknown.length > 0)
  throw new Error(`there is no shape ${unknown}; there are ${loads.map(({ name }) => name)}`)
const SECRET = 'the secret of the benchmark, long enough'

const loaded = process.env.READS_DATABASE_URL
const database: BenchDatabase | undefined = loaded ? undefined : await startBenchDatabase()
if (database) await loadReadsData(text => database.query(text))
const data = describeReadsData()
const databaseUrl = loaded ?? database?.url ?? ''
const admin = new pg.Client(databaseUrl)
await admin.connect()

const dataDir = await mkdtemp(join(tmpdir(), 'tributary-reads-'))
const server = await startServer()
const rows: Record<string, Record<string, number | string>> = {}
try {
  for (const load of loads.filter(({ name }) => SHAPES?.includes(name) ?? true))
    for (const connections of CONNECTIONS) rows[`${load.name} ${connections}`] = await run(load, connections)
} finally {
  server.stop()
  await server.ended
  await admin.end()
  await database?.stop()
  await rm(dataDir, { recursive: true, force: true })
}
console.table(rows)

async function startServer() {
  const profile = process.env.PROFILE ? ['--cpu-prof', `--cpu-prof-dir=${process.env.PROFILE}`] : []
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const child = spawn('taskset', ['-c', '0', process.execPath, ...profile, main], {
    env: {
      ...process.env,
      PORT: '0',
      // On, as in production, and never reached: all load comes from one address.
      RATE_LIMIT_PRINCIPAL: '1000000000',
      RATE_LIMIT_ADDRESS: '1000000000',
      RATE_LIMIT_GENERATIONS: '1000000',
      DATABASE_URL: databaseUrl,
      DATA_DIR: dataDir,
      JWT_SECRET: SECRET,
      LOG_LEVEL: process.env.LOG_LEVEL ?? 'info',
      LOG_FORMAT: 'json',
      ACCOUNT_SYNC_MINUTES: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    let text = ''
    child.stdout.on('data', chunk => {
      text += chunk
      const found = /http:\/\/[\d.]+:\d+/.exec(text)?.[0]
      if (found) resolve(found)
    })
    ended.then(() => reject(new Error(`the server ended: ${text}`)))
  })
  while (!(await fetch(`${url}/health/ready`).catch(() => undefined))?.ok)
    await new Promise(resolve => setTimeout(resolve, 50))
  return { url, ended, stop: () => child.kill('SIGTERM') }
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}

/** Each read is a transaction of its own. The server tells what connections have done with a second's delay. */
async function statements(): Promise<number> {
  await new Promise(resolve => setTimeout(resolve, 1200))
  const { rows } = await admin.query<{ count: string }>(
    'SELECT xact_commit AS count FROM pg_stat_database WHERE datname = current_database()',
  )
  return Number(rows[0]?.count)
}

async function run(load: Load, connections: number): Promise<Record<string, number | string>> {
  const requests = await requestsOf(load, connections, data, SECRET)
  const first = requests[0]
  if (!first) throw new Error('no requests')
  const answer = await fetch(`${server.url}/graphql`, first)
  const body = await answer.text()
  if (
    answer.status !== 200 ||
    body.includes('"errors"') ||
    /"(viewer|node|conversation|latestAnalysis)":null/.test(body)
  )
    throw new Error(`${load.name}: ${answer.status} ${body.slice(0, 500)}`)
  const setting = { connections, writes: load.writes }
  await send(server.url, requests, { ...setting, seconds: Math.min(2, SECONDS) })
  const [cpuBefore, sqlBefore] = [await metric('process_cpu_seconds_total'), await statements()]
  const sent = await send(server.url, requests, { ...setting, seconds: SECONDS })
  const [cpu, sql] = [
    (await metric('process_cpu_seconds_total')) - cpuBefore,
    (await statements()) - sqlBefore,
  ]
  const rss = await metric('process_resident_memory_bytes')
  const perSecond = Math.round(sent.answered / sent.seconds)
  console.log(load.name, connections, perSecond)
  return {
    'requests/s': perSecond,
    p50: round(sent.p50Ms, 2),
    p99: round(sent.p99Ms, 2),
    failed: sent.failed,
    'statements/request': round(sql / sent.answered, 3),
    'cpu µs/request': Math.round((cpu / sent.answered) * 1e6),
    'rss MB': Math.round(rss / 1e6),
    bytes: body.length,
  }
}
