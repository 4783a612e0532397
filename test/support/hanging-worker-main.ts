/**
 * A primary and one worker without a gateway, which takes longer to join than it may be silent later, and whose event loop
 * stops turning once it is ready; its successor's does not. The primary has less patience than the real one. Ends when the second worker is ready.
 */
import cluster from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger } from '../../src/shared/logger.ts'
import { BEAT_MS } from '../../src/workers/calls.ts'
import { WorkerLink } from '../../src/workers/worker-link.ts'
import { Workers } from '../../src/workers/workers.ts'

const MOST_MISSED_BEATS = 3

if (cluster.worker) {
  if (cluster.worker.id === 1) await sleep((MOST_MISSED_BEATS + 1) * BEAT_MS)
  const link = await WorkerLink.join(async () => [])
  process.stdout.write(`worker ${cluster.worker.id} has joined\n`)
  link.stopping.addEventListener('abort', () => process.exit(0))
  await link.ready({ url: 'http://127.0.0.1:1', developmentToken: undefined })
  if (cluster.worker.id === 1) for (;;);
} else {
  const workers = new Workers({
    count: 1,
    logger: createLogger({ level: 'info', format: 'json' }),
    mostMissedBeats: MOST_MISSED_BEATS,
  })
  process.on('exit', () => workers.kill())
  workers.start()
  cluster.on('message', (worker, message) => {
    if (worker.id === 2 && message.m === 'ready') void workers.stop().then(() => process.exit(0))
  })
}
