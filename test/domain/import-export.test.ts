import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
const IMPORT = fileURLToPath(new URL('../../src/import.ts', import.meta.url))

let database: TestDatabase
let folder: string
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'tributary-import-'))
})
afterAll(async () => {
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  await database.query('DELETE FROM users')
  await database.query("INSERT INTO users (issuer, subject, email) VALUES ('', 'anna', 'anna@example.com')")
})

/** As somebody at a terminal runs it. */
async function runImport(kind: string, text: string, user = 'Anna@example.com') {
  const file = join(folder, 'export')
  await writeFile(file, text)
  // Far from UTC, which the dates of an export are in.
  const env = { ...process.env, DATABASE_URL: database.url, LOG_LEVEL: 'silent', TZ: 'Asia/Kathmandu' }
  try {
    const { stdout } = await run(NODE, [IMPORT, kind, file, '--user', user], { env })
    return { code: 0, lines: stdout.trim().split('\n') }
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string }
    return { code, lines: stderr.trim().split('\n') }
  }
}
const points = () =>
  database.query<{ metric: string; value: number; at: Date; id: string }>(
    'SELECT metric, value, recorded_at AS at, external_id AS id FROM data_points ORDER BY external_id',
  )

const HEADER =
  'Activity ID,Activity Date,Activity Name,Distance,Elapsed Time,Distance,Moving Time,Elevation Gain,Average Heart Rate'
const row = (id: number, name = 'Ride', metres = '12345.6') =>
  `${id},"Mar 4, 2020, 5:27:${String(id % 60).padStart(2, '0')} PM","${name}","12,3",900,${metres},600,100.5,`

describe('an export of Strava', () => {
  test('becomes data points by the ids that a sync gives them, and stats', async () => {
    const { code, lines } = await runImport(
      'strava',
      `\uFEFF${HEADER}\r\n${row(7, 'A ""long""\nride, with Ö')}\r\n`,
    )
    expect([code, lines]).toEqual([0, ['1 records read: 3 new data points, 0 known before.']])
    expect(await points()).toEqual([
      { metric: 'active_minutes', value: 10, at: new Date('2020-03-04T17:27:07Z'), id: '7:active_minutes' },
      {
        metric: 'distance_meters',
        value: 12345.6,
        at: new Date('2020-03-04T17:27:07Z'),
        id: '7:distance_meters',
      },
      {
        metric: 'elevation_gain_meters',
        value: 100.5,
        at: new Date('2020-03-04T17:27:07Z'),
        id: '7:elevation_gain_meters',
      },
    ])
    const [stats] = await database.query('SELECT provider, stats_type, data FROM provider_stats')
    expect(stats).toMatchObject({
      provider: 'STRAVA',
      stats_type: 'export',
      data: { records: 1, totals: { distance_meters: { count: 1, sum: 12345.6 } } },
    })
  })

  test('that was imported in part adds what is missing, and again adds nothing', async () => {
    const rows = Array.from({ length: 3000 }, (_, id) => row(id))
    const part = await runImport('strava', [HEADER, ...rows.slice(0, 1000)].join('\n'))
    expect(part.lines).toEqual(['1000 records read: 3000 new data points, 0 known before.'])
    const whole = await runImport('strava', [HEADER, ...rows].join('\n'))
    expect(whole.lines).toEqual(['3000 records read: 6000 new data points, 3000 known before.'])
    expect((await runImport('strava', [HEADER, ...rows].join('\n'))).lines).toEqual([
      '3000 records read: 0 new data points, 9000 known before.',
    ])
    expect(await points()).toHaveLength(9000)
  })

  test('whose import is killed has stored whole batches, and run again it adds the rest', async () => {
    const ROWS = 12_000
    const file = join(folder, 'large')
    await writeFile(file, [HEADER, ...Array.from({ length: ROWS }, (_, id) => row(id))].join('\n'))
    const args = [IMPORT, 'strava', file, '--user', 'anna@example.com']
    const env = { ...process.env, DATABASE_URL: database.url, LOG_LEVEL: 'silent' }
    const importing = spawn(NODE, args, { env, stdio: 'ignore' })
    const over = once(importing, 'exit')
    const count = async () =>
      (await database.query<{ n: number }>('SELECT count(*)::int AS n FROM data_points'))[0]?.n ?? 0
    await until(async () => (await count()) > 0, { what: 'the first batch', deadlineMs: 60_000 })
    importing.kill('SIGKILL')
    expect((await over)[1]).toBe('SIGKILL')
    await until(
      async () =>
        (
          await database.query(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tributary'",
          )
        ).length === 0,
      { what: 'its session to end' },
    )
    const stored = await count()
    expect(stored).toBeLessThan(3 * ROWS)
    const [user] = await database.query<{ revision: number }>('SELECT data_revision AS revision FROM users')
    // Three points a row, and as many rows as first make 2,000.
    expect(stored).toBe((user?.revision ?? 0) * 2001)
    const { stdout } = await run(NODE, args, { env })
    expect(stdout.trim()).toBe(
      `${ROWS} records read: ${3 * ROWS - stored} new data points, ${stored} known before.`,
    )
    expect(await count()).toBe(3 * ROWS)
  }, 180_000)

  // `script` of util-linux gives the terminal.
  test.runIf(process.platform === 'linux')('shows on a terminal how far it is', async () => {
    const file = join(folder, 'shown')
    await writeFile(file, [HEADER, row(1), row(2)].join('\n'))
    const env = { ...process.env, DATABASE_URL: database.url }
    const command = `'${NODE}' '${IMPORT}' strava '${file}' --user anna@example.com`
    const { stdout } = await run('script', ['-qec', command, '/dev/null'], { env })
    expect(stdout).toContain(`${'█'.repeat(40)} 100 %`)
    expect(stdout).toContain('2 records read: 6 new data points, 0 known before.')
  })

  test('tells the lines that it could not read, and takes the others', async () => {
    const text = [
      HEADER,
      row(1, 'two\nlines'),
      'x,"Mar 4, 2020, 5:27:26 PM",,,,,,,',
      row(2).replace('Mar 4', '4. März'),
      row(3, 'Ride', 'far'),
      '4,too few',
      row(6, 'Ride', '"12,3"'),
      row(7, 'Ride', '-5'),
      row(8, 'Ride', '1e3'),
      row(9, 'Ride', '0x10'),
      row(10).replace('Mar 4, 2020', '04.03.2020'),
      row(11).replace('Mar 4', 'Feb 31'),
      row(5),
    ].join('\n')
    const { code, lines } = await runImport('strava', text)
    expect(code).toBe(0)
    expect(lines).toEqual([
      '2 records read: 6 new data points, 0 known before.',
      'line 4: Activity ID: expected a number',
      'line 5: Activity Date: expected a date such as Mar 4, 2020, 5:27:26 PM',
      'line 6: Distance: expected a number',
      'line 7: expected 9 columns, got 2',
      'line 8: Distance: expected a number',
      'line 9: Distance: expected a number',
      'line 10: Distance: expected a number',
      'line 11: Distance: expected a number',
      'line 12: Activity Date: expected a date such as Mar 4, 2020, 5:27:26 PM',
      'line 13: Activity Date: expected a date such as Mar 4, 2020, 5:27:26 PM',
      '10 could not be read.',
    ])
  })

  test('with a quote that is never closed gives what stands before it', async () => {
    const { lines } = await runImport('strava', [HEADER, row(1), '2,"Mar 4, 2020', row(3)].join('\n'))
    expect(lines[0]).toBe('1 records read: 3 new data points, 0 known before.')
    expect(lines[1]).toMatch(/^line [345]: its quotes do not fit$/)
  })

  test.each([
    ['with a wrong header', 'Datum,Distanz\n1,2\n', /line 1: .*no column "Activity ID" and "Activity Date"/],
    ['that is empty', '', /line 1: the file is empty/],
  ])('%s is refused, and nothing is stored', async (_what, text, message) => {
    const { code, lines } = await runImport('strava', text)
    expect(code).toBe(2)
    expect(lines.join('\n')).toMatch(message)
    expect(await points()).toEqual([])
    expect(await database.query('SELECT 1 FROM provider_stats')).toEqual([])
  })
})

