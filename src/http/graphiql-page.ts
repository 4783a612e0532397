import { renderGraphiQL } from '@graphql-yoga/render-graphiql'

const FIRST_QUERY = `# Welcome to Tributary. Press the play button, or Ctrl-Enter.
#
# The headers below hold a development token of the demo user.
# "npm run seed" gives that user 90 days of data points.

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
export function renderGraphiqlPage(developmentToken: string | undefined): string {
  return renderGraphiQL({
    title: 'Tributary',
    defaultQuery: FIRST_QUERY,
    subscriptionsProtocol: 'WS',
    shouldPersistHeaders: false,
    headers: JSON.stringify({ authorization: `Bearer ${developmentToken ?? '<token>'}` }, null, 2),
  })
}
