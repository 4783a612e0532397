import { GraphQLError } from 'graphql'
import type { ChangeFeed } from '../coordination/change-feed.ts'
import type { RunOnce } from '../coordination/run-once.ts'
import type { RunWatch } from '../coordination/run-watch.ts'
import type { DatabaseClient } from '../database/client.ts'
import type { InterviewChangeRow } from '../database/interview-changes.ts'
import type { RunTransaction } from '../database/transaction.ts'
import type { SyncAccount } from '../domain/accounts/sync-account.ts'
import type { RequestAnalysis } from '../domain/analyses/request-analysis.ts'
import type { IngestDocuments } from '../domain/collections/ingest-documents.ts'
import type { SearchCollection } from '../domain/collections/search-collection.ts'
import type { RecentMessages } from '../domain/conversations/recent-messages.ts'
import type { SendMessage } from '../domain/conversations/send-message.ts'
import type { SessionWriter } from '../domain/conversations/session-writer.ts'
import type { Facts } from '../domain/facts/facts.ts'
import type { CreateInterview } from '../domain/interviews/create-interview.ts'
import type { DeliverPrompts } from '../domain/interviews/deliver-prompts.ts'
import type { MoveInterview } from '../domain/interviews/move-interview.ts'
import type { RememberExchange } from '../domain/memory/remember-exchange.ts'
import type { UserMemory } from '../domain/memory/user-memory.ts'
import type { RunConsistencyCheck } from '../domain/operations/run-consistency-check.ts'
import type { GeneratePlan } from '../domain/plans/generate-plan.ts'
import type { SignInParts } from '../domain/sign-in/parts.ts'
import type { SessionWatch } from '../domain/sign-in/session-watch.ts'
import type { Principal, ResolveUser, Role, Viewer } from '../domain/users/resolve-user.ts'
import type { Logger } from '../shared/logger.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { SealingKeys } from '../shared/sealing-keys.ts'
import type { Tracing } from '../shared/tracing.ts'
import type { Loaders } from './loaders.ts'

/** What all requests share. */
export interface Services {
  readonly db: DatabaseClient
  /** Over the reads that all requests share. */
  readonly createLoaders: () => Loaders
  readonly resolveUser: ResolveUser
  readonly transaction: RunTransaction
  readonly runOnce: RunOnce
  readonly runWatch: RunWatch
  readonly requestAnalysis: RequestAnalysis
  readonly generatePlan: GeneratePlan
  readonly createInterview: CreateInterview
  readonly moveInterview: MoveInterview
  readonly deliverPrompts: DeliverPrompts
  readonly interviewFeed: ChangeFeed<InterviewChangeRow>
  readonly runConsistencyCheck: RunConsistencyCheck
  readonly sendMessage: SendMessage
  readonly userMemory: UserMemory
  readonly rememberExchange: RememberExchange
  readonly sessionWriter: SessionWriter
  readonly recentMessages: RecentMessages
  readonly sealingKeys: SealingKeys
  readonly syncAccount: SyncAccount
  /** Undefined where tokens are signed by somebody else. */
  readonly signIn: SignInParts | undefined
  readonly sessionWatch: SessionWatch | undefined
  readonly facts: Facts
  readonly ingestDocuments: IngestDocuments
  readonly searchCollection: SearchCollection
  readonly dataPointThreshold: number
  readonly now: () => Date
  readonly logger: Logger
  readonly metrics: Metrics
  /** Undefined: spans are collected by nobody. */
  readonly tracing: Tracing | undefined
}

/** What one request has of its own. */
export interface Context {
  readonly services: Services
  /** Of a query that several have sent at once: the first one's, as is `client`. */
  readonly requestId: string
  /** Who the token speaks for; null without one. */
  readonly principal: Principal | null
  /** Null without a token, and where it is not known whose it is. */
  readonly viewer: Viewer | null
  /** The address that attempts are counted for. */
  readonly client: string
  readonly tokenExpiresAt?: Date | undefined
  /** Why it is not known whose token it is: the database is away. */
  readonly viewerUnknown?: unknown
  /** Aborts when the client leaves. */
  readonly signal?: AbortSignal
  /** Of a client that resumes an event stream: the id of the last event that it has seen. */
  readonly lastEventId?: string | undefined
  /** The id of the event that is being made, where the subscription gives its own. */
  eventId?: string | undefined
  /** New for each request, and for each event of a subscription: a loader that lives on serves stale rows. */
  loaders: Loaders
}

/** @throws GraphQLError UNAUTHENTICATED without a token; that the database is away, where it is. */
export function requireViewer(context: Context): Viewer {
  const viewer = findViewer(context)
  if (viewer) return viewer
  throw unauthenticated()
}

/** @returns null without a token. @throws that the database is away, where it is. */
export function findViewer(context: Context): Viewer | null {
  if (context.viewerUnknown !== undefined) throw context.viewerUnknown
  return context.viewer
}

/** Who asks, as far as the token alone tells it. @throws GraphQLError UNAUTHENTICATED without a token. */
export function requirePrincipal(context: Context): Principal {
  if (context.principal) return context.principal
  throw unauthenticated()
}

function unauthenticated(): GraphQLError {
  return new GraphQLError('Send a token: the header Authorization: Bearer <token>.', {
    extensions: { code: 'UNAUTHENTICATED' },
  })
}

/** @throws GraphQLError UNAUTHENTICATED without a token, FORBIDDEN without the role. */
export function requireRole(context: Context, role: Role): Viewer {
  const viewer = requireViewer(context)
  if (viewer.roles.includes(role)) return viewer
  throw new GraphQLError(`This needs the role ${role}.`, { extensions: { code: 'FORBIDDEN' } })
}

/** @throws GraphQLError UNAVAILABLE where somebody else signs the tokens. */
export function requireSignIn({ services }: Context): SignInParts {
  if (services.signIn) return services.signIn
  throw new GraphQLError('Users of this gateway sign in elsewhere: it only verifies the tokens of others.', {
    extensions: { code: 'UNAVAILABLE' },
  })
}

export function rateLimited(retryAfterMs: number): GraphQLError {
  return new GraphQLError('That was tried too often; try again later.', {
    extensions: { code: 'RATE_LIMITED', retryAfterMs, http: { status: 429 } },
  })
}

export function badUserInput(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } })
}

/** Where a client that resumes an event stream goes on. @throws GraphQLError BAD_USER_INPUT for an id that no event of ours had */
export function lastSeen({ lastEventId }: Context): number | undefined {
  if (lastEventId === undefined) return undefined
  if (!/^\d{1,9}$/.test(lastEventId))
    throw badUserInput('Last-Event-ID: expected the id of an event of this stream')
  return Number(lastEventId)
}
