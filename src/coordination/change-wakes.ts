/** Hears that something of a topic has changed. */
export interface ChangeListener {
  wake(id: string): void
  /** Anything may have changed: messages may have been missed. */
  wakeAll(): void
}

/** Hands on what the database's channel of changes says, to whoever follows the topic. */
export class ChangeWakes {
  readonly #listenerByTopic = new Map<string, ChangeListener>()

  /** One listener a topic. */
  listen(topic: string, listener: ChangeListener): void {
    this.#listenerByTopic.set(topic, listener)
  }

  /** @param payload `topic:id` */
  receive(payload: string): void {
    const colon = payload.indexOf(':')
    this.#listenerByTopic.get(payload.slice(0, colon))?.wake(payload.slice(colon + 1))
  }

  wakeAll(): void {
    for (const listener of this.#listenerByTopic.values()) listener.wakeAll()
  }
}
