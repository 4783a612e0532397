import { beforeEach, expect, test } from 'vitest'
import type { Holding } from '../../src/coordination/holding.ts'
import type { Queryable } from '../../src/database/client.ts'
import { DatabaseAwayError } from '../../src/database/postgres-errors.ts'
import type { AppendSaves } from '../../src/domain/conversations/append-saves.ts'
import { createSave, type Save } from '../../src/domain/conversations/conversation-save.ts'
import { SessionWriter } from '../../src/domain/conversations/session-writer.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { Gate } from '../support/gate.ts'

let writer: SessionWriter
/** What was asked to be appended, call by call. */
let appended: string[][]
let onAppend: (saves: readonly Save[]) => Promise<void> | void
let held: string[]
let holding: { holds: boolean; settles: boolean; hold: () => 'held' | 'full' }

beforeEach(() => {
  appended = []
  onAppend = () => {}
  held = []
  holding = { holds: false, settles: false, hold: () => 'held' }
  writer = new SessionWriter({
    db: {} as Queryable,
    appends: {
      async append({ saves }: { saves: readonly Save[] }) {
        appended.push(saves.map(({ saveId }) => saveId))
        await onAppend(saves)
        return saves.map(() => ({ conversationId: 'c', messagesSaved: 1, stored: new Map() }))
      },
    } as unknown as AppendSaves,
    holding: {
      holds: async () => holding.holds,
      settle: async () => holding.settles,
      async hold(_key: string, entries: { id: string }[]) {
        const outcome = holding.hold()
        if (outcome === 'held') held.push(...entries.map(({ id }) => id))
        return outcome
      },
    } as unknown as Holding,
    logger: createLogger({ level: 'silent', format: 'json' }),
  })
})

const author = { userId: 'u', issuer: '', subject: 's', email: '' }
const saveOf = (saveId: string, sessionId = 'one', content = 'x') =>
  createSave(author, sessionId, [{ role: 'USER', content, clientId: null }], null, saveId)
const write = (saveId: string, mayBeHeld = true, sessionId?: string) =>
  writer.write(saveOf(saveId, sessionId), { mayBeHeld })
const away = () => {
  throw new DatabaseAwayError('away')
}

test('tries three times, then holds what may be held and tells the others that the database is away', async () => {
  const gate = new Gate()
  onAppend = async () => {
    await gate.pass()
    away()
  }
  const answers = [write('first')]
  await gate.arrived(1)
  answers.push(write('held'), write('not held', false), write('held too'))
  gate.open()
  expect((await Promise.all(answers)).map(({ type }) => type)).toEqual(['held', 'held', 'away', 'held'])
  expect(held).toEqual(['first', 'held', 'held too'])
  expect(appended).toHaveLength(6)
})

test('a database that is back at the third try has it', async () => {
  onAppend = () => {
    if (appended.length < 3) away()
  }
  expect(await write('patient')).toMatchObject({ type: 'saved' })
  expect(held).toEqual([])
})

test('what cannot pass is told to the one whose fault it is, at once, and is not held', async () => {
  const gate = new Gate()
  onAppend = async saves => {
    await gate.pass()
    if (saves.some(({ saveId }) => saveId === 'bad'))
      throw Object.assign(new Error('no such user'), { code: '23503' })
  }
  const first = write('first')
  await gate.arrived(1)
  const others = Promise.allSettled(['good', 'bad', 'fine'].map(id => write(id)))
  gate.open()
  await first
  expect((await others).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(held).toEqual([])
})

test.each(['53100', '25006', '57014', '40001', '08006'])('SQLSTATE %s passes: it is held', async code => {
  onAppend = () => {
    throw Object.assign(new Error('for now'), { code })
  }
  expect(await write('x')).toEqual({ type: 'held' })
})

test('what comes for a session with something held waits behind it, and goes on when that is saved', async () => {
  holding.holds = true
  expect(await write('waits')).toEqual({ type: 'held' })
  expect(await write('answered', false)).toEqual({ type: 'away' })
  expect(appended).toEqual([])
  holding.settles = true
  expect(await write('goes on')).toMatchObject({ type: 'saved' })
})

test.each([
  ['the bound is reached', () => 'full' as const],
  [
    'nothing can hold it',
    () => {
      throw new Error('no disk')
    },
  ],
])('nothing is pretended where %s', async (_what, hold) => {
  onAppend = away
  holding.hold = hold
  expect(await write('x')).toEqual({ type: 'away' })
})

test('beyond the bytes that may wait nothing more is taken, until there is room', async () => {
  const gate = new Gate()
  onAppend = () => gate.pass()
  const large = Array.from({ length: 70 }, (_, index) =>
    writer.write(saveOf(`${index}`, `${index}`, 'x'.repeat(1024 * 1024)), { mayBeHeld: true }),
  )
  expect(await large.at(-1)).toEqual({ type: 'away' })
  gate.open()
  const types = (await Promise.all(large)).map(({ type }) => type)
  expect(types.filter(type => type === 'saved')).toHaveLength(63)
  expect(await write('room again')).toMatchObject({ type: 'saved' })
})

test('beyond the saves that may wait nothing more is taken, until there is room', async () => {
  const gate = new Gate()
  onAppend = () => gate.pass()
  const many = Array.from({ length: 10_100 }, (_, index) => write(`${index}`))
  expect(await many.at(-1)).toEqual({ type: 'away' })
  gate.open()
  const types = (await Promise.all(many)).map(({ type }) => type)
  expect(types.filter(type => type === 'saved')).toHaveLength(10_001)
  expect(await write('room again')).toMatchObject({ type: 'saved' })
})
