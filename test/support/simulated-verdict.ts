import type {
  ProviderCall,
  SimulatedCaller,
  SimulatedCluster,
  SimulatedInstance,
} from './simulated-cluster.ts'
import { LEASE_TTL_MS } from './simulated-instance.ts'
import type { StoredResult } from './simulated-leases.ts'

const BROKE = 'The generation broke unexpectedly.'
/** Longer than any wait after a failure. */
const AFTER_EVERY_BACKOFF_MS = 121_000
/** Each time the lease of who did not live to learn of it must expire, and statements that are to be lost are lost. */
const MAX_LOOKS = 8
/** Enough of a long story to see how it ended. */
const MAX_LINES = 400

/**
 * What run-once promises about a whole schedule, asked when it has come to rest.
 * @throws Error with the promises that were broken, and with all that happened.
 */
export async function judge(cluster: SimulatedCluster): Promise<void> {
  for (const instance of living(cluster)) judgeRest(cluster, instance)
  for (const row of cluster.store.rows) {
    const owner = cluster.instanceOf(row.owner)
    const leftBehind = owner?.alive && !owner.leavesLeases
    if (row.state === 'RUNNING' && leftBehind)
      cluster.violate('no lease stays RUNNING when nobody works for it')
  }
  if (cluster.violations.length === 0) await judgeAbandoned(cluster)
  if (cluster.violations.length === 0) await judgeNewcomers(cluster)
  for (const caller of cluster.callers) judgeAnswer(cluster, caller)
  for (const result of cluster.store.results) judgeFreshness(cluster, result)
  judgeCalls(cluster)
  await judgeMetrics(cluster)
  if (cluster.violations.length > 0) throw new Error(tell(cluster))
}

function tell({ violations, trace }: SimulatedCluster): string {
  const lines =
    trace.length > MAX_LINES ? [`… ${trace.length - MAX_LINES} lines …`, ...trace.slice(-MAX_LINES)] : trace
  return [...new Set(violations), '', 'What happened:', ...lines].join('\n')
}

function living(cluster: SimulatedCluster): SimulatedInstance[] {
  return cluster.instances.filter(instance => instance.alive)
}

function judgeRest(
  cluster: SimulatedCluster,
  { name, runOnce, keeper, watch, clock, providerClock }: SimulatedInstance,
): void {
  const left = {
    flights: runOnce.figures.flights,
    waiters: runOnce.figures.waiters,
    leases: keeper.size,
    watchedRuns: watch.size,
    timers: clock.pendingTimers + providerClock.pendingTimers,
  }
  if (Object.values(left).some(count => count > 0))
    cluster.violate(`nothing is left behind, but ${name} has ${JSON.stringify(left)}`)
}

/** Whatever has happened, and although nobody asks again: what was accepted is finished as long as somebody lives. */
async function judgeAbandoned(cluster: SimulatedCluster): Promise<void> {
  const isLeft = () => cluster.store.rows.some(row => row.state === 'RUNNING')
  const working = cluster.instances.filter(instance => instance.works)
  if (working.length === 0 || !isLeft()) return
  cluster.seen.add('left behind')
  for (let looks = 1; looks <= MAX_LOOKS && isLeft(); looks++) {
    await cluster.time.pass(LEASE_TTL_MS + 1)
    for (const instance of working) void instance.look()
    await cluster.rest()
  }
  if (isLeft()) cluster.violate('no lease stays RUNNING as long as somebody lives')
  for (const instance of working) judgeRest(cluster, instance)
}

/** Whatever has happened, who comes afterwards to a new instance is served, and nothing runs on. */
async function judgeNewcomers(cluster: SimulatedCluster): Promise<void> {
  const keys = new Set(cluster.callers.map(caller => caller.key))
  await cluster.time.pass(AFTER_EVERY_BACKOFF_MS)
  const instance = cluster.start({ offsetMs: 0, rate: 1 })
  cluster.healProvider()
  const newcomers = [...keys].map(key => cluster.ask(instance, { key, forced: true, waitMs: null }))
  await cluster.rest()
  judgeRest(cluster, instance)
  for (const { end } of newcomers) {
    if (end?.type !== 'result') cluster.violate(`who comes afterwards gets a result, not ${end?.type}`)
  }
  if (cluster.store.rows.some(row => row.state === 'RUNNING'))
    cluster.violate('no lease stays RUNNING when somebody has come afterwards')
}

