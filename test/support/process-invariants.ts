import { expect } from 'vitest'
import type { Caller } from './process-callers.ts'
import { callersEnd } from './process-callers.ts'
import type { Provider } from './process-provider.ts'
import type { TestDatabase } from './test-database.ts'
import { until } from './until.ts'

/** An instance that lives ends or takes over what another left within its polls, a database that was away within its budget. */
const SETTLED_DEADLINE_MS = 30_000

/**
 * What must be true when the dust of any fault has settled: one committed row for each run, tracking that equals it,
 * every caller answered, no lease left behind, and no provider call but one for each run and each takeover.
 */
export async function expectConsistent(
  database: Pick<TestDatabase, 'query'>,
  seen: { provider: Provider; callers: readonly Caller[] },
): Promise<void> {
  await expectNoRunLeft(database)
  await callersEnd(seen.callers)
  expectAnswered(seen.callers)
  await expectOneRowForEachRun(database)
  await expectTracked(database)
  await expectCallsPaidFor(database, seen.provider)
}

async function expectNoRunLeft(database: Pick<TestDatabase, 'query'>): Promise<void> {
  let left: unknown[] = []
  await until(
    async () => {
      left = await database.query(`
        SELECT 'lease' AS what, key, state, epoch FROM leases WHERE state = 'RUNNING'
        UNION ALL SELECT 'generation', key, state, epoch FROM generations WHERE state = 'RUNNING'`)
      return left.length === 0
    },
    { what: 'no run to be left', deadlineMs: SETTLED_DEADLINE_MS },
  ).catch(error => {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(left)}`, { cause: error })
  })
}

/** With a result or an expected error; only the clients of an instance that is no more may lose their connection. */
function expectAnswered(callers: readonly Caller[]): void {
  const typed = ['RequestAnalysisPayload', 'GenerationPending', 'GenerationFailedError', 'UnavailableError']
  const wrong = callers.filter(({ end, gateway }) => {
    switch (end?.type) {
      case 'answer':
        return !typed.includes(end.answer.__typename)
      case 'refused':
        return end.code !== 'UNAVAILABLE'
      case 'cut off':
        return gateway.end?.signal !== 'SIGKILL'
      default:
        return false
    }
  })
  expect(wrong.map(({ end, gateway }) => ({ gateway: gateway.name, end }))).toEqual([])
}

async function expectOneRowForEachRun(database: Pick<TestDatabase, 'query'>): Promise<void> {
  const wrongAnalyses = await database.query(`
    SELECT a.id AS analysis, a.generation_id AS run, g.state, g.result_id AS result, a.result->>'key' AS "madeFor", u.subject AS "storedFor",
      (SELECT count(*)::int FROM insights i WHERE i.analysis_id = a.id) AS insights
    FROM analyses a
    JOIN users u ON u.id = a.user_id
    LEFT JOIN generations g ON g.id = a.generation_id
    -- It is what its run says it made, whole, and for the user that asked for it. As a run has one result, it has one row.
    WHERE NOT coalesce(g.state = 'SUCCEEDED' AND g.result_id = a.id AND g.user_id = a.user_id AND a.result->>'key' = u.subject, false)
      OR (SELECT count(*) FROM insights i WHERE i.analysis_id = a.id) <> 1`)
  expect(wrongAnalyses).toEqual([])
  const wrongRuns = await database.query(`
    SELECT g.id AS run, g.key, g.state, g.epoch, g.result_id AS result, maker.id AS "madeBy"
    FROM generations g
    LEFT JOIN analyses a ON a.id = g.result_id
    LEFT JOIN generations maker ON maker.id = a.generation_id
    WHERE NOT coalesce(CASE g.state
      -- A run that found that another one of its key had just made the result ends with that one, and makes none.
      WHEN 'SUCCEEDED' THEN maker.id = g.id OR (maker.key = g.key AND a.created_at <= g.finished_at)
      WHEN 'FAILED' THEN g.result_id IS NULL
    END, false)`)
  expect(wrongRuns).toEqual([])
}

async function expectTracked(database: Pick<TestDatabase, 'query'>): Promise<void> {
  const broken = await database.query(`
    SELECT user_id, archetype, t.analysis_count AS tracked, a.count AS stored, t.last_analysis_at, a.newest
    FROM archetype_tracking t
    FULL JOIN (
      SELECT user_id, archetype, count(*)::int, max(created_at) AS newest FROM analyses GROUP BY user_id, archetype
    ) a USING (user_id, archetype)
    WHERE t.analysis_count IS DISTINCT FROM a.count OR t.last_analysis_at IS DISTINCT FROM a.newest`)
  expect(broken).toEqual([])
}

/** Each epoch of a key allows one call: one for a run, and one more for each time that it was taken over. */
async function expectCallsPaidFor(database: Pick<TestDatabase, 'query'>, provider: Provider): Promise<void> {
  const keys = await database.query<{ subject: string; epochs: number; results: number }>(`
    SELECT u.subject, coalesce(sum(l.epoch), 0)::int AS epochs,
      (SELECT count(*)::int FROM analyses a WHERE a.user_id = u.id) AS results
    FROM users u LEFT JOIN leases l ON l.key LIKE '%:' || u.id || ':%'
    GROUP BY u.id`)
  for (const { subject, epochs, results } of keys) {
    const calls = provider.callsFor(subject).length
    expect(calls, `provider calls for ${subject} over ${epochs} epochs`).toBeLessThanOrEqual(epochs)
    expect(calls, `provider calls for ${subject} with ${results} results`).toBeGreaterThanOrEqual(results)
  }
  expect(keys.map(({ subject }) => subject)).toEqual(
    expect.arrayContaining([...new Set(provider.calls.map(({ request }) => request.key))]),
  )
}
