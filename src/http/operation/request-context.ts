import type { Principal, Viewer } from '../../domain/users/resolve-user.ts'
import type { Context, Services } from '../../schema/context.ts'
import type { Loaders } from '../../schema/loaders.ts'
import type { Caller } from './authenticate.ts'

/**
 * A class, for its getter: that of an object literal, another function for each object, makes V8 keep every context, and with it all
 * that was loaded for it, until old objects are collected too.
 */
export class RequestContext implements Context {
  readonly services: Services
  readonly requestId: string
  readonly client: string
  readonly principal: Principal | null
  readonly viewer: Viewer | null
  readonly tokenExpiresAt: Date | undefined
  readonly viewerUnknown: unknown
  readonly lastEventId: string | undefined
  eventId: string | undefined = undefined
  loaders: Loaders
  readonly #signal: () => AbortSignal

  constructor(
    services: Services,
    {
      facts,
      caller,
      signal,
    }: {
      facts: { requestId: string; client: string; lastEventId?: string | undefined }
      caller: Caller
      signal: () => AbortSignal
    },
  ) {
    this.services = services
    this.requestId = facts.requestId
    this.client = facts.client
    this.principal = caller.principal
    this.viewer = caller.viewer
    this.tokenExpiresAt = caller.tokenExpiresAt
    this.viewerUnknown = caller.viewerUnknown
    this.lastEventId = facts.lastEventId
    this.loaders = services.createLoaders()
    this.#signal = signal
  }

  /** Made for those who ask for it alone. */
  get signal(): AbortSignal {
    return this.#signal()
  }
}
