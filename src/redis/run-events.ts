import type { Logger } from '../shared/logger.ts'
import { connectRedis } from './client.ts'

const CHANNEL = 'tributary:runs'

export interface RunEvents {
  /** @throws when Redis does not take the message now. */
  publish(runId: string): Promise<void>
  close(): void
}

/** Carries "this run has moved on" between instances by PUBLISH. Lost messages are covered by whoever listens: it polls. */
export function createRedisRunEvents(
  url: string,
  options: { logger: Logger; onWake: (runId: string) => void; onReconnect: () => void },
): RunEvents {
  const commands = connectRedis(url, { role: 'commands', logger: options.logger })
  const subscriber = connectRedis(url, { role: 'subscriber', logger: options.logger })
  subscriber.on('message', (_channel, runId) => options.onWake(runId))
  let subscribed = false
  // The library subscribes again by itself after a reconnect; what was published meanwhile is gone.
  subscriber.on('ready', () => {
    if (subscribed) options.onReconnect()
  })
  subscriber.subscribe(CHANNEL).then(
    () => {
      subscribed = true
    },
    error => options.logger.warn({ err: error }, 'no subscription to runs on Redis'),
  )
  return {
    async publish(runId) {
      await commands.publish(CHANNEL, runId)
    },
    close() {
      commands.disconnect()
      subscriber.disconnect()
    },
  }
}