function judgeAnswer(cluster: SimulatedCluster, caller: SimulatedCaller): void {
  const { number, instance, end, forced, revision, waitMs, askedAtMs, endedAtMs } = caller
  const { results } = cluster.store
  if (!end) {
    if (instance.alive) cluster.violate(`every caller is answered, but not ${number}`)
    return
  }
  switch (end.type) {
    case 'result': {
      const [run] = end.runId === null ? [] : cluster.store.find([end.runId])
      const isCommitted = results.some(({ id }) => id === end.result.id)
      if (!isCommitted || (end.runId !== null && run?.resultId !== end.result.id))
        cluster.violate(
          `every result is a committed one of the run it is said to be of, but not that of ${number}`,
        )
      if (forced && end.result.revision < revision)
        cluster.violate(`a forced request gets the data that was there when it asked, but not ${number}`)
      return
    }
    case 'pending':
      if (waitMs === null || endedAtMs < askedAtMs + waitMs / instance.rate - 1)
        cluster.violate('only who has set a limit to its wait, and has waited so long, is told to wait')
      if (cluster.store.find([end.runId]).length === 0)
        cluster.violate('a run that a caller is told to wait for is not forgotten')
      return
    case 'failed': {
      const [run] = cluster.store.find([end.runId])
      if (run?.state !== 'FAILED' || run.error !== end.message || run.errorRetryable !== end.retryable)
        cluster.violate('every failure is that of the run it is said to be of')
      if (end.message === BROKE && !cluster.brokenKeys.has(caller.key))
        cluster.violate('a run breaks only where its provider did')
    }
  }
}

/**
 * Exactly one caller is told FRESH where the flight that made the result came to its end with somebody aboard; nobody
 * where all had left it, or its instance was gone.
 */
function judgeFreshness(cluster: SimulatedCluster, result: StoredResult): void {
  const fresh = cluster.callers.filter(
    ({ end }) => end?.type === 'result' && end.source === 'FRESH' && end.runId === result.runId,
  )
  const call = callOf(cluster, result)
  const flight = cluster.flights.find(({ caller }) => caller === call?.caller)
  const landed = flight?.end !== undefined && flight.end !== 'broken'
  const expected = landed && flight.waitersAtEnd > 0 ? 1 : 0
  if (fresh.length !== expected)
    cluster.violate(`${expected} callers are told FRESH of ${result.runId}, but ${fresh.length} were`)
  if (fresh.some(({ instance }) => instance !== call?.instance))
    cluster.violate('FRESH is told where the result was made')
}

/**
 * A lease that reaches GENERATING calls the provider once at most, and whoever commits has called it. So a key costs no
 * more calls than it has had leases that got so far: its runs and takeovers.
 */
function judgeCalls(cluster: SimulatedCluster): void {
  const keys = new Set(cluster.callers.map(caller => caller.key))
  for (const key of keys) {
    const calls = cluster.calls.filter(call => call.key === key)
    const leases = cluster.grants.filter(({ lease, reachedProvider }) => lease.key === key && reachedProvider)
    if (calls.length > leases.length) cluster.violate('a lease is good for one call of the provider')
    const made = cluster.store.results
      .filter(result => result.key === key)
      .map(result => callOf(cluster, result))
    if (made.includes(undefined) || new Set(made).size !== made.length)
      cluster.violate('every result comes from a call of its own')
    for (const { instance } of calls) {
      const own = (one: { instance: SimulatedInstance }) => one.instance === instance
      if (calls.filter(own).length > leases.filter(own).length)
        cluster.violate('a lease is good for one call, by its owner')
    }
  }
}

async function judgeMetrics(cluster: SimulatedCluster): Promise<void> {
  for (const instance of living(cluster)) {
    const sum = async (metric: { get(): Promise<{ values: { value: number }[] }> }) =>
      (await metric.get()).values.reduce((total, { value }) => total + value, 0)
    const { metrics } = instance
    const calls = cluster.calls.filter(call => call.instance === instance).length
    const counted = await sum(metrics.providerCalls)
    if (counted !== calls)
      cluster.violate(`every call of the provider is counted once: ${counted} for ${calls}`)
    const timed = (await metrics.providerSeconds.get()).values.find(({ metricName }) =>
      metricName?.endsWith('_count'),
    )
    if ((timed?.value ?? 0) !== calls) cluster.violate('every call of the provider is timed once')
    const takeovers = cluster.grants.filter(
      grant => grant.instance === instance && grant.lease.takeoverCause !== null,
    )
    const takenOver = await sum(metrics.coordinationTakeovers)
    const known = takeovers.filter(({ reachedProvider }) => reachedProvider).length
    if (takenOver < known || takenOver > takeovers.length)
      cluster.violate(`every takeover is counted once: ${takenOver} for ${known} to ${takeovers.length}`)
    if ((await sum(metrics.coordinationFenced)) > instance.refusedCommits)
      cluster.violate('what is counted as fenced was refused')
    if ((await sum(metrics.runsInFlight)) !== 0) cluster.violate('no run is counted as in flight at rest')
  }
}

function callOf(cluster: SimulatedCluster, result: StoredResult): ProviderCall | undefined {
  return cluster.calls.find(call => result.id === `result of call ${call.number}`)
}
