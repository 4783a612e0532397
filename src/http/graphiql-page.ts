const FIRST_QUERY = `# Press the play button, or Ctrl-Enter.
# The headers below hold a token of the demo user;
# npm run seed gives that user 90 days of data.

mutation FirstAnalysis {
  requestAnalysis(
    input: { archetype: FOUNDATION_BUILDER }
  ) {
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

/**
 * GraphiQL goes on with the tab whose query and variables it finds in these two places, where it puts them only once
 * they are edited, and otherwise opens an empty tab beside the old ones. A link's `?query=` comes before them, and shall
 * not get the variables of another tab.
 */
const RESUME_TAB = `<script>
  (() => {
    const keep = (name, value) =>
      value ? localStorage.setItem('graphiql:' + name, value) : localStorage.removeItem('graphiql:' + name)
    if (new URL(location.href).searchParams.has('query')) return keep('variables', null)
    const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem('graphiql:tabState')) ?? {}
    const tab = tabs?.[activeTabIndex]
    if (!tab) return
    keep('query', tab.query)
    keep('variables', tab.variables)
  })()
</script>`
const ROOT = '<div id="root"></div>'

/** Served whole from the package: the page asks no other host for anything. */
export async function renderGraphiqlPage(developmentToken: string | undefined): Promise<string> {
  // 50 MB of the process that only who opens the page should pay for.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const page = renderGraphiQL({
    title: 'Tributary',
    defaultQuery: FIRST_QUERY,
    // Over SSE the token of the headers goes along; over WebSocket the page would send none.
    subscriptionsProtocol: 'SSE',
    shouldPersistHeaders: false,
    headers: JSON.stringify({ authorization: `Bearer ${developmentToken ?? '<token>'}` }, null, 2),
  })
  return page.replace(ROOT, () => `${ROOT}\n${RESUME_TAB}`)
}
