import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createLogger } from '../../src/shared/logger.ts'
import { watchForStop } from '../../src/watch-for-stop.ts'

const EVENTS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'uncaughtException', 'unhandledRejection'] as const

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
})

/** What watches this very process, whose end is held up; the signals and errors are those of the test. */
function watch(giveUpAfterMs = 30_000) {
  const lines: { level: number; msg: string; err?: { message: string } }[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never)
  const before = new Map<string, unknown[]>(EVENTS.map(name => [name, process.rawListeners(name)]))
  const stop = watchForStop({
    logger: createLogger({ level: 'debug', format: 'json', destination }),
    giveUpAfterMs,
  })
  const added = new Map(
    EVENTS.map(name => [name, process.rawListeners(name).filter(one => !before.get(name)?.includes(one))]),
  )
  onTestFinished(() => {
    exit.mockRestore()
    for (const [name, listeners] of added) for (const one of listeners) process.off(name, one as () => void)
  })
  const happens = (name: (typeof EVENTS)[number], what: unknown = name) => {
    expect(added.get(name), name).toHaveLength(1)
    for (const one of added.get(name) ?? []) (one as (what: unknown) => void)(what)
  }
  return { stop, lines, exit, happens }
}

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s drains, to end with 0, and says so', signal => {
  const { stop, lines, exit, happens } = watch()
  expect(stop.signal.aborted).toBe(false)
  happens(signal)
  expect(stop.signal.aborted).toBe(true)
  expect(stop.exitCode).toBe(0)
  expect(exit).not.toHaveBeenCalled()
  expect(lines).toMatchObject([{ level: 30, msg: `${signal}: draining; once more ends at once` }])
})

test('a second one within half a second is the same keystroke, and a later one ends at once', () => {
  const { lines, exit, happens } = watch()
  happens('SIGINT')
  vi.advanceTimersByTime(500)
  happens('SIGTERM')
  expect(exit).not.toHaveBeenCalled()
  expect(lines).toHaveLength(1)
  vi.advanceTimersByTime(1)
  happens('SIGINT')
  expect(exit).toHaveBeenCalledExactlyOnceWith(1)
  expect(lines[1]).toMatchObject({ level: 40, msg: 'SIGINT again: the process ends at once' })
})

test.each(['uncaughtException', 'unhandledRejection'] as const)(
  'an error of %s is told of once, drains, and ends with 1; others that follow are not told of',
  name => {
    const { stop, lines, exit, happens } = watch()
    happens(name, new Error('somebody forgot me'))
    happens('unhandledRejection', new Error('and me'))
    happens('uncaughtException', new Error('and me too'))
    expect(stop.signal.aborted).toBe(true)
    expect(stop.exitCode).toBe(1)
    expect(exit).not.toHaveBeenCalled()
    expect(lines.map(({ level, err }) => [level, err?.message])).toEqual([
      [60, 'somebody forgot me'],
      [20, 'and me'],
      [20, 'and me too'],
    ])
  },
)

test('a signal after an error drains no second time, and does not make up for the error; the next one ends at once', () => {
  const { stop, exit, happens } = watch()
  happens('uncaughtException', new Error('x'))
  vi.advanceTimersByTime(5000)
  happens('SIGTERM')
  expect(stop.exitCode).toBe(1)
  expect(exit).not.toHaveBeenCalled()
  vi.advanceTimersByTime(5000)
  happens('SIGTERM')
  expect(exit).toHaveBeenCalledExactlyOnceWith(1)
})

test('a drain that does not end is given up, with 1', () => {
  const { lines, exit, happens } = watch(30_000)
  vi.advanceTimersByTime(100_000)
  expect(exit).not.toHaveBeenCalled()
  happens('SIGTERM')
  vi.advanceTimersByTime(29_999)
  expect(exit).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(exit).toHaveBeenCalledExactlyOnceWith(1)
  expect(lines.at(-1)).toMatchObject({ level: 50, msg: 'the drain did not end in time' })
})

test('a bound that no timer can hold is held as far as one can', () => {
  const { exit, happens } = watch(2 ** 40)
  happens('SIGTERM')
  vi.advanceTimersByTime(60_000)
  expect(exit).not.toHaveBeenCalled()
})
