import { z } from 'zod'
import { type AccountProvider, callProvider, type FetchedPoint, parseAnswer } from './account-provider.ts'

const DAY_MS = 86_400_000

const Tokens = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1),
  expires_in: z.number().positive(),
})
const Stats = z.object({ data: z.record(z.string(), z.json()) })
export const WakatimeDay = z.object({
  grand_total: z.object({ total_seconds: z.number().nonnegative() }),
  range: z.object({ date: z.iso.date() }),
})
const Summaries = z.object({ data: z.array(WakatimeDay) })

/** A day that is over, as one figure at its noon. The same from a sync and from a dump. */
export function wakatimePoints(date: string, totalSeconds: number): FetchedPoint[] {
  return [
    {
      metric: 'coding_seconds',
      value: totalSeconds,
      unit: 's',
      recordedAt: new Date(`${date}T12:00:00.000Z`),
      source: 'wakatime',
      externalId: `${date}:coding_seconds`,
    },
  ]
}

/** https://wakatime.com/developers */
export function createWakatime(options: {
  apiUrl: string
  client: { id: string; secret: string } | undefined
  now: () => Date
}): AccountProvider {
  const { apiUrl, client, now } = options
  const address = (path: string) => new URL(`${apiUrl.replace(/\/$/, '')}${path}`)
  const day = (at: Date) => at.toISOString().slice(0, 10)
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
        // Beside the API, not below it.
        const url = new URL('/oauth/token', apiUrl)
        const tokens = parseAnswer(Tokens, await callProvider(url, { signal, form }))
        return {
          accessToken: tokens.access_token,
          refreshToken: tokens.refresh_token,
          expiresAt: new Date(now().getTime() + tokens.expires_in * 1000),
        }
      }),
    async fetch({ accessToken, since }, signal) {
      const get = (url: URL) => callProvider(url, { signal, accessToken })
      const stats = []
      for (const statsType of ['last_7_days', 'last_30_days'])
        stats.push({
          statsType,
          data: parseAnswer(Stats, await get(address(`/users/current/stats/${statsType}`))).data,
        })
      const total = parseAnswer(Stats, await get(address('/users/current/all_time_since_today'))).data
      stats.push({ statsType: 'all_time', data: total })
      const summaries = address('/users/current/summaries')
      summaries.searchParams.set('start', day(since))
      summaries.searchParams.set('end', day(now()))
      // A day that goes on grows, and a data point is stored once.
      const over = day(new Date(now().getTime() - DAY_MS))
      const points: FetchedPoint[] = parseAnswer(Summaries, await get(summaries)).data.flatMap(
        ({ range, grand_total }) =>
          range.date < over ? wakatimePoints(range.date, grand_total.total_seconds) : [],
      )
      return { stats, points }
    },
  }
}
