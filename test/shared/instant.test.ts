import { expect, test } from 'vitest'
import { parseUtcInstant, toIsoText } from '../../src/shared/instant.ts'

const LAST_MS = 8.64e15
const instants = [
  0,
  -1,
  1,
  999,
  86_399_999,
  86_400_000,
  -86_400_000,
  -86_400_001,
  LAST_MS,
  -LAST_MS,
  Date.UTC(2000, 1, 29, 23, 59, 59, 999),
  Date.UTC(9999, 11, 31, 23, 59, 59, 999),
  Date.UTC(10_000, 0, 1),
  new Date('-000001-12-31T23:59:59.999Z').getTime(),
  ...Array.from({ length: 2000 }, () => Math.round((Math.random() * 2 - 1) * 1e14)),
  ...Array.from({ length: 2000 }, () => Math.round((Math.random() * 2 - 1) * LAST_MS)),
]

test('an instant is written as toISOString writes it, whatever was written before it', () => {
  for (const ms of instants) {
    const instant = new Date(ms)
    expect(toIsoText(instant)).toBe(instant.toISOString())
  }
  expect(() => toIsoText(new Date(Number.NaN))).toThrow(RangeError)
  expect(toIsoText(new Date(0))).toBe('1970-01-01T00:00:00.000Z')
})

test.each([
  ['2026-01-31 10:00:03.123456+00', '2026-01-31T10:00:03.123Z'],
  ['2026-01-31 10:00:03.999999+00', '2026-01-31T10:00:03.999Z'],
  ['2026-01-31 10:00:03.1+00', '2026-01-31T10:00:03.100Z'],
  ['2026-01-31 10:00:03.05+00', '2026-01-31T10:00:03.050Z'],
  ['2026-01-31 10:00:03+00', '2026-01-31T10:00:03.000Z'],
  ['1000-01-01 00:00:00+00', '1000-01-01T00:00:00.000Z'],
  ['9999-12-31 23:59:59.999+00', '9999-12-31T23:59:59.999Z'],
])('%s of PostgreSQL is %s', (text, iso) => {
  expect(parseUtcInstant(text)?.toISOString()).toBe(iso)
})

test.each([
  'infinity',
  '-infinity',
  '0044-03-15 12:00:00+00',
  '0044-03-15 12:00:00+00 BC',
  '12026-01-31 10:00:03+00',
  '2026-01-31 10:00:03+02',
  '2026-01-31 10:00:03-00:30',
  '2026-01-31T10:00:03+00',
  '2026-01-31 10:00:03.1234567+00',
  '2026-01-31 10:00:03x1+00',
  '2026-0a-31 10:00:03+00',
  '2026-01-31',
  '',
])('%j is left to whoever knows more forms', text => {
  expect(parseUtcInstant(text)).toBeUndefined()
})
