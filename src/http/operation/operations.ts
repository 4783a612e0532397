import { type ExecutionResult, type GraphQLSchema, subscribe } from 'graphql'
import type { Services } from '../../schema/context.ts'
import { OperationScope, runInOperation, untilEnd } from '../../shared/operation-scope.ts'
import { inSpan } from '../../shared/tracing.ts'
import { shareBody } from '../http-answer.ts'
import { maskError } from '../mask-error.ts'
import type { VerifiedToken, VerifyToken } from '../token.ts'
import { AssumedViewers, isConfirmed } from './assumed-viewers.ts'
import { type Caller, identify, verifyAuthorization } from './authenticate.ts'
import { CompiledQueries } from './compiled-query.ts'
import { Documents, type KnownOperation, withoutSuggestion } from './documents.ts'
import { executionKey } from './execution-key.ts'
import { followEvents } from './follow-events.ts'
import { areLong } from './long-variables.ts'
import { OpenSubscriptions, type SubscriptionLimits } from './open-subscriptions.ts'
import { readParams } from './operation-params.ts'
import type { PersistedOperations } from './persisted-operations.ts'
import type { RateLimits } from './rate-limits.ts'
import { badRequest, RateLimited, Refused, refusal, tooComplex } from './refused.ts'
import { RequestContext } from './request-context.ts'
import type { ShapeLimits } from './shape-limits.ts'
import { SharedExecutions } from './shared-executions.ts'

/** What a transport knows of a request, before anything of GraphQL is looked at. */
export interface RequestFacts {
  readonly requestId: string
  /** `Bearer …`, from the header or from connection_init. */
  readonly authorization: string | undefined
  /** The address that attempts are counted for. */
  readonly client: string
  /** GET: nothing may be changed. */
  readonly readOnly: boolean
  /** Whether several results can be sent, one after another. */
  readonly streams: boolean
  /** The WebSocket that it came over, if it did: another object for each. */
  readonly socket?: object | undefined
  /** Aborts when the client leaves. */
  readonly signal?: AbortSignal | undefined
  /** Of a transport that ends it itself when the client leaves, which costs less than a signal. */
  readonly scope?: OperationScope | undefined
  /** Of a client that resumes an event stream: the id of the last event that it has seen. */
  readonly lastEventId?: string | undefined
}

export type OperationResult = ExecutionResult | AsyncIterableIterator<ExecutionResult>

/**
 * The way of an operation, whatever transport brought it:
 * parameters → document, sent or known by its id, parsed and validated once → operation and its cost → what the token says, and whether
 * its bearer may at this rate → who asks → a place, where it subscribes → execution, of a query for all who ask the same → masked errors.
 * What a transport refuses by itself, since it cannot read it, takes the same way as far as that goes: the `Refused` is given instead of
 * what was sent, and its address pays for it as for any other.
 * Never rejects: what is refused is a result with errors and without data. A result's errors carry `extensions.http` for
 * transports that have a status; no client may see it.
 */
export type RunOperation = (params: unknown, facts: RequestFacts) => Promise<OperationResult>

export interface OperationLimits extends ShapeLimits {
  readonly maxCost: number
}

export interface OperationOptions {
  schema: GraphQLSchema
  services: Services
  verifyToken: VerifyToken
  limits: OperationLimits
  /** How long an operation may take that has no bounds of its own. */
  timeoutMs: number
  persisted: PersistedOperations
  rateLimits: RateLimits
  subscriptionLimits: SubscriptionLimits
  /** Whether clients may ask for the schema, and are told which name they may have meant. */
  introspection: boolean
}

/** An operation that may be executed, for one caller. */
interface Admitted {
  readonly operation: KnownOperation
  readonly variables: Readonly<Record<string, unknown>>
  readonly verified: VerifiedToken | undefined
  readonly facts: RequestFacts
}

