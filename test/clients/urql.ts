import { Client, cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core'
import { createClient } from 'graphql-ws'
import { type ClientOptions, eventsOf, type TypedClient } from './typed-client.ts'

/** urql: queries and mutations over HTTP, subscriptions over a WebSocket. */
export function createUrql({ url, token }: ClientOptions): TypedClient {
  const authorization = `Bearer ${token}`
  const socket = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    connectionParams: { authorization },
  })
  const client = new Client({
    url: `${url}/graphql`,
    preferGetMethod: false,
    fetchOptions: { headers: { authorization } },
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables, operationName }) => ({
          subscribe: sink => ({
            unsubscribe: socket.subscribe(
              { query, variables: variables as Record<string, unknown>, operationName },
              sink as never,
            ),
          }),
        }),
      }),
    ],
  })
  const dataOf = <Data>({ data, error }: { data?: Data | undefined; error?: Error | undefined }): Data => {
    if (error) throw error
    if (data === undefined) throw new Error('an answer without data')
    return data
  }
  return {
    query: async (document, variables) =>
      dataOf(
        await client.query(document, variables as never, { requestPolicy: 'network-only' }).toPromise(),
      ) as never,
    mutate: async (document, variables) =>
      dataOf(await client.mutation(document, variables as never).toPromise()) as never,
    subscribe: (document, variables) =>
      eventsOf(sink => {
        let over = false
        const { unsubscribe } = client
          .subscription(document, variables as never)
          .subscribe(({ data, error, hasNext }) => {
            if (error) sink.error(error)
            else if (data !== undefined) sink.next(data as never)
            if (hasNext === false && !over) {
              over = true
              sink.complete()
            }
          })
        return unsubscribe
      }),
    close: async () => socket.dispose(),
  }
}
