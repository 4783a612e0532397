import { expect, onTestFinished, test } from 'vitest'
import { contributeFact, followPromotions } from '../support/fact-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { createScene, type Scene } from '../support/process-scene.ts'
import { tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const settings = { LOCK_TIMEOUT_MS: '20000' }
const FACT = 'Somebody always survives'

const stored = (scene: Scene) =>
  scene.database.query<{ count: number; sources: number; promoted: boolean; promotions: number }>(
    `SELECT source_count AS count, promoted_at IS NOT NULL AS promoted,
       (SELECT count(*)::int FROM fact_sources s WHERE s.fact_id = f.id) AS sources,
       (SELECT count(*)::int FROM fact_promotions p WHERE p.fact_id = f.id) AS promotions
     FROM collective_facts f`,
  )

test('an instance that is killed between counting and its commit leaves a count that equals the sources, and the promotion to another', async () => {
  const scene = await createScene({ settings })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const users = await Promise.all([1, 2, 3, 4, 5].map(number => tokenOf(`survivor ${number}`)))
  const subscriber = await followPromotions(b.url, { token: users[0] ?? '' })
  onTestFinished(() => subscriber.leave())
  for (const token of users.slice(0, 2)) await contributeFact(a.url, token, FACT)

  // What a promotion needs after the count and before the commit.
  const held = await holdLock(scene.database.url, 'LOCK TABLE fact_feed IN EXCLUSIVE MODE')
  const callers = users.slice(2).map(token => contributeFact(a.url, token, FACT).catch(() => 'cut off'))
  const backend = await held.waitedFor()
  expect(
    await scene.database.query('SELECT 1 FROM pg_locks WHERE pid = $1 AND relation = $2::regclass', [
      backend,
      'fact_sources',
    ]),
  ).not.toEqual([])
  await a.kill()
  await held.release()
  expect(await Promise.all(callers)).toEqual(['cut off', 'cut off', 'cut off'])
  await until(
    async () =>
      (await scene.database.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [backend])).length === 0,
    { what: 'the session of the killed instance to end' },
  )
  expect(await stored(scene)).toEqual([{ count: 2, sources: 2, promoted: false, promotions: 0 }])

  // Those who were cut off send again.
  const answers = await Promise.all(users.slice(2).map(token => contributeFact(b.url, token, FACT)))
  expect(answers.map(answer => answer.counted)).toEqual([true, true, true])
  expect(answers.filter(answer => answer.promotedNow)).toHaveLength(1)
  expect(await stored(scene)).toEqual([{ count: 5, sources: 5, promoted: true, promotions: 1 }])
  await until(() => subscriber.promoted.length > 0, { what: 'the promotion to be heard' })
  expect(subscriber.promoted.map(fact => fact.content)).toEqual([FACT])
})

test('an instance that is killed right after its commit has promoted the fact for good: it is heard of once, and never promoted again', async () => {
  const scene = await createScene({ settings })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const users = await Promise.all([1, 2, 3].map(number => tokenOf(`survivor ${number}`)))
  const subscriber = await followPromotions(b.url, { token: users[0] ?? '' })
  onTestFinished(() => subscriber.leave())
  for (const token of users.slice(0, 2)) await contributeFact(a.url, token, FACT)

  const caller = contributeFact(a.url, users[2] ?? '', FACT).catch(() => 'cut off')
  await until(async () => (await stored(scene))[0]?.promoted === true, {
    what: 'the promotion to be committed',
  })
  await a.kill()
  await caller
  await until(() => subscriber.promoted.length > 0, { what: 'the promotion to be heard' })
  // Whether it was answered or cut off, sending it again changes nothing.
  expect(await contributeFact(b.url, users[2] ?? '', FACT)).toMatchObject({
    counted: false,
    promotedNow: false,
  })
  expect(await stored(scene)).toEqual([{ count: 3, sources: 3, promoted: true, promotions: 1 }])
  expect(subscriber.promoted).toHaveLength(1)
})
