const FIRST_QUERY = `# Press the play button, or Ctrl-Enter.
# The headers below hold a token of the demo user;
# npm run seed gives that user 90 days of data.

mutation FirstAnalysis {
  requestAnalysis(input: { archetype: FOUNDATION_BUILDER }) {
    ... on RequestAnalysisPayload {
      source
      analysis {
        mode
        summary
        dataPointCount
        insights {
          kind
          title
          body
          confidence
        }
      }
      tracking {
        analysisCount
        newDataPoints
        threshold
      }
    }
    ... on Error {
      code
      message
    }
  }
}
`

/** Served whole from the package: the page asks no other host for anything. */
export async function renderGraphiqlPage(developmentToken: string | undefined): Promise<string> {
  // 50 MB of the process that only who opens the page should pay for.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  return renderGraphiQL({
    title: 'Tributary',
    defaultQuery: FIRST_QUERY,
    // Over SSE the token of the headers goes along; over WebSocket the page would send none.
    subscriptionsProtocol: 'SSE',
    shouldPersistHeaders: false,
    headers: JSON.stringify({ authorization: `Bearer ${developmentToken ?? '<token>'}` }, null, 2),
  })
}
