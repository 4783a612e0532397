import { GroupCommit, GroupCommitFullError } from '../../coordination/group-commit.ts'
import type { Holding } from '../../coordination/holding.ts'
import type { Queryable } from '../../database/client.ts'
import { DatabaseAwayError, mayPass } from '../../database/postgres-errors.ts'
import { ensureUser, findUserBySubject } from '../../database/users.ts'
import { delay, inTime } from '../../shared/abort.ts'
import { backoffMs } from '../../shared/backoff.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Appended, AppendSaves } from './append-saves.ts'
import { type Author, type Save, sessionKeyOf, sizeOf } from './conversation-save.ts'

export type Written =
  | { type: 'saved'; appended: Appended }
  /** Durable, and saved when the database is back. */
  | { type: 'held' }
  /** The database is away, and it is not held: the bound is reached, or it may not be. Nothing is stored. */
  | { type: 'away' }

interface Item {
  save: Save
  mayBeHeld: boolean
}

export interface SessionWriterOptions {
  db: Queryable
  appends: AppendSaves
  holding: Holding
  logger: Logger
}

const TRIES = 3
const RETRY = { baseMs: 200, maxMs: 1000 }
/** A server that does not answer at all is away, whatever becomes of what was sent to it: a save can be sent twice. */
const TRY_TIMEOUT_MS = 5000
/** Saves that wait on this instance, and what they may take of its memory. */
const MAX_WAITING = 10_000
const MAX_WAITING_BYTES = 64 * 1024 * 1024
const MAX_BATCH = 500

/**
 * Brings saves into their sessions: those that come for one session while a transaction for it is under way go together
 * into the next one, in their order. While the database is away they are held, and what comes later for the same session
 * waits behind them.
 */
export class SessionWriter {
  readonly #options: SessionWriterOptions
  readonly #sessions: GroupCommit<string, Item, Written>
  #waitingBytes = 0

  constructor(options: SessionWriterOptions) {
    this.#options = options
    this.#sessions = new GroupCommit({
      name: 'sessions',
      maxBatch: MAX_BATCH,
      maxQueued: MAX_WAITING,
      commit: (key, items) => this.#write(key, items),
      // All of it can be done again: what is stored is found.
      isOfOneItem: error => !mayPass(error),
    })
  }

  async write(save: Save, { mayBeHeld }: { mayBeHeld: boolean }): Promise<Written> {
    const size = sizeOf(save)
    if (this.#waitingBytes + size > MAX_WAITING_BYTES) return { type: 'away' }
    this.#waitingBytes += size
    try {
      return await this.#sessions.submit(sessionKeyOf(save), { save, mayBeHeld })
    } catch (error) {
      if (error instanceof GroupCommitFullError) return { type: 'away' }
      throw error
    } finally {
      this.#waitingBytes -= size
    }
  }

  /** Saves what was held, as `Holding` asks for it. */
  async saveHeld(payloads: readonly string[]): Promise<void> {
    await this.#append(payloads.map(payload => JSON.parse(payload) as Save))
  }

  async #write(key: string, items: readonly Item[]): Promise<Written[]> {
    const { holding, logger } = this.#options
    if ((await holding.holds(key)) && !(await holding.settle(key))) return this.#hold(key, items)
    const saves = items.map(item => item.save)
    for (let attempt = 1; ; attempt++) {
      try {
        const appended = await inTime(this.#append(saves), TRY_TIMEOUT_MS, () => {
          throw new DatabaseAwayError('the database did not answer')
        })
        return appended.map(one => ({ type: 'saved', appended: one }))
      } catch (error) {
        // The fault is the server's and not the data's: what failed so can be stored when it is mended.
        if (!mayPass(error)) throw error
        if (attempt === TRIES) {
          logger.warn({ err: error, saves: saves.length }, 'the database is away; messages are held')
          return this.#hold(key, items)
        }
        await delay(backoffMs(attempt, RETRY))
      }
    }
  }

  /** Saves of one session. */
  async #append(saves: readonly Save[]): Promise<Appended[]> {
    const { db, appends } = this.#options
    const [first] = saves
    if (!first) return []
    const { author, sessionId } = first
    const userId = saves.find(save => save.author.userId)?.author.userId ?? (await userIdOf(db, author))
    return appends.append({ userId, sessionId, saves })
  }

  async #hold(key: string, items: readonly Item[]): Promise<Written[]> {
    const toHold = items.filter(item => item.mayBeHeld)
    let outcome: 'held' | 'full' = 'full'
    if (toHold.length > 0) {
      try {
        outcome = await this.#options.holding.hold(
          key,
          toHold.map(({ save }) => ({
            id: save.saveId,
            messages: save.messages.length,
            payload: JSON.stringify(save),
          })),
        )
      } catch (error) {
        this.#options.logger.error({ err: error }, 'messages could not be held; they are refused')
      }
    }
    return items.map(item => ({ type: item.mayBeHeld && outcome === 'held' ? 'held' : 'away' }))
  }
}

async function userIdOf(db: Queryable, { issuer, subject, email }: Author): Promise<string> {
  return ((await findUserBySubject(db, issuer, subject)) ?? (await ensureUser(db, issuer, subject, email))).id
}
