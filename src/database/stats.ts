import type { JsonValue } from '../shared/json.ts'
import { toArray } from './arrays.ts'
import type { Queryable } from './client.ts'

export type StatsProvider = 'STRAVA' | 'WAKATIME'

export interface StatsRow {
  userId: string
  provider: StatsProvider
  statsType: string
  data: JsonValue
  updatedAt: Date
}

const COLUMNS = 'user_id AS "userId", provider, stats_type AS "statsType", data, updated_at AS "updatedAt"'

const FIND_BY_USERS = {
  name: 'stats-find-by-users',
  text: `
    SELECT ${COLUMNS} FROM provider_stats
    WHERE user_id = ANY ($1::uuid[])
    ORDER BY user_id, provider, stats_type`,
}
export function findStatsByUserIds(db: Queryable, userIds: readonly string[]): Promise<StatsRow[]> {
  return db.query<StatsRow>(FIND_BY_USERS, [toArray(userIds)])
}

const UPSERT = {
  name: 'stats-upsert',
  text: `
    INSERT INTO provider_stats (user_id, provider, stats_type, data, updated_at)
    SELECT $1::uuid, $2::"StatsProvider", "statsType", data, clock_timestamp()
    FROM jsonb_to_recordset($3::jsonb) AS stats ("statsType" text, data jsonb)
    -- One order for everybody, so that two calls with the same types cannot deadlock.
    ORDER BY "statsType"
    ON CONFLICT (user_id, provider, stats_type) DO UPDATE SET data = excluded.data,
      -- Not the excluded one's, which may have waited here for the row's lock.
      updated_at = clock_timestamp()
    RETURNING ${COLUMNS}`,
}
/** Writes all of them in one statement: a row is one writer's, whole. No type may be there twice. */
export function upsertStats(
  db: Queryable,
  userId: string,
  provider: StatsProvider,
  stats: readonly { statsType: string; data: JsonValue }[],
): Promise<StatsRow[]> {
  return db.query<StatsRow>(UPSERT, [userId, provider, JSON.stringify(stats)])
}
