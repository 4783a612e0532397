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
  const broken = await database.query(`
    SELECT g.id AS run, g.state, g.epoch, g.result_id AS result,
      array_agg(a.id) AS analyses, array_agg(a.result->>'key') AS "madeFor", array_agg(u.subject) AS "storedFor",
      sum((SELECT count(*) FROM insights i WHERE i.analysis_id = a.id))::int AS insights
    FROM generations g
    FULL JOIN analyses a ON a.generation_id = g.id
    LEFT JOIN users u ON u.id = a.user_id
    GROUP BY g.id
    HAVING NOT coalesce(CASE g.state
      -- The one row is what the run says it made, whole, and for the user that asked for it.
      WHEN 'SUCCEEDED' THEN count(a.id) = 1 AND bool_and(a.id = g.result_id AND a.user_id = g.user_id AND a.result->>'key' = u.subject)
        AND sum((SELECT count(*) FROM insights i WHERE i.analysis_id = a.id)) = 1
      WHEN 'FAILED' THEN count(a.id) = 0 AND g.result_id IS NULL
    END, false)`)
  expect(broken).toEqual([])
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
  const keys = await database.query<{ subject: string; epochs: number; succeeded: number }>(`
    SELECT u.subject, coalesce(sum(l.epoch), 0)::int AS epochs,
      (SELECT count(*)::int FROM generations g WHERE g.user_id = u.id AND g.state = 'SUCCEEDED') AS succeeded
    FROM users u LEFT JOIN leases l ON l.key LIKE '%:' || u.id || ':%'
    GROUP BY u.id`)
  for (const { subject, epochs, succeeded } of keys) {
    const calls = provider.callsFor(subject).length
    expect(calls, `provider calls for ${subject} over ${epochs} epochs`).toBeLessThanOrEqual(epochs)
    expect(calls, `provider calls for ${subject} with ${succeeded} results`).toBeGreaterThanOrEqual(succeeded)
  }
  expect(keys.map(({ subject }) => subject)).toEqual(
    expect.arrayContaining([...new Set(provider.calls.map(({ request }) => request.key))]),
  )
}