const dump = (days: unknown[]) => JSON.stringify({ user: { email: 'x' }, range: { start: 1 }, days }, null, 1)
const day = (n: number, seconds: unknown = 60 * n) => ({
  date: `2020-01-${String(n).padStart(2, '0')}`,
  grand_total: { total_seconds: seconds, text: '1 min' },
  projects: [{ name: 'secret', entities: ['a'.repeat(1000)] }],
})

describe('a dump of WakaTime', () => {
  test('becomes a point for each day, once', async () => {
    const text = dump(Array.from({ length: 28 }, (_, n) => day(n + 1)))
    expect((await runImport('wakatime', text)).lines).toEqual([
      '28 records read: 28 new data points, 0 known before.',
    ])
    expect((await runImport('wakatime', text)).lines).toEqual([
      '28 records read: 0 new data points, 28 known before.',
    ])
    expect((await points())[1]).toEqual({
      metric: 'coding_seconds',
      value: 120,
      at: new Date('2020-01-02T12:00:00Z'),
      id: '2020-01-02:coding_seconds',
    })
  })

  test('that was cut short gives the days before the cut, and says where it is', async () => {
    const text = dump(Array.from({ length: 10 }, (_, n) => day(n + 1)))
    const part = text.slice(0, Math.floor(text.length / 2))
    const { code, lines } = await runImport('wakatime', part)
    expect(code).toBe(0)
    expect(lines[1]).toContain(`line ${part.split('\n').length}: `)
    expect(lines[0]).toMatch(/^[45] records read: [45] new data points/)
    expect(lines[1]).toMatch(/^line \d+: the dump is cut short after [45] days$/)
  })

  test('with days that do not fit names them', async () => {
    const { lines } = await runImport('wakatime', dump([day(1), day(2, 'long'), { date: 'Monday' }, day(4)]))
    expect(lines[0]).toBe('2 records read: 2 new data points, 0 known before.')
    expect(lines[1]).toMatch(/^line \d+: days\.1\.grand_total\.total_seconds: expected a number$/)
    expect(lines[2]).toMatch(/^line \d+: days\.2\.date: expected a date such as 2026-01-31$/)
  })

  test.each([
    ['something else', '{"a": 1}', /no data dump of WakaTime/],
    ['no JSON', 'Activity ID,Date', /line 1: this is no JSON/],
  ])('that is %s is refused', async (_what, text, message) => {
    const { code, lines } = await runImport('wakatime', text)
    expect(code).toBe(2)
    expect(lines.join('\n')).toMatch(message)
  })
})

test('a user that is not there, a kind and a file that are not there are told', async () => {
  expect(await runImport('strava', HEADER, 'ben@example.com')).toEqual({
    code: 2,
    lines: ['There is no user ben@example.com.'],
  })
  const { code, lines } = await runImport('garmin', HEADER)
  expect(code).toBe(2)
  expect(lines[0]).toMatch(/^Usage: /)
})
