import { until } from './until.ts'

/** A door that whoever comes waits at until the test opens it; the test can wait for them to have arrived. */
export class Gate {
  #arrivals = 0
  #open: () => void = () => {}
  readonly #opened = new Promise<void>(resolve => {
    this.#open = resolve
  })

  get arrivals(): number {
    return this.#arrivals
  }

  async pass(signal?: AbortSignal): Promise<void> {
    this.#arrivals++
    if (!signal) return this.#opened
    signal.throwIfAborted()
    await Promise.race([
      this.#opened,
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
      ),
    ])
  }

  open(): void {
    this.#open()
  }

  arrived(count: number): Promise<void> {
    return until(() => this.#arrivals >= count, {
      what: `${count} arrivals at a gate, of which ${this.#arrivals} came`,
    })
  }
}
