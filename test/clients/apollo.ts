import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { relayStylePagination } from '@apollo/client/utilities'
import { OperationTypeNode } from 'graphql'
import { createClient } from 'graphql-ws'
import { possibleTypes } from './generated/operations.ts'
import { type ClientOptions, eventsOf, type TypedClient } from './typed-client.ts'

/** Apollo Client: queries and mutations over HTTP, subscriptions over a WebSocket, and a cache that knows ids and pages. */
export function createApollo({ url, token }: ClientOptions): TypedClient & { client: ApolloClient } {
  const authorization = `Bearer ${token}`
  const socket = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    connectionParams: { authorization },
  })
  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      new HttpLink({ uri: `${url}/graphql`, headers: { authorization } }),
    ),
    cache: new InMemoryCache({
      possibleTypes,
      typePolicies: { Conversation: { fields: { messages: relayStylePagination() } } },
    }),
  })
  const dataOf = <Data>(result: { data?: Data | undefined }): Data => {
    if (result.data === undefined) throw new Error('an answer without data')
    return result.data
  }
  return {
    client,
    query: async (query, variables) =>
      dataOf(await client.query({ query, variables, fetchPolicy: 'network-only' } as never)) as never,
    mutate: async (mutation, variables) =>
      dataOf(await client.mutate({ mutation, variables } as never)) as never,
    subscribe: (query, variables) =>
      eventsOf(sink => {
        const subscription = client.subscribe({ query, variables } as never).subscribe({
          next: result => (result.error ? sink.error(result.error) : sink.next(result.data as never)),
          error: error => sink.error(error),
          complete: () => sink.complete(),
        })
        return () => subscription.unsubscribe()
      }),
    async close() {
      client.stop()
      await socket.dispose()
    },
  }
}
