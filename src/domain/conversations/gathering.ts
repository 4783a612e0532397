import { isTurnedAway } from '../../coordination/turned-away.ts'
import { inTime } from '../../shared/abort.ts'

/** Reads that each have so long, and are left out of what is made from them when they take longer or are not let in. */
export class Gathering {
  readonly leftOut: string[] = []
  readonly #timeoutMs: number

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** @returns `instead` where the read takes too long, or too many read already. @throws what else it throws in time. */
  async read<Value>(name: string, read: Promise<Value>, instead: Value): Promise<Value> {
    const leaveOut = () => {
      this.leftOut.push(name)
      return instead
    }
    return inTime(read, this.#timeoutMs, leaveOut).catch(error => {
      if (isTurnedAway(error)) return leaveOut()
      throw error
    })
  }
}
