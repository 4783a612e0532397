import type { Worker } from 'node:cluster'

/** How the library hands a connection to a worker, and how that one says whether it has taken it. */
interface LibraryMessage {
  cmd?: string
  act?: string
  seq?: number
  ack?: number
}

/**
 * Closes the connections that a worker was handed and has not taken when it ends, as it does with one at least where its event
 * loop did not turn. The library keeps them open for good: their clients would wait for an answer that nobody gives, rather
 * than see the connection end and ask again.
 */
export function closeUntaken(worker: Worker): void {
  const untaken = new Map<number, { close(): void }>()
  const { process } = worker
  const send = process.send.bind(process) as (...args: unknown[]) => boolean
  process.send = (message: LibraryMessage, handle?: unknown, ...rest: unknown[]) => {
    if (message.cmd === 'NODE_CLUSTER' && message.act === 'newconn' && message.seq !== undefined && handle)
      untaken.set(message.seq, handle as { close(): void })
    return send(message, handle, ...rest)
  }
  process.on('internalMessage', ({ ack }: LibraryMessage) => {
    if (ack !== undefined) untaken.delete(ack)
  })
  // All that it has said has been heard by then.
  process.once('close', () => {
    for (const handle of untaken.values()) handle.close()
    untaken.clear()
  })
}
