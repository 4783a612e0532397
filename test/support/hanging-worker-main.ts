/**
 * A primary and one worker without a gateway, whose event loop stops turning once it is ready; its successor's does not. The
 * primary has less patience than the real one. Ends when the second worker is ready.
 */
import cluster from 'node:cluster'
import { createLogger } from '../../src/shared/logger.ts'
import { WorkerLink } from '../../src/workers/worker-link.ts'
import { Workers } from '../../src/workers/workers.ts'

if (cluster.worker) {
  const link = await WorkerLink.join(async () => [])
  link.stopping.addEventListener('abort', () => process.exit(0))
  await link.ready({ url: 'http://127.0.0.1:1', developmentToken: undefined })
  if (cluster.worker.id === 1) for (;;);
} else {
  const workers = new Workers({
    count: 1,
    logger: createLogger({ level: 'info', format: 'json' }),
    mostMissedBeats: 3,
  })
  process.on('exit', () => workers.kill())
  workers.start()
  cluster.on('message', (worker, message) => {
    if (worker.id === 2 && message.m === 'ready') void workers.stop().then(() => process.exit(0))
  })
}
