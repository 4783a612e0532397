import { AsyncLocalStorage } from 'node:async_hooks'

/** Chooses which of the steps that could be taken is taken next: fast-check's scheduler, or first come, first served. */
export interface Steps {
  schedule(task: Promise<void>, label: string): Promise<void>
  count(): number
  waitNext(count: number): Promise<void>
}

/**
 * A lane is all that comes of one event: the request, the flight that it launches, the wakes that it sends. Of several
 * lanes only those of the highest level are offered to the scheduler, so that a whole run passes another between two of
 * its steps, which a choice among equals hardly ever brings about.
 * From "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", Burckhardt et al., 2010.
 */
export interface LaneLevel {
  /** It has this level once it has taken so many steps; before its first entry 0. */
  afterSteps: number
  level: number
}

const LANE = new AsyncLocalStorage<number>()

export class Lanes {
  readonly #steps: Steps
  readonly #levelsByLane: readonly (readonly LaneLevel[])[]
  readonly #takenByLane = new Map<number, number>()
  #held: { lane: number; label: string; go: () => void }[] = []
  #offeredLevel = 0

  constructor(steps: Steps, levelsByLane: readonly (readonly LaneLevel[])[]) {
    this.#steps = steps
    this.#levelsByLane = levelsByLane
  }

  run(lane: number, work: () => void): void {
    LANE.run(lane, work)
  }

  /** Waits for its turn. */
  step(label: string): Promise<void> {
    const lane = LANE.getStore() ?? 0
    return new Promise(go => this.#held.push({ lane, label, go }))
  }

  /** Takes one step. @returns false when there is none. */
  async next(): Promise<boolean> {
    this.#offer()
    if (this.#steps.count() === 0) return false
    await this.#steps.waitNext(1)
    return true
  }

  #offer(): void {
    const levels = this.#held.map(({ lane }) => this.#levelOf(lane))
    if (this.#steps.count() === 0) this.#offeredLevel = Math.max(...levels)
    const offered = this.#held.filter((_, index) => (levels[index] ?? 0) >= this.#offeredLevel)
    this.#held = this.#held.filter(one => !offered.includes(one))
    for (const { lane, label, go } of offered) {
      void this.#steps.schedule(Promise.resolve(), label).then(() => {
        this.#takenByLane.set(lane, this.#takenBy(lane) + 1)
        go()
      })
    }
  }

  #takenBy(lane: number): number {
    return this.#takenByLane.get(lane) ?? 0
  }

  #levelOf(lane: number): number {
    const levels = this.#levelsByLane[lane % this.#levelsByLane.length] ?? []
    let now: LaneLevel = { afterSteps: 0, level: 0 }
    for (const one of levels) {
      if (one.afterSteps <= this.#takenBy(lane) && one.afterSteps >= now.afterSteps) now = one
    }
    return now.level
  }
}

/** First come, first served, but for one step that lets all others go first. */
export class InOrder implements Steps {
  readonly #waiting: { label: string; go: () => void }[] = []
  readonly #before: (step: number) => void
  readonly #holdBack: { of: string; nth: number } | undefined
  #heldBack: (() => void) | undefined
  #taken = 0
  #takenOf = 0

  /** @param options `before` is called before each step; `holdBack` names the nth of those that begin so. Both count from 1. */
  constructor(options: { before?: (step: number) => void; holdBack?: { of: string; nth: number } } = {}) {
    this.#before = options.before ?? (() => {})
    this.#holdBack = options.holdBack
  }

  get taken(): number {
    return this.#taken
  }

  schedule(_task: Promise<void>, label: string): Promise<void> {
    return new Promise(go => this.#waiting.push({ label, go }))
  }

  count(): number {
    return this.#waiting.length + (this.#heldBack ? 1 : 0)
  }

  async waitNext(): Promise<void> {
    const next = this.#waiting.shift()
    if (!next) {
      this.#heldBack?.()
      this.#heldBack = undefined
      return
    }
    const { label, go } = next
    if (this.#holdBack && label.startsWith(this.#holdBack.of) && ++this.#takenOf === this.#holdBack.nth) {
      this.#heldBack = go
      return
    }
    this.#before(++this.#taken)
    go()
  }
}
