import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const DAY_MS = 86_400_000

/**
 * Strava's API below /strava, WakaTime's below /wakatime/api/v1, over real HTTP, with one user each. As the real ones it takes
 * a refresh token once: the second use, and any other, is refused.
 */
export class FakeAccountProviders {
  /** Of both; `expired` is refused. */
  accessToken = 'access-0'
  refreshToken = 'refresh-0'
  clientSecret = 'client-secret'
  /** A refresh token from before that still works, as some providers let it for a while. */
  graceToken: string | undefined
  readonly calls: string[] = []
  /** Answers to the next calls of the API, instead of what is there. */
  readonly refusals: { status: number; headers?: Record<string, string>; body?: string }[] = []
  /** Answers to the next refreshes, which change nothing. */
  readonly refreshRefusals: { status: number }[] = []
  /** Waited for before each call of the API is answered. */
  behave: () => Promise<void> = async () => {}
  /** How long refreshed tokens last. */
  lifeS = 21_600
  /** Waited for before a refresh is answered, after the tokens have been rotated; where it throws, the connection ends without an answer. */
  behaveRefresh: () => Promise<void> = async () => {}
  activities = [1, 2, 3].map(id => ({
    id,
    name: `Ride ${id}`,
    start_date: new Date(Date.now() - id * DAY_MS).toISOString().replace(/\.\d+Z/, 'Z'),
    distance: 1000 * id,
    moving_time: 600 * id,
    total_elevation_gain: 10,
    average_heartrate: id === 3 ? undefined : 140 + id,
  }))
  #rotations = 0
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  static async start(): Promise<FakeAccountProviders> {
    const fake = new FakeAccountProviders()
    await new Promise<void>(resolve => fake.#server.listen(0, '127.0.0.1', resolve))
    return fake
  }

  get settings(): Record<string, string> {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return {
      STRAVA_API_URL: `${url}/strava`,
      STRAVA_CLIENT_ID: 'client',
      STRAVA_CLIENT_SECRET: 'client-secret',
      WAKATIME_API_URL: `${url}/wakatime/api/v1`,
      WAKATIME_CLIENT_ID: 'client',
      WAKATIME_CLIENT_SECRET: 'client-secret',
    }
  }

  count(path: string): number {
    return this.calls.filter(call => call.startsWith(path)).length
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://here')
    this.calls.push(url.pathname)
    const send = (status: number, body: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    }
    if (url.pathname.endsWith('/oauth/token')) return this.#refresh(request, send)
    await this.behave()
    const refusal = this.refusals.shift()
    if (refusal) return send(refusal.status, refusal.body ?? {}, refusal.headers)
    if (request.headers.authorization !== `Bearer ${this.accessToken}`)
      return send(401, { message: 'Authorization Error' })
    switch (url.pathname) {
      case '/strava/athletes/4711/stats':
        return send(200, {
          biggest_ride_distance: 3000,
          recent_ride_totals: { count: 3 },
          ytd_ride_totals: { count: 30 },
          all_ride_totals: { count: 300 },
        })
      case '/strava/athlete/activities': {
        const after = Number(url.searchParams.get('after')) * 1000
        const page = Number(url.searchParams.get('page'))
        // Two a page, so that pages are turned.
        const wanted = this.activities.filter(({ start_date }) => new Date(start_date).getTime() > after)
        return send(200, wanted.slice((page - 1) * 2, page * 2))
      }
      case '/wakatime/api/v1/users/current/stats/last_7_days':
      case '/wakatime/api/v1/users/current/stats/last_30_days':
      case '/wakatime/api/v1/users/current/all_time_since_today':
        return send(200, { data: { total_seconds: 3600 } })
      case '/wakatime/api/v1/users/current/summaries': {
        const days = [0, 1, 2, 3, 4].map(ago =>
          new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10),
        )
        return send(200, {
          data: days.map(date => ({ range: { date }, grand_total: { total_seconds: 60 } })),
        })
      }
    }
    return send(404, { message: 'Record Not Found' })
  }

  async #refresh(request: IncomingMessage, send: (status: number, body: unknown) => void): Promise<void> {
    let text = ''
    for await (const chunk of request) text += chunk
    const form = new URLSearchParams(text)
    const refusal = this.refreshRefusals.shift()
    if (refusal) return send(refusal.status, {})
    const isStrava = request.url?.startsWith('/strava') === true
    const refuse = (resource: string, error: string) =>
      // Strava has words of its own; the other keeps to RFC 6749, 5.2.
      isStrava
        ? send(400, { message: 'Bad Request', errors: [{ resource, field: 'x', code: 'invalid' }] })
        : send(error === 'invalid_client' ? 401 : 400, { error })
    if (form.get('client_secret') !== this.clientSecret) return refuse('Application', 'invalid_client')
    if (form.get('refresh_token') !== this.refreshToken && form.get('refresh_token') !== this.graceToken)
      return refuse('RefreshToken', 'invalid_grant')
    this.#rotations++
    this.accessToken = `access-${this.#rotations}`
    this.refreshToken = `refresh-${this.#rotations}`
    try {
      await this.behaveRefresh()
    } catch {
      return void request.socket.destroy()
    }
    send(200, {
      access_token: this.accessToken,
      refresh_token: this.refreshToken,
      expires_at: Math.floor(Date.now() / 1000) + this.lifeS,
      expires_in: this.lifeS,
    })
  }
}
