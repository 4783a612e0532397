/** Longer than a generation with its retries takes where all is well. */
const ANSWER_TIMEOUT_MS = 150_000

interface Answer<Data> {
  data?: Data | null
  errors?: { message: string; extensions?: { code?: string } }[]
}

/** A deployment as whoever uses it sees it: an address and a token. */
export class Deployment {
  readonly #url: string
  readonly #token: string

  constructor({ url, token }: { url: string; token: string }) {
    this.#url = url
    this.#token = token
  }

  /** @throws Error with what the deployment said, where it gave no data */
  async ask<Data>(query: string, variables: Record<string, unknown> = {}): Promise<Data> {
    const response = await this.#fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    const text = await response.text()
    const answer = parse<Answer<Data>>(text)
    if (answer?.data) return answer.data
    const [error] = answer?.errors ?? []
    throw new Error(
      error
        ? `${error.extensions?.code ?? response.status}: ${error.message}`
        : `it answered ${response.status}`,
    )
  }

  /** A health page: its status, and what it says. */
  async page(path: string): Promise<{ status: number; report: Record<string, unknown> }> {
    const response = await this.#fetch(path, {})
    return { status: response.status, report: parse(await response.text()) ?? {} }
  }

  /** The events of a subscription over SSE, as far as they have come when it completes. */
  async follow<Data>(query: string, variables: Record<string, unknown>): Promise<Data[]> {
    const response = await this.#fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query, variables }),
    })
    const type = response.headers.get('content-type') ?? 'nothing'
    if (!type.startsWith('text/event-stream')) throw new Error(`a subscription was answered with ${type}`)
    const events = (await response.text()).split('\n\n')
    return events.flatMap(event => {
      const { data, errors } = parse<Answer<Data>>(/^data: (.+)$/m.exec(event)?.[1] ?? '') ?? {}
      if (errors) throw new Error(errors[0]?.message)
      return data ? [data] : []
    })
  }

  /** @throws Error where the token's user has data: it is not one that was made for this */
  async emailOfEmptyUser(): Promise<string> {
    const { viewer } = await this.ask<{ viewer: EmptyUser | null }>(`{
      viewer {
        email
        analyses(first: 1) { totalCount } plans(first: 1) { totalCount }
        interviews(first: 1) { totalCount } conversations(first: 1) { totalCount }
        memory { hasData } accounts { provider } stats { provider }
      }
    }`)
    if (!viewer) throw new Error('the token is not accepted')
    const { analyses, plans, interviews, conversations, memory, accounts, stats } = viewer
    const lists = [analyses, plans, interviews, conversations].some(({ totalCount }) => totalCount > 0)
    if (lists || memory.hasData || accounts.length > 0 || stats.length > 0)
      throw new Error(
        'the token is of a user who has data; give one of a new user, which is deleted at the end',
      )
    return viewer.email
  }

  async deleteUser(email: string): Promise<void> {
    const { deleteViewer } = await this.ask<{ deleteViewer: { __typename: string } }>(
      'mutation($email: String!) { deleteViewer(confirmEmail: $email) { __typename } }',
      { email },
    )
    if (deleteViewer.__typename !== 'DeleteViewerPayload')
      throw new Error(`the user ${email} was not deleted: ${deleteViewer.__typename}`)
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(this.#url + path, {
        ...init,
        headers: { ...init.headers, authorization: `Bearer ${this.#token}` },
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      })
    } catch (error) {
      const { cause } = error as { cause?: { code?: string } }
      throw new Error(`${this.#url} does not answer: ${cause?.code ?? (error as Error).message}`, {
        cause: error,
      })
    }
  }
}

interface EmptyUser {
  email: string
  analyses: { totalCount: number }
  plans: { totalCount: number }
  interviews: { totalCount: number }
  conversations: { totalCount: number }
  memory: { hasData: boolean }
  accounts: unknown[]
  stats: unknown[]
}

function parse<Value>(text: string): Value | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
