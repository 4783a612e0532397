/** Reads that each have so long, and are left out of what is made from them when they take longer. */
export class Gathering {
  readonly leftOut: string[] = []
  readonly #timeoutMs: number

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** @returns `instead` where the read takes too long. @throws what the read throws in time. */
  async read<Value>(name: string, read: Promise<Value>, instead: Value): Promise<Value> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<Value>(resolve => {
      timer = setTimeout(() => {
        this.leftOut.push(name)
        resolve(instead)
      }, this.#timeoutMs)
    })
    // Left behind, it may still fail.
    read.catch(() => {})
    return Promise.race([read, late]).finally(() => clearTimeout(timer))
  }
}
