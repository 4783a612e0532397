import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createHistogram } from 'node:perf_hooks'
import autocannon from 'autocannon'
import { type ReadsData, signReaderToken } from './reads-data.ts'
import { type Shape, shapeNamed, shapes } from './reads-shapes.ts'

/** What a server is asked: a shape of reads, one of them with writes in between, or one request from everybody. */
export interface Load {
  readonly name: string
  readonly shape: Shape
  /** The n-th request of ten is a write. */
  readonly writes: boolean
  /** Everybody sends the same request as the same user. */
  readonly hot: boolean
  readonly kind: 'none' | 'point' | 'list' | 'mixed' | 'hot'
  readonly says: string
}

const KINDS: Record<string, Load['kind']> = { typename: 'none', analysis: 'point', viewer: 'point' }
const SAYS: Record<string, string> = {
  typename: '`{ __typename }`',
  analysis: 'one analysis by id',
  viewer: 'viewer with latest analysis and tracking, 5,000 different users',
  analyses: '20 analyses with insights and plans',
  interviews: 'a page of 20 interviews with history',
  messages: "a conversation's newest 50 messages",
  facts: 'collective facts, first page',
}
export const loads: readonly Load[] = [
  ...shapes.map(shape => ({
    name: shape.name,
    shape,
    writes: false,
    hot: false,
    kind: KINDS[shape.name] ?? ('list' as const),
    says: SAYS[shape.name] ?? shape.name,
  })),
  {
    name: 'mixed',
    shape: shapeNamed('viewer'),
    writes: true,
    hot: false,
    kind: 'mixed',
    says: 'viewer as above, every tenth request stores a data point',
  },
  {
    name: 'hot',
    shape: shapeNamed('viewer'),
    writes: false,
    hot: true,
    kind: 'hot',
    says: 'a hot key: everybody asks for the same viewer',
  },
]

export const WRITE = `mutation Record($points: [DataPointInput!]!) {
  recordDataPoints(points: $points) { ... on RecordDataPointsPayload { stored duplicates } }
}`
/** Of the points of this load, which go when it is over. */
export const WRITE_SOURCE = 'bench-mixed'
export const writeBody = (id: string) =>
  JSON.stringify({
    query: WRITE,
    variables: {
      points: [
        {
          metric: 'steps',
          value: 4000,
          unit: 'steps',
          recordedAt: '2026-01-01T08:00:00.000Z',
          source: WRITE_SOURCE,
          externalId: id,
        },
      ],
    },
  })

export interface Request {
  method: 'POST'
  path: string
  headers: Record<string, string>
  body: string
}

/** More than a connection sends twice within a second; few enough that each may have its own. */
const OF_A_CONNECTION = 50
const MOST_REQUESTS = 5000
const tokens = new Map<number, string>()

/** The n-th request of a load, n from 0: spread over all askers, so that no two connections ask for the same. */
export async function requestOf(load: Load, n: number, data: ReadsData, secret: string): Promise<Request> {
  const number = load.hot ? 1 : 1 + ((n * 7919) % load.shape.askers(data))
  const user = load.shape.asker(number, data)
  const token = tokens.get(user) ?? (await signReaderToken(user, secret))
  tokens.set(user, token)
  return {
    method: 'POST',
    path: '/graphql',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: load.shape.query, variables: load.shape.variables(number, data) }),
  }
}

export async function requestsOf(
  load: Load,
  connections: number,
  data: ReadsData,
  secret: string,
): Promise<Request[]> {
  const count = load.hot ? 1 : Math.min(load.shape.askers(data), OF_A_CONNECTION * connections, MOST_REQUESTS)
  return Promise.all(Array.from({ length: count }, (_, n) => requestOf(load, n, data, secret)))
}

export interface Loaded {
  answered: number
  failed: number
  seconds: number
  p50Ms: number
  p99Ms: number
  /** Share of its core that the generator used: near 1, it and not the server was the limit. */
  generator: number
}

let written = 0
/** Whoever sends it stores a point that nobody has stored. */
const asWrite = (request: Request) => ({
  ...request,
  setupRequest: (sent: autocannon.Request) => ({ ...sent, body: writeBody(`${runId} ${written++}`) }),
})
const runId = Date.now()

/** Sends requests over so many connections, each as soon as the one before it was answered. */
export async function send(
  url: string,
  requests: readonly Request[],
  options: { connections: number; seconds: number; writes: boolean },
): Promise<Loaded> {
  // In microseconds: autocannon itself counts whole milliseconds.
  const latency = createHistogram()
  let client = 0
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(
      {
        url,
        connections: options.connections,
        duration: options.seconds,
        setupClient: one => {
          const from = (client++ * OF_A_CONNECTION) % requests.length
          const own = [...requests, ...requests].slice(from, from + OF_A_CONNECTION)
          one.setRequests(
            own.map((request, index) => (options.writes && index % 10 === 9 ? asWrite(request) : request)),
          )
        },
      },
      (error: unknown, ended: autocannon.Result) => (error ? reject(error) : resolve(ended)),
    )
    instance.on('response', (_client, _status, _bytes, milliseconds) =>
      latency.record(Math.max(1, Math.round(milliseconds * 1000))),
    )
  })
  const seconds = (performance.now() - begun) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return {
    answered: result['2xx'],
    failed: result.non2xx + result.errors + result.timeouts,
    seconds: result.duration,
    p50Ms: latency.percentile(50) / 1000,
    p99Ms: latency.percentile(99) / 1000,
    generator: (user + system) / 1e6 / seconds,
  }
}

/** Ticks a second of /proc/<pid>/stat, the same on every Linux. */
const TICKS = 100
/** User and system time that a process has used. */
export async function cpuSeconds(pid: number): Promise<number> {
  const fields = await statOf(pid)
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** Of all processes that a process has started, those among them that have ended. */
export async function cpuSecondsOfChildren(parent: number): Promise<number> {
  const ended = await statOf(parent)
  const living = await Promise.all((await childrenOf(parent)).map(pid => cpuSeconds(pid).catch(() => 0)))
  return living.reduce((sum, one) => sum + one, (Number(ended[13]) + Number(ended[14])) / TICKS)
}

/** What stands behind the name, from the state on. */
async function statOf(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

const parentOf = async (pid: number): Promise<number> => Number((await statOf(pid).catch(() => []))[1])
/** The server process of PostgreSQL, by one of its backends that is there right now. */
export const postmasterOf = parentOf

/** The processes that a process has started. */
export async function childrenOf(parent: number): Promise<number[]> {
  const all = (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number)
  const parents = await Promise.all(all.map(parentOf))
  return all.filter((_, index) => parents[index] === parent)
}

/** From now on, the peak is that of what comes. */
export async function resetPeakMemory(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5')
}
export async function memoryMb(pid: number, which: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${which}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
}
