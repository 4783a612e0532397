import type { TypedDocumentNode } from '@graphql-typed-document-node/core'

/** What a frontend needs of a client, whichever it uses; each file beside this one shows how one of them is set up. */
export interface TypedClient {
  query<Data, Variables extends object>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data>
  mutate<Data, Variables extends object>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data>
  /** Ends with the subscription; leaving the loop unsubscribes. */
  subscribe<Data, Variables extends object>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): AsyncIterable<Data>
  close(): Promise<void>
}

export interface ClientOptions {
  /** Of the gateway, such as http://127.0.0.1:4000 */
  url: string
  token: string
}

/** Of a client that calls back: what comes is kept until it is asked for. */
export async function* eventsOf<Data>(
  subscribe: (sink: { next(data: Data): void; error(error: unknown): void; complete(): void }) => () => void,
): AsyncGenerator<Data> {
  const events: Data[] = []
  let ended = false
  let failure: { error: unknown } | undefined
  let wake = () => {}
  const unsubscribe = subscribe({
    next(data) {
      events.push(data)
      wake()
    },
    error(error) {
      failure = { error }
      wake()
    },
    complete() {
      ended = true
      wake()
    },
  })
  try {
    for (;;) {
      const event = events.shift()
      if (event !== undefined) yield event
      else if (failure) throw failure.error
      else if (ended) return
      else
        await new Promise<void>(resolve => {
          wake = resolve
        })
    }
  } finally {
    unsubscribe()
  }
}
