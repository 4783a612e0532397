import { until } from './until.ts'

interface Figures {
  flights: number
  waiters: number
  ownedRuns: number
}

export async function coordinationFigures(url: string): Promise<Figures> {
  return (await fetch(`${url}/api/health/coordination`)).json() as Promise<Figures>
}

/** Waits until so many callers, over all the gateways, wait for a flight. */
export function callersArrived(gateways: readonly { url: string }[], count: number): Promise<void> {
  return until(
    async () => {
      const figures = await Promise.all(gateways.map(gateway => coordinationFigures(gateway.url)))
      return figures.reduce((sum, { waiters }) => sum + waiters, 0) >= count
    },
    { what: `${count} callers to arrive` },
  )
}
