import { setTimeout as sleep } from 'node:timers/promises'
import type { WebSocket } from 'ws'
import type { Retirement } from './retirement.ts'
import { SERVICE_RESTART, STOPPING } from './web-socket-upgrades.ts'

/** For a query or a mutation that is under way; a run that takes longer is told of by its subscription. */
const UNDER_WAY_MS = 10_000
const LOOK_AGAIN_MS = 50

/** When the instance stops, closes the socket, whose subscriptions go on elsewhere, once its queries and mutations are answered. */
export function retireSocket(retirement: Retirement, socket: WebSocket, isAnswering: () => boolean): void {
  const forget = retirement.add(async () => {
    for (let waitedMs = 0; isAnswering() && waitedMs < UNDER_WAY_MS; waitedMs += LOOK_AGAIN_MS)
      await sleep(LOOK_AGAIN_MS)
    socket.close(SERVICE_RESTART, STOPPING)
  })
  socket.once('close', forget)
}
