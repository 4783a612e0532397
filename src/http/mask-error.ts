import { GraphQLError, type GraphQLFormattedError, Kind } from 'graphql'
import { isTurnedAway } from '../coordination/turned-away.ts'
import { isDatabaseAway } from '../database/postgres-errors.ts'
import { brief } from '../shared/characters.ts'
import type { Logger } from '../shared/logger.ts'

const RETRY_AFTER_MS = 1000

/** Yoga's own name for a request that is no GraphQL request. */
const CODE_BY_FOREIGN_CODE: Record<string, string> = {
  BAD_REQUEST: 'BAD_USER_INPUT',
  OPERATION_RESOLUTION_FAILURE: 'BAD_USER_INPUT',
  REQUEST_ENTITY_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
}

/**
 * What a client may see of an error. Expected ones carry a code of the contract; anything else is logged, once, and
 * becomes INTERNAL with the request's id and nothing of the cause.
 */
export function maskError(
  error: unknown,
  requestId: string,
  logger: Logger,
  /** Of the request, where it can tell that its client has left. */
  signal?: AbortSignal,
): GraphQLError {
  if (error instanceof GraphQLError) {
    const cause = rootCause(error)
    const code = cause.extensions?.code
    // Without an error of ours behind it, graphql-js itself says what is wrong with a variable or an argument, and where it is written.
    if (cause instanceof GraphQLError && !cause.originalError && !isOfAnswer(error, cause)) {
      const known = typeof code === 'string' ? (CODE_BY_FOREIGN_CODE[code] ?? code) : 'BAD_USER_INPUT'
      // What graphql-js wrapped around an error without a code says which variable it is about, and where in it.
      const message = typeof code === 'string' ? cause.message : error.message
      // Yoga puts the JSON parser's error there, with the client's whole body in it, and answers 400 because of it.
      const { originalError, ...extensions } = cause.extensions ?? {}
      return withExtensions(error, message, {
        ...extensions,
        ...(originalError !== undefined && { http: { status: 400 } }),
        code: known,
      })
    }
    if (isDatabaseAway(cause)) {
      logOnce(error, cause, requestId, told => logger.warn(told, 'the database is away'))
      return withExtensions(error, 'The gateway cannot reach its database; try again in a moment.', {
        code: 'UNAVAILABLE',
        retryAfterMs: RETRY_AFTER_MS,
        http: { status: 503 },
      })
    }
    if (isTurnedAway(cause)) {
      logOnce(error, cause, requestId, told => logger.warn(told, 'a request was turned away'))
      return withExtensions(error, 'Too many ask for the same at once; try again in a moment.', {
        code: 'UNAVAILABLE',
        retryAfterMs: RETRY_AFTER_MS,
        http: { status: 503 },
      })
    }
    // Nobody is there to be told, and nothing has failed.
    if (signal?.aborted && cause === signal.reason) logger.debug({ requestId }, 'the client has left')
    else logOnce(error, cause, requestId, told => logger.error(told, 'a request failed unexpectedly'))
    return withExtensions(error, `Something went wrong on our side. Quote the request id ${requestId}.`, {
      code: 'INTERNAL',
      requestId,
    })
  }
  return maskError(
    new GraphQLError('', { originalError: error instanceof Error ? error : new Error(String(error)) }),
    requestId,
    logger,
    signal,
  )
}

/** What a resolver gave fits no answer, as a value that an enum does not have: the message holds it, and no place in the document. */
function isOfAnswer(error: GraphQLError, cause: GraphQLError): boolean {
  return (
    error !== cause &&
    error.path !== undefined &&
    cause.nodes === undefined &&
    cause.extensions.code === undefined
  )
}

/** Under which requests an error was told of. */
const toldOf = new WeakMap<Error, Set<string>>()

/**
 * One error may fail many fields of a request, and many requests that shared a run or a read: it is told whole once, and once more for
 * each other request, whose id somebody may come with. Of the operation it names the field, never what was given to it.
 */
function logOnce(
  error: GraphQLError,
  cause: Error,
  requestId: string,
  log: (told: Record<string, unknown>) => void,
): void {
  const toldUnder = toldOf.get(cause)
  if (toldUnder?.has(requestId)) return
  const [node] = error.nodes ?? []
  const field = node?.kind === Kind.FIELD ? node.name.value : undefined
  if (toldUnder === undefined) {
    toldOf.set(cause, new Set([requestId]))
    log({ err: cause, requestId, field })
    return
  }
  const [sameAs] = toldUnder
  toldUnder.add(requestId)
  log({ requestId, field, sameAs })
}

/** The errors of a result as a transport without a status sends them: what tells Yoga the status is not the client's. */
export function withoutHttp(errors: readonly GraphQLError[]): GraphQLFormattedError[] {
  return errors.map(error => {
    const { extensions: { http: _, ...extensions } = {}, ...formatted } = error.toJSON()
    return { ...formatted, extensions }
  })
}

type Cause = Error & { extensions?: GraphQLError['extensions']; originalError?: unknown }

/** graphql-js wraps what a resolver threw once for each level that it passes. */
function rootCause(error: GraphQLError): Cause {
  let cause: Cause = error
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError as Cause
  return cause
}

function withExtensions(
  error: GraphQLError,
  message: string,
  extensions: Record<string, unknown>,
): GraphQLError {
  return new GraphQLError(brief(message), {
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    path: error.path ?? null,
    extensions,
  })
}
