import { z } from 'zod'
import type { JsonValue } from '../shared/json.ts'
import { type AccountProvider, callProvider, type FetchedPoint, parseAnswer } from './account-provider.ts'

/** The most that Strava gives in a page. */
const PAGE_SIZE = 200
/** 2,000 activities: nobody has as many in three months. */
const MAX_PAGES = 10

const Tokens = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1),
  expires_at: z.number().positive(),
})

export const StravaActivity = z.object({
  id: z.union([z.int(), z.string().min(1)]),
  start_date: z.iso.datetime({ offset: true }),
  distance: z.number().nonnegative().nullish(),
  moving_time: z.number().nonnegative().nullish(),
  total_elevation_gain: z.number().nonnegative().nullish(),
  average_heartrate: z.number().positive().nullish(),
})
type StravaActivity = z.infer<typeof StravaActivity>

/** What an activity is worth, in the names by which analyses know such figures. The same from a sync and from an export. */
export function stravaPoints(activity: StravaActivity): FetchedPoint[] {
  const figures: [string, number | null | undefined, string][] = [
    ['distance_meters', activity.distance, 'm'],
    ['active_minutes', activity.moving_time == null ? null : activity.moving_time / 60, 'min'],
    ['elevation_gain_meters', activity.total_elevation_gain, 'm'],
    ['heart_rate', activity.average_heartrate, 'bpm'],
  ]
  return figures.flatMap(([metric, value, unit]) =>
    value == null
      ? []
      : [
          {
            metric,
            value,
            unit,
            recordedAt: new Date(activity.start_date),
            source: 'strava',
            externalId: `${activity.id}:${metric}`,
          },
        ],
  )
}

/** https://developers.strava.com/docs/reference/ */
export function createStrava(options: {
  apiUrl: string
  client: { id: string; secret: string } | undefined
}): AccountProvider {
  const { apiUrl, client } = options
  const address = (path: string, query: Record<string, string | number> = {}) => {
    const url = new URL(`${apiUrl.replace(/\/$/, '')}${path}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value))
    return url
  }
  return {
    refresh:
      client &&
      (async (refreshToken, signal) => {
        const form = {
          client_id: client.id,
          client_secret: client.secret,
          grant_type: 'refresh_token',
          refresh_token: refreshToken,
        }
        const tokens = parseAnswer(Tokens, await callProvider(address('/oauth/token'), { signal, form }))
        return {
          accessToken: tokens.access_token,
          refreshToken: tokens.refresh_token,
          expiresAt: new Date(tokens.expires_at * 1000),
        }
      }),
    async fetch({ athleteId, accessToken, since }, signal) {
      const get = (url: URL) => callProvider(url, { signal, accessToken })
      const totals = parseAnswer(
        z.record(z.string(), z.json()),
        await get(address(`/athletes/${encodeURIComponent(athleteId)}/stats`)),
      )
      const points: FetchedPoint[] = []
      const after = Math.floor(since.getTime() / 1000)
      for (let page = 1; page <= MAX_PAGES; page++) {
        const url = address('/athlete/activities', { after, page, per_page: PAGE_SIZE })
        const activities = parseAnswer(z.array(StravaActivity), await get(url))
        points.push(...activities.flatMap(stravaPoints))
        // A page that is not full need not be the last: Strava leaves out what may not be seen.
        if (activities.length === 0) break
      }
      return { stats: statsOf(totals), points }
    },
  }
}

/** Strava's one answer holds three kinds of totals; what has no prefix is of all time. */
function statsOf(totals: Record<string, JsonValue>) {
  const types = { recent: 'recent_', ytd: 'ytd_', all_time: 'all_' }
  return Object.entries(types).map(([statsType, prefix]) => ({
    statsType,
    data: Object.fromEntries(
      Object.entries(totals).flatMap(([name, value]): [string, JsonValue][] => {
        if (name.startsWith(prefix)) return [[name.slice(prefix.length), value]]
        const hasNone = !Object.values(types).some(other => name.startsWith(other))
        return statsType === 'all_time' && hasNone ? [[name, value]] : []
      }),
    ),
  }))
}
