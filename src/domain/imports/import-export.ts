import { insertDataPoints } from '../../database/data-points.ts'
import { type StatsProvider, upsertStats } from '../../database/stats.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import { lockDataRevision, setDataRevision } from '../../database/users.ts'
import type { FetchedPoint } from '../../providers/account-provider.ts'
import type { ExportRecord } from '../../providers/export-record.ts'
import type { JsonValue } from '../../shared/json.ts'

export interface ImportReport {
  records: number
  newDataPoints: number
  duplicates: number
  unreadable: { line: number; reason: string }[]
  /** Beyond the list, which is not endless. */
  unreadableMore: number
}

/** In one transaction: broken off, an import has stored whole batches, and run again it finds them stored. */
const BATCH_POINTS = 2000
const MAX_UNREADABLE = 1000

/**
 * Stores what an export holds, in batches, as it is read: memory does not grow with the file. Every point has the source's own
 * id, so an import that was broken off is run again from the start and adds what is missing; one that comes after a sync adds
 * nothing twice. The totals of all of it become stats of the type `export`.
 */
export async function importExport(
  { transaction }: { transaction: RunTransaction },
  request: {
    userId: string
    provider: StatsProvider
    records: AsyncIterable<ExportRecord>
    signal?: AbortSignal
    onProgress?: (bytes: number) => void
  },
): Promise<ImportReport> {
  const { userId, provider, records, signal, onProgress } = request
  const report: ImportReport = {
    records: 0,
    newDataPoints: 0,
    duplicates: 0,
    unreadable: [],
    unreadableMore: 0,
  }
  const totals = new Map<string, { count: number; sum: number }>()
  let batch: FetchedPoint[] = []
  const store = async (data?: JsonValue) => {
    const points = batch
    batch = []
    const stored = await transaction('import-export', async transaction => {
      const revision = (await lockDataRevision(transaction, userId)) + 1
      const count = await insertDataPoints(transaction, userId, revision, points)
      if (count > 0) await setDataRevision(transaction, userId, revision)
      if (data !== undefined)
        await upsertStats(transaction, userId, provider, [{ statsType: 'export', data }])
      return count
    })
    report.newDataPoints += stored
    report.duplicates += points.length - stored
  }
  for await (const record of records) {
    signal?.throwIfAborted()
    onProgress?.(record.bytes)
    if (record.type === 'unreadable') {
      if (report.unreadable.length < MAX_UNREADABLE)
        report.unreadable.push({ line: record.line, reason: record.reason })
      else report.unreadableMore++
      continue
    }
    report.records++
    for (const { metric, value } of record.points) {
      const { count, sum } = totals.get(metric) ?? { count: 0, sum: 0 }
      totals.set(metric, { count: count + 1, sum: sum + value })
    }
    batch.push(...record.points)
    if (batch.length >= BATCH_POINTS) await store()
  }
  await store({ records: report.records, totals: Object.fromEntries(totals) })
  return report
}
