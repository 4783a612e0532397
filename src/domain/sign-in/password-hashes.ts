import { type Algorithm, hash, verify } from '@node-rs/argon2'
import { KeyedReadWriteLock } from '../../coordination/read-write-lock.ts'
import type { Clock } from '../../shared/clock.ts'

/** What OWASP's Password Storage Cheat Sheet (2024) asks of Argon2id at least: 19 MiB, two passes. */
const ARGON2 = { algorithm: 2 satisfies Algorithm.Argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 }
/** Each takes a core and 19 MiB for some 30 ms, on the threads that files and names are read on too. */
const AT_ONCE = 2
/** Beyond that, a caller would wait for longer than it should. */
const MAX_WAITING = 200
const TIMEOUT_MS = 10_000

/** Hashes and verifies passwords, a few at once. @throws LockTimeoutError, LockQueueFullError when too many want it */
export class PasswordHashes {
  readonly #turns: KeyedReadWriteLock
  /** Of a password that nobody has, for addresses that nobody has. */
  readonly #nobodys: Promise<string>

  constructor(clock: Clock) {
    this.#turns = new KeyedReadWriteLock({
      name: 'passwords',
      maxWaiters: MAX_WAITING,
      maxReaders: AT_ONCE,
      clock,
    })
    this.#nobodys = hash(crypto.randomUUID(), ARGON2)
    // Told to whoever waits for it.
    this.#nobodys.catch(() => {})
  }

  hash(password: string): Promise<string> {
    return this.#inTurn(() => hash(normal(password), ARGON2))
  }

  /** @param passwordHash undefined takes as long and is false. */
  verify(passwordHash: string | undefined, password: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const matches = await verify(passwordHash ?? (await this.#nobodys), normal(password))
      return passwordHash !== undefined && matches
    })
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    using _turn = await this.#turns.acquireRead('argon2', { timeoutMs: TIMEOUT_MS, operation: 'hash' })
    return await work()
  }
}

/** The same characters are one password however a keyboard composes them (NIST SP 800-63B, 5.1.1.2). */
function normal(password: string): string {
  return password.normalize('NFKC')
}
