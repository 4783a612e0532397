import { type DocumentNode, print } from 'graphql'
import { GraphQLClient } from 'graphql-request'
import { createClient } from 'graphql-sse'
import { type ClientOptions, eventsOf, type TypedClient } from './typed-client.ts'

/** graphql-request for queries and mutations, and graphql-sse for subscriptions: no WebSocket anywhere. */
export function createPlain({ url, token }: ClientOptions): TypedClient {
  const headers = { authorization: `Bearer ${token}` }
  const requests = new GraphQLClient(`${url}/graphql`, { headers })
  const events = createClient({ url: `${url}/graphql`, headers, retryAttempts: 5 })
  const ask = (document: DocumentNode, variables: object): Promise<unknown> =>
    requests.request(document, variables as Record<string, unknown>)
  return {
    query: async (document, variables) => (await ask(document, variables)) as never,
    mutate: async (document, variables) => (await ask(document, variables)) as never,
    subscribe: (document, variables) =>
      eventsOf(sink =>
        events.subscribe(
          { query: print(document), variables: variables as Record<string, unknown> },
          {
            next: ({ data, errors }) => (errors ? sink.error(errors[0]) : sink.next(data as never)),
            error: error => sink.error(error),
            complete: () => sink.complete(),
          },
        ),
      ),
    close: async () => events.dispose(),
  }
}
