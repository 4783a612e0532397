/** A balancer that has not asked for so long does not spread requests by what it hears. */
const WATCHED_MS = 15_000
/** One that waits for a start asks until the first yes; one that spreads requests goes on. */
const ASKED_AGAIN = 2
/** More than one balancer has; whoever else asks must not grow this. */
const MAX_WATCHERS = 64

interface Watcher {
  ready: number
  askedAtMs: number
  told: boolean
}

/** Who asks whether this instance may take requests, by address: an instance that stops serves on until they know. */
export class Readiness {
  readonly #watchers = new Map<string, Watcher>()
  readonly #nowMs: () => number

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  answered(address: string, ready: boolean): void {
    const watcher = this.#watchers.get(address) ?? { ready: 0, askedAtMs: 0, told: false }
    // The one that has asked last stands last.
    this.#watchers.delete(address)
    if (ready) watcher.ready++
    watcher.told = !ready
    watcher.askedAtMs = this.#nowMs()
    this.#watchers.set(address, watcher)
    const [first] = this.#watchers.keys()
    if (this.#watchers.size > MAX_WATCHERS && first !== undefined) this.#watchers.delete(first)
  }

  /** Somebody spreads requests by it, and has not been told yet that this instance takes no more. */
  get awaited(): boolean {
    const since = this.#nowMs() - WATCHED_MS
    return [...this.#watchers.values()].some(
      ({ ready, askedAtMs, told }) => ready >= ASKED_AGAIN && askedAtMs >= since && !told,
    )
  }
}
