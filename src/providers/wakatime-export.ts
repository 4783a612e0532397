import { Readable } from 'node:stream'
import chain from 'stream-chain'
import { parser } from 'stream-json'
import { pick } from 'stream-json/filters/pick.js'
import { streamArray } from 'stream-json/streamers/stream-array.js'
import { z } from 'zod'
import { type ExportRecord, UnreadableExportError } from './export-record.ts'
import { wakatimePoints } from './wakatime.ts'

const LINE_FEED = 10

/** A day of a data dump, as WakaTime's account page makes it. */
const Day = z.object({
  date: z.iso.date('expected a date such as 2026-01-31'),
  grand_total: z.object({ total_seconds: z.number('expected a number').nonnegative() }),
})

/**
 * Reads WakaTime's data dump, day by day, however large it is. A dump that was cut short gives the days before the cut.
 * @throws UnreadableExportError for a file that is something else
 */
export async function* readWakatimeExport(source: AsyncIterable<Uint8Array>): AsyncGenerator<ExportRecord> {
  let [bytes, line, days] = [0, 1, 0]
  async function* counted() {
    for await (const chunk of source) {
      bytes += chunk.length
      for (const byte of chunk) if (byte === LINE_FEED) line++
      yield Buffer.from(chunk)
    }
  }
  const pipeline = chain([Readable.from(counted()), parser(), pick({ filter: 'days' }), streamArray()])
  try {
    for await (const entry of pipeline) {
      const { key, value } = entry as { key: number; value: unknown }
      days++
      const parsed = Day.safeParse(value)
      if (parsed.success) {
        const { date, grand_total } = parsed.data
        yield { type: 'points', points: wakatimePoints(date, grand_total.total_seconds), bytes }
      } else {
        const [issue] = parsed.error.issues
        // The parser reads ahead: the line is where it has come to, the day is exact.
        const reason = `days.${key}${issue?.path.map(part => `.${String(part)}`).join('') ?? ''}: ${issue?.message}`
        yield { type: 'unreadable', line, reason, bytes }
      }
    }
  } catch (error) {
    if (!/parser/i.test((error as Error).message)) throw error
    if (days === 0) throw new UnreadableExportError(`line ${line}: this is no JSON`)
    yield { type: 'unreadable', line, reason: `the dump is cut short after ${days} days`, bytes }
    return
  } finally {
    pipeline.destroy()
  }
  if (days === 0) throw new UnreadableExportError('this is no data dump of WakaTime: it has no days')
}
