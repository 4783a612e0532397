import { PrismaPg } from '@prisma/adapter-pg'
import DataLoader from 'dataloader'
import { DATABASE_URL, POOL_SIZE } from './environment.ts'
import { PrismaClient } from './generated/client/client.ts'
import { RECORD_DATA_POINTS } from './statements.ts'

/** The client of the gateway's own Prisma schema, https://www.prisma.io/docs/orm/overview/databases/postgresql. */
export const prisma = new PrismaClient({
  adapter: new PrismaPg({ connectionString: DATABASE_URL, max: POOL_SIZE }),
})

export interface TrackedSince {
  userId: string
  dataRevision: number
}

/** How many points of a user came after a revision: one statement for all rows of a request. */
export function createNewDataPointsLoader() {
  return new DataLoader<TrackedSince, number, string>(
    async rows => {
      const counts = await prisma.dataPoint.groupBy({
        by: ['userId', 'revision'],
        _count: true,
        where: {
          userId: { in: [...new Set(rows.map(row => row.userId))] },
          revision: { gt: Math.min(...rows.map(row => row.dataRevision)) },
        },
      })
      return rows.map(row =>
        counts
          .filter(({ userId, revision }) => userId === row.userId && revision > row.dataRevision)
          .reduce((sum, { _count }) => sum + _count, 0),
      )
    },
    { cacheKeyFn: row => `${row.userId} ${row.dataRevision}` },
  )
}

export async function recordDataPoints(userId: string, points: readonly unknown[]) {
  const [row] = await prisma.$queryRawUnsafe<{ stored: number }[]>(
    RECORD_DATA_POINTS,
    userId,
    JSON.stringify(points),
  )
  const stored = row?.stored ?? 0
  return { stored, duplicates: points.length - stored }
}
