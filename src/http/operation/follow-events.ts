import { type ExecutionResult, GraphQLError } from 'graphql'
import type { Context } from '../../schema/context.ts'
import { EVENT_ID } from '../event-stream.ts'
import { endAfter, endAt } from '../subscription-end.ts'

/**
 * The events of a subscription as they go out: each masked and under its own id, until the token that it was opened with
 * ends, or its session. A source that breaks gives a last event that says so. Whoever was to read them may be gone before
 * the first one, and then nobody returns them: the signal of the context ends them too.
 */
export function followEvents(
  source: AsyncIterable<ExecutionResult>,
  options: {
    context: Context
    mask: (result: ExecutionResult) => ExecutionResult
    maskError: (error: unknown) => GraphQLError
    /** Called once, however it ends. */
    onEnd: () => void
  },
): AsyncIterableIterator<ExecutionResult> {
  const { context, mask, maskError } = options
  // A client that goes on behind an event that could not be made would never get it; one that comes again does.
  const isMissing = ({ data }: ExecutionResult) => context.eventId !== undefined && !data
  const whole = endAfter(source, isMissing)
  const { tokenExpiresAt, principal, services } = context
  const { sessionId } = principal ?? {}
  const endsEarly = (end: (why: () => ExecutionResult) => void) =>
    (sessionId !== undefined && services.sessionWatch?.watch(sessionId, () => end(sessionEnded))) ||
    (() => {})
  const results = tokenExpiresAt ? endAt(whole, tokenExpiresAt, tokenExpired, endsEarly) : whole
  let ended = false
  const end = () => {
    if (ended) return
    ended = true
    context.signal?.removeEventListener('abort', leave)
    options.onEnd()
  }
  const leave = () => {
    end()
    void Promise.resolve(results.return?.()).catch(() => {})
  }
  if (context.signal?.aborted) leave()
  else context.signal?.addEventListener('abort', leave)
  return {
    async next() {
      if (ended) return { done: true, value: undefined }
      try {
        const result = await results.next()
        if (result.done) {
          end()
          return result
        }
        const { eventId } = context
        const value = mask(result.value)
        return eventId !== undefined && value.data
          ? { done: false, value: { ...value, [EVENT_ID]: eventId } }
          : { done: false, value }
      } catch (error) {
        end()
        return { done: false, value: { errors: [maskError(error)] } }
      }
    },
    async return() {
      end()
      await results.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

const tokenExpired = () => unauthenticated('The token has expired: get a new one and subscribe again.')
const sessionEnded = () => unauthenticated('The session of this token has ended: log in.')

function unauthenticated(message: string): ExecutionResult {
  return { errors: [new GraphQLError(message, { extensions: { code: 'UNAUTHENTICATED' } })] }
}