export function createRunOperation(options: OperationOptions): RunOperation {
  const { schema, services, verifyToken, limits, timeoutMs, persisted, rateLimits, introspection } = options
  const { logger, metrics, tracing } = services
  const documents = new Documents({ schema, introspection, ...limits })
  const compiled = new CompiledQueries(schema)
  const subscriptions = new OpenSubscriptions(options.subscriptionLimits)
  const executions = new SharedExecutions<ExecutionResult>()
  const viewers = new AssumedViewers()

  return async (sent, facts) => {
    let admitted: Admitted | undefined
    const { signal } = facts
    const scope = facts.scope ?? new OperationScope()
    const leave = () => scope.endWith(signal?.reason)
    let deadline: NodeJS.Timeout | undefined
    try {
      rateLimits.checkAddress(facts.client)
      if (sent instanceof Refused) throw sent
      const params = readParams(sent)
      const looked = persisted.find(params)
      const found = looked instanceof Promise ? await looked : looked
      const variables = params.variables ?? {}
      const operation = documents.find(found.text).choose(params.operationName)
      checkTransport(operation, facts)
      const cost = operation.cost(variables)
      checkCost(cost, limits.maxCost)
      const verifying = verifyAuthorization(verifyToken, facts.authorization)
      const verified = verifying instanceof Promise ? await verifying : verifying
      admitted = { operation, variables, verified, facts }
      const admitting = rateLimits.admit(
        { client: facts.client, principal: verified?.principal },
        { cost, generations: operation.generations },
      )
      if (admitting) await admitting
      found.keep?.()
      if (operation.type === 'subscription') return await follow(admitted, scope)
      if (signal?.aborted) leave()
      signal?.addEventListener('abort', leave)
      // A generation has bounds of its own, and whoever wants to wait for it to its end may; so have waits for what another does.
      if (!operation.ownDeadline) deadline = setTimeout(() => scope.endWith(tooLate(timeoutMs)), timeoutMs)
      return await perform(admitted, scope)
    } catch (error) {
      if (!admitted && error instanceof Refused) rateLimits.chargeRefusal(facts.client)
      // Before it is known what it asks for; a client's own name for it would be a label without bound.
      metrics.graphqlRequests.inc({ operation: 'unknown', outcome: 'refused' })
      return refused(error, facts, () => signal ?? scope.signal)
    } finally {
      clearTimeout(deadline)
      signal?.removeEventListener('abort', leave)
    }
  }

  async function perform(admitted: Admitted, scope: OperationScope): Promise<ExecutionResult> {
    const { label } = admitted.operation
    const startedAtMs = performance.now()
    const observe = (outcome: string) => {
      metrics.graphqlRequests.inc({ operation: label, outcome })
      metrics.graphqlSeconds.observe({ operation: label }, (performance.now() - startedAtMs) / 1000)
    }
    try {
      const result = await resultOf(admitted, scope)
      observe(result.errors ? 'error' : 'success')
      return masked(result, admitted, () => scope.signal)
    } catch (error) {
      // Who asks could not be told.
      if (!scope.end) throw error
      observe(error instanceof Refused ? 'timeout' : 'left')
      return refused(error, admitted.facts, () => scope.signal)
    }
  }

  /** Rejects with the reason why the operation has ended before, or why its caller may not ask. */
  function resultOf(admitted: Admitted, scope: OperationScope): Promise<ExecutionResult> {
    const { operation, variables, verified } = admitted
    const key = executionKey(operation, verified?.principal, variables)
    if (key === undefined) return untilEnd(execute(admitted, scope), scope)
    const { result, joined } = executions.run(key, {
      scope,
      begin: async shared => {
        const result = await execute(admitted, shared)
        if (shared !== scope) shareBody(result)
        return result
      },
    })
    if (!joined) return result
    metrics.graphqlShared.inc({ operation: operation.label })
    const attributes = { ...spanOf(operation).attributes, 'tributary.shared': true }
    return inSpan(tracing, operation.label, { attributes }, () => result)
  }

  /** Who asks is looked up with it: what is told of them is as new as everything else. */
  async function execute(admitted: Admitted, scope: OperationScope): Promise<ExecutionResult> {
    const { operation, verified } = admitted
    const looking = identify(services, verified, operation)
    // A query changes nothing: it may begin before it is known who asks. Others wait, and what asks for nobody is not told who they are.
    if (operation.type !== 'query' || operation.ofSchemaAlone || !verified)
      return executeFor(admitted, await looking, scope)
    const { principal, expiresAt: tokenExpiresAt } = verified
    const viewer = viewers.of(principal)
    const ahead = viewer && begin(admitted, { principal, viewer, tokenExpiresAt }, scope)
    try {
      const caller = await looking
      viewers.remember(principal, caller.viewer)
      if (ahead && isConfirmed(viewer, caller.viewer)) return await ahead.result
      ahead?.drop()
      return await executeFor(admitted, caller, scope)
    } catch (error) {
      ahead?.drop()
      // Of a session that has ended, or of a read: nothing is assumed again after either.
      viewers.remember(principal, null)
      throw error
    } finally {
      ahead?.forget()
    }
  }

  /** Ends with the operation, or when it is dropped. */
  function begin(admitted: Admitted, caller: Caller, scope: OperationScope) {
    const own = new OperationScope()
    const forget = scope.onEnd(() => own.endWith(scope.end?.reason))
    const result = executeFor(admitted, caller, own)
    result.catch(() => {})
    const drop = () => own.endWith(new DOMException('it was executed for somebody else', 'AbortError'))
    return { result, drop, forget }
  }

  async function executeFor(
    admitted: Admitted,
    caller: Caller,
    scope: OperationScope,
  ): Promise<ExecutionResult> {
    const { operation } = admitted
    const context = new RequestContext(services, {
      facts: admitted.facts,
      caller,
      signal: () => scope.signal,
    })
    const run = () => compiled.execute(operation, argsOf(admitted, context))
    // What a mutation has begun it finishes: a client that leaves must not undo what it has asked for.
    return inSpan(tracing, operation.label, spanOf(operation), async () =>
      operation.type === 'query' ? runInOperation(scope, run) : run(),
    )
  }

  async function follow(admitted: Admitted, scope: OperationScope): Promise<OperationResult> {
    const { operation, verified, facts } = admitted
    const { label } = operation
    const signal = () => facts.signal ?? scope.signal
    const caller = await identify(services, verified, operation)
    const context = new RequestContext(services, { facts, caller, signal })
    const close = subscriptions.open({ socket: facts.socket, principal: context.principal })
    let ends = false
    try {
      const source = await inSpan(tracing, label, spanOf(operation), () =>
        subscribe(argsOf(admitted, context)),
      )
      const opened = Symbol.asyncIterator in source
      metrics.graphqlRequests.inc({ operation: label, outcome: opened ? 'success' : 'error' })
      if (!opened) return masked(source, admitted, signal)
      metrics.subscriptionsActive.inc()
      ends = true
      return followEvents(source, {
        context,
        mask: result => masked(result, admitted, signal),
        maskError: error => maskError(error, facts.requestId, logger.child({ operation: label })),
        onEnd: () => {
          metrics.subscriptionsActive.dec()
          close()
        },
      })
    } finally {
      if (!ends) close()
    }
  }

  function argsOf({ operation: { document, node }, variables }: Admitted, contextValue: RequestContext) {
    return {
      schema,
      document,
      operationName: node.name?.value ?? null,
      variableValues: variables,
      contextValue,
      ...(areLong(variables) && { options: { maxCoercionErrors: 1 } }),
    }
  }

  function masked(
    result: ExecutionResult,
    { operation: { label }, facts: { requestId } }: Admitted,
    signal: () => AbortSignal,
  ): ExecutionResult {
    const { errors } = result
    if (!errors) return result
    const log = logger.child({ operation: label })
    return {
      ...result,
      errors: errors.map(error => {
        const shown = maskError(error, requestId, log, signal())
        if (!introspection) shown.message = withoutSuggestion(shown.message)
        // Variables that do not fit: nothing was executed.
        if (!('data' in result)) shown.extensions.http ??= { status: 400, spec: true }
        return shown
      }),
    }
  }

  function refused(error: unknown, { requestId }: RequestFacts, signal: () => AbortSignal): ExecutionResult {
    const errors = error instanceof Refused ? error.errors : [maskError(error, requestId, logger, signal())]
    metrics.graphqlRefused.inc({ code: String(errors[0]?.extensions.code) })
    if (error instanceof RateLimited) metrics.rateLimited.inc({ scope: error.scope })
    return { errors }
  }
}

function spanOf({ type }: KnownOperation) {
  return { attributes: { 'graphql.operation.type': type } }
}

function tooLate(timeoutMs: number): Refused {
  const message = `The operation was not done within ${timeoutMs} ms.`
  return new Refused([refusal('TIMEOUT', message, { status: 504 })])
}

/** @throws Refused where the way that an operation came does not suit it */
function checkTransport({ type }: KnownOperation, { readOnly, streams }: RequestFacts): void {
  if (type === 'mutation' && readOnly)
    throw badRequest('Send a mutation by POST: GET changes nothing.', {
      status: 405,
      headers: { allow: 'POST' },
    })
  if (type === 'subscription' && !streams)
    throw badRequest('Subscribe with the header Accept: text/event-stream, or over WebSocket.', {
      status: 406,
    })
}

function checkCost(cost: number, limit: number): void {
  if (cost <= limit) return
  const shown = Math.ceil(cost)
  throw tooComplex(
    `The operation may cost ${shown}, more than the ${limit} that one may; ask for shorter lists.`,
    {
      cost: shown,
      limit,
    },
  )
}
