import { parse } from 'csv-parse'
import type { FetchedPoint } from './account-provider.ts'
import { type ExportRecord, UnreadableExportError } from './export-record.ts'
import { stravaPoints } from './strava.ts'

/** Of the columns that the export has twice, the later one: metres and exact seconds, where the first is for people. */
const COLUMNS = {
  id: 'Activity ID',
  date: 'Activity Date',
  distance: 'Distance',
  movingTime: 'Moving Time',
  elevationGain: 'Elevation Gain',
  heartRate: 'Average Heart Rate',
} as const
const REQUIRED = [COLUMNS.id, COLUMNS.date] as const
/** `Mar 4, 2020, 5:27:26 PM`, in UTC; newer exports put a narrow space before PM. */
const DATE = /^[A-Z][a-z]{2} (\d{1,2}), \d{4}, \d{1,2}:\d{2}:\d{2}\s[AP]M$/u

/**
 * Reads `activities.csv` of Strava's bulk export, row by row.
 * @throws UnreadableExportError for a file that is something else
 */
export async function* readStravaExport(source: AsyncIterable<Uint8Array>): AsyncGenerator<ExportRecord> {
  let header: readonly string[] = []
  const skipped: ExportRecord[] = []
  const parser = parse({
    bom: true,
    info: true,
    skip_empty_lines: true,
    relax_column_count: true,
    // A row is some hundred characters; a quote that is never closed would swallow the file.
    max_record_size: 1_000_000,
    // An error of the stream would take along the rows that were read and not handed out yet.
    skip_records_with_error: true,
    on_skip(error) {
      const { lines = 0, bytes = 0 } = (error ?? {}) as { lines?: number; bytes?: number }
      skipped.push({ type: 'unreadable', line: lines, reason: 'its quotes do not fit', bytes })
      return undefined
    },
  })
  const feeding = feed(source, parser)
  try {
    for await (const entry of parser) {
      const { record, info } = entry as { record: string[]; info: { lines: number; bytes: number } }
      if (header.length === 0) {
        header = record.map(name => name.trim())
        const missing = REQUIRED.filter(name => !header.includes(name))
        if (missing.length > 0)
          throw new UnreadableExportError(
            `line 1: this is no activities.csv of Strava, it has no column ${missing.map(name => `"${name}"`).join(' and ')}`,
          )
        continue
      }
      yield* skipped.splice(0)
      yield readRow(header, record, info)
    }
    await feeding
    yield* skipped.splice(0)
    if (header.length === 0) throw new UnreadableExportError('line 1: the file is empty')
  } finally {
    parser.destroy()
    await feeding.catch(() => {})
  }
}

async function feed(source: AsyncIterable<Uint8Array>, parser: ReturnType<typeof parse>): Promise<void> {
  for await (const chunk of source) {
    if (parser.destroyed) return
    if (!parser.write(chunk))
      await new Promise<void>(resolve => {
        const go = () => {
          parser.off('drain', go).off('close', go)
          resolve()
        }
        parser.on('drain', go).on('close', go)
      })
  }
  parser.end()
}

function readRow(
  header: readonly string[],
  record: readonly string[],
  { lines, bytes }: { lines: number; bytes: number },
): ExportRecord {
  const unreadable = (reason: string): ExportRecord => ({ type: 'unreadable', line: lines, reason, bytes })
  if (record.length !== header.length)
    return unreadable(`expected ${header.length} columns, got ${record.length}`)
  const text = (name: string) => record[header.lastIndexOf(name)]?.trim() ?? ''
  const id = text(COLUMNS.id)
  if (!/^\d{1,20}$/.test(id)) return unreadable(`${COLUMNS.id}: expected a number`)
  const date = text(COLUMNS.date)
  const [, day] = DATE.exec(date) ?? []
  const recordedAt = new Date(day === undefined ? Number.NaN : `${date.replaceAll(/\s/gu, ' ')} UTC`)
  // A 31st of February would be taken for the 3rd of March; no date at all is NaN, which is no day.
  if (recordedAt.getUTCDate() !== Number(day))
    return unreadable(`${COLUMNS.date}: expected a date such as Mar 4, 2020, 5:27:26 PM`)
  const wrong: string[] = []
  const figure = (name: string) => {
    const value = text(name)
    if (value === '') return null
    const number = Number(value)
    if (/^\d+(\.\d+)?$/.test(value) && Number.isFinite(number)) return number
    wrong.push(name)
    return null
  }
  const points: FetchedPoint[] = stravaPoints({
    id,
    start_date: recordedAt.toISOString(),
    distance: figure(COLUMNS.distance),
    moving_time: figure(COLUMNS.movingTime),
    total_elevation_gain: figure(COLUMNS.elevationGain),
    average_heartrate: figure(COLUMNS.heartRate),
  })
  if (wrong.length > 0) return unreadable(`${wrong.join(', ')}: expected a number`)
  return { type: 'points', points, bytes }
}
