import { access, constants, open } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { giveToOwnerOf } from '../shared/give-to-owner.ts'
import { errorCode } from './embedded-postgres-error.ts'

/** Held for some 100 ms as a rule, so that a shorter step would only burn processor time. */
const retryMs = 20

/**
 * Excludes every other process, and every other caller in this one, until it is disposed of. Resolves to null when
 * that did not come about in `timeoutMs`, and rejects with the signal's reason once it aborts.
 *
 * Node has no flock. SQLite, which it has built in, takes the file lock of each platform: the kernel holds it and
 * lets go when the process dies, however it dies, so that there are no stale locks to judge. Nothing is ever
 * written to the file. Nothing else may open it: closing any descriptor of a file drops POSIX locks on it.
 */
export async function acquireFileLock(
  path: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Disposable | null> {
  const deadline = performance.now() + timeoutMs
  await createEmpty(path)
  await access(path, constants.R_OK | constants.W_OK)
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    while (!tryLock(database)) {
      signal?.throwIfAborted()
      if (performance.now() > deadline) {
        database.close()
        return null
      }
      await delay(retryMs)
    }
  } catch (error) {
    database.close()
    throw error
  }
  return { [Symbol.dispose]: () => database.close() }
}

const sqliteBusy = 5

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if ((error as { errcode?: number }).errcode === sqliteBusy) return false
    throw error
  }
}

async function createEmpty(path: string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600)
    await giveToOwnerOf(path, file)
    await file.close()
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  }
}
