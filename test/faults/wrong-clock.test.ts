import { existsSync } from 'node:fs'
import { expect, type TestContext, test } from 'vitest'
import { expectOneResult } from '../support/process-callers.ts'
import { waitersArrive } from '../support/process-gateway.ts'
import { createScene, type Scene } from '../support/process-scene.ts'
import { until } from '../support/until.ts'

const LIBRARY = ['x86_64', 'aarch64']
  .map(processor => `/usr/lib/${processor}-linux-gnu/faketime/libfaketime.so.1`)
  .find(path => existsSync(path))

const MINUTES = 5
const OFF_MS = MINUTES * 60_000
/** What a start and a line of output may take. */
const TOLERANCE_MS = 60_000

/** Three instances: one with a clock ahead, one with a clock behind, one that is right. Only the wall clock is wrong: no host has a wrong monotonic one. */
async function startWithWrongClocks(scene: Scene, library: string) {
  const clock = (offset: string) => ({
    env: {
      LD_PRELOAD: library,
      FAKETIME: offset,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
  })
  const [ahead, behind, right] = await Promise.all([
    scene.start('ahead', clock(`+${MINUTES}m`)),
    scene.start('behind', clock(`-${MINUTES}m`)),
    scene.start('right'),
  ])
  expect(Math.abs(ahead.clockAheadMs - OFF_MS)).toBeLessThan(TOLERANCE_MS)
  expect(Math.abs(behind.clockAheadMs + OFF_MS)).toBeLessThan(TOLERANCE_MS)
  return { ahead, behind, right }
}

function requireLibrary(context: TestContext): string {
  return LIBRARY ?? context.skip('needs libfaketime (Debian: apt-get install libfaketime)')
}

test('instances whose clocks are minutes apart agree on who owns a run, for longer than its TTL', async context => {
  const library = requireLibrary(context)
  const scene = await createScene({ settings: { LEASE_TTL_MS: '3000', RECENT_ANALYSIS_MINUTES: '1' } })
  const instances = Object.values(await startWithWrongClocks(scene, library))

  for (const owner of instances) {
    const name = `of_${owner.name}`
    const user = await scene.user(owner, name)
    const callers = scene.call(owner, user)
    await until(() => scene.provider.callsFor(name).length === 1, { what: `the call ${name}` })
    for (const other of instances) if (other !== owner) callers.push(...scene.call(other, user))
    await waitersArrive(instances.map(gateway => [gateway, 1]))
    const first = await leaseUntil(scene)
    await until(async () => (await leaseUntil(scene)).now > first.until, {
      what: 'the lease to have run out if nobody had renewed it',
    })
    for (const call of scene.provider.callsFor(name)) call.answer()

    const { answer, sources } = await expectOneResult(callers)
    expect(answer.generation).toMatchObject({ state: 'SUCCEEDED', epoch: 1 })
    expect(sources).toEqual({ FRESH: 1, JOINED: 2 })
    expect(scene.provider.callsFor(name)).toHaveLength(1)
    // Whose clock says that the analysis is older than the window, or not yet made, does not matter either.
    const again = await expectOneResult(instances.flatMap(gateway => scene.call(gateway, user)))
    expect(again.sources).toEqual({ RECENT: 3 })
    expect(again.answer.analysis.id).toBe(answer.analysis.id)
  }
  const [stored] = await scene.database.query<{ off: number }>(
    'SELECT max(abs(extract(epoch FROM clock_timestamp() - created_at)))::float8 * 1000 AS off FROM analyses',
  )
  expect(stored?.off).toBeLessThan(TOLERANCE_MS)
  await scene.expectConsistent()
})

test('an owner with a wrong clock that is killed is taken over at once by one that is wrong the other way', async context => {
  const library = requireLibrary(context)
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000' } })
  const { ahead, behind, right } = await startWithWrongClocks(scene, library)
  const user = await scene.user(right, 'runner')
  scene.call(ahead, user)
  await scene.provider.called(1)
  const callers = scene.call(behind, user, 2)
  await waitersArrive([[behind, 2]])

  await ahead.kill()
  const second = await scene.provider.called(2)
  expect(second.request.instance).toBe('behind')
  second.answer()
  const { sources } = await expectOneResult(callers)
  expect(sources).toEqual({ FRESH: 1, JOINED: 1 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(2)
})

async function leaseUntil(scene: Scene): Promise<{ until: number; now: number }> {
  const [lease] = await scene.database.query<{ until: Date; now: Date }>(
    `SELECT lease_until AS until, clock_timestamp() AS now FROM leases WHERE state = 'RUNNING'`,
  )
  if (!lease) throw new Error('no run is under way')
  return { until: lease.until.getTime(), now: lease.now.getTime() }
}
