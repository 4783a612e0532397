/** The compiler reads the sources; nothing here runs. */
const graphql = String.raw

/** What Relay's compiler must accept of our schema: a connection, a page that can be fetched again by its node's id, a union. */
export const analyses = graphql`
  fragment coaching_analyses on User
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" })
  @refetchable(queryName: "coachingAnalysesPageQuery") {
    analyses(first: $count, after: $cursor) @connection(key: "coaching_analyses") {
      totalCount
      edges {
        node {
          id
          summary
          ...coaching_analysis
        }
      }
    }
  }
`

export const analysis = graphql`
  fragment coaching_analysis on Analysis @refetchable(queryName: "coachingAnalysisQuery") {
    result
    createdAt
    insights {
      id
      title
    }
  }
`

export const messages = graphql`
  fragment coaching_messages on Conversation
  @argumentDefinitions(count: { type: "Int", defaultValue: 50 }, cursor: { type: "String" })
  @refetchable(queryName: "coachingMessagesPageQuery") {
    messages(first: $count, after: $cursor) @connection(key: "coaching_messages") {
      edges {
        node {
          id
          seq
          content
        }
      }
    }
  }
`

export const facts = graphql`
  fragment coaching_facts on Query
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" })
  @refetchable(queryName: "coachingFactsPageQuery") {
    collectiveFacts(promoted: true, first: $count, after: $cursor) @connection(key: "coaching_collectiveFacts") {
      edges {
        node {
          id
          content
        }
      }
    }
  }
`

export const overview = graphql`
  query coachingOverviewQuery($archetype: Archetype!, $sessionId: String!) {
    viewer {
      id
      latestAnalysis(archetype: $archetype) {
        ...coaching_analysis
      }
      conversation(sessionId: $sessionId) {
        ...coaching_messages
      }
      ...coaching_analyses
    }
    ...coaching_facts
  }
`

export const request = graphql`
  mutation coachingRequestAnalysisMutation($input: RequestAnalysisInput!) {
    requestAnalysis(input: $input) {
      __typename
      ... on RequestAnalysisPayload {
        source
        analysis {
          ...coaching_analysis
        }
      }
      ... on Error {
        code
        message
      }
    }
  }
`

export const follow = graphql`
  subscription coachingFollowRunSubscription($id: ID!) {
    generationChanged(id: $id) {
      state
      progress
      result {
        ... on Analysis {
          ...coaching_analysis @alias(as: "analysis")
        }
      }
    }
  }
`
