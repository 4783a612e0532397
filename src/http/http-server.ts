import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, Server as NetServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionResult } from 'graphql'
import { inTime } from '../shared/abort.ts'
import type { Logger } from '../shared/logger.ts'
import { runInRequest } from '../shared/request-scope.ts'
import type { Span, Tracing } from '../shared/tracing.ts'
import { readTrustedProxies } from '../shared/trusted-proxies.ts'
import { createClientAddress } from './client-address.ts'
import { compressAnswer } from './compress-answer.ts'
import { Connections } from './connections.ts'
import type { GraphqlServer } from './graphql-server.ts'
import type { HealthReport, Phase } from './health.ts'
import { answerOf } from './http-answer.ts'
import type { RunOperation } from './operation/operations.ts'
import { badRequest } from './operation/refused.ts'
import { isBare, plainPost, type ServeGraphql, setCommonHeaders } from './plain-post.ts'
import { Readiness } from './readiness.ts'
import { Retirement } from './retirement.ts'
import { setSecurityHeaders } from './security-headers.ts'
import { endSlowClients, requestBounds } from './slow-clients.ts'
import { serveWebSockets } from './web-socket.ts'
import { isForWebSocket, WebSocketUpgrades } from './web-socket-upgrades.ts'

export interface HttpServerOptions {
  host: string
  port: number
  logger: Logger
  tracing?: Tracing | undefined
  phase: () => Phase
  /** Pages by path, asked for only once the gateway is ready. */
  reports: Record<string, () => Promise<HealthReport>>
  metrics: () => Promise<{ contentType: string; text: string }>
  /** Whose X-Forwarded-For is believed, as `readTrustedProxies` reads it; absent: nobody's. */
  trustedProxies?: string | undefined
  /** What is more is refused: each connection costs memory. */
  maxConnections: number
  /** How long a client may take to send a request, or to take what it is sent. */
  clientTimeoutMs: number
  /** Of a request, over WebSockets of a message. */
  maxBodyBytes: number
  /** Of several processes that are one instance behind one port, this is one. */
  instance?: InstanceOfSeveral | undefined
}

export interface InstanceOfSeveral {
  /** The others serve already, and take all connections until this one does. */
  readonly replaces: boolean
  /** Of all of them together, which is what readiness tells. */
  readonly phase: Phase
  readonly readiness: Pick<Readiness, 'answered' | 'awaited'>
}

export interface HttpServer {
  /** Where it listens; empty until it does. */
  readonly url: string
  /** From now on GraphQL is served; `ready` is what else it takes to be ready. @throws ListenError */
  serve(graphql: GraphqlServer, runOperation: RunOperation, ready: () => Promise<boolean>): Promise<void>
  /**
   * Serves on, with connections that end with their answers, while whoever spreads requests by the readiness of this instance
   * does not know yet that it is gone, and then while anything is under way; ends subscriptions meanwhile. For `timeoutMs` at most.
   */
  drain(timeoutMs: number, busy: () => boolean): Promise<void>
  /** Idempotent. Takes no more requests, waits for those under way until `deadlineMs` is over, then cuts them off. */
  close(deadlineMs: number): Promise<void>
}

/** A name that a client sends ends up in logs and answers: only what every id of theirs may look like. */
const REQUEST_ID = /^[\w.:-]{1,128}$/

/** What ends a host in an address, or makes it another one. */
const MORE_THAN_HOST = /[/\\?#@]/

/** The gateway cannot listen where it should, in a sentence that says what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}

/**
 * Listens at once, so that a probe learns that the gateway is starting, unless others of its instance serve meanwhile; GraphQL is
 * served when it can be. @throws ListenError
 */
export async function listen(options: HttpServerOptions): Promise<HttpServer> {
  const { tracing, trustedProxies, instance } = options
  const clientAddress = createClientAddress(
    trustedProxies === undefined ? undefined : readTrustedProxies(trustedProxies),
    options.logger,
  )
  let graphql: { serve: ServeGraphql; runOperation: RunOperation } | undefined
  let hasAll = async () => false
  let closed: Promise<void> | undefined
  const server = createServer(
    { ...requestBounds(options.clientTimeoutMs), shouldUpgradeCallback: isForWebSocket },
    (request, response) => {
      const bare = graphql !== undefined && isBare(request)
      if (!bare) setSecurityHeaders(response)
      // Whoever takes no compressed answer pays nothing for it.
      if (request.headers['accept-encoding'] !== undefined) compressAnswer(request, response)
      handle(request, response, bare).catch(error => {
        options.logger.error({ err: error }, 'a request failed unexpectedly')
        if (response.headersSent) {
          response.destroy()
          return
        }
        setSecurityHeaders(response)
        sendJson(response, 500, { status: 'down' })
      })
    },
  )
  server.maxConnections = options.maxConnections
  // Otherwise one worker would hand it to the next, and that one back, for as long as both are full.
  Object.assign(server, { dropMaxConnection: true })
  const connections = new Connections(server)
  let url = ''
  const open = () =>
    new Promise<void>((resolve, reject) => {
      const refuse = (error: Error) => reject(explainListen(error, options))
      server.once('error', refuse)
      server.listen(options.port, options.host, () => {
        server.off('error', refuse)
        const { address, port, family } = server.address() as AddressInfo
        url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
        resolve()
      })
    })
  if (!instance?.replaces) await open()

  /** Event streams, which may never end by themselves. */
  const streams = new Set<ServerResponse>()
  /** Of GraphQL, and no event streams. */
  const underWay = new Set<ServerResponse>()
  endSlowClients(server, () => [...underWay, ...streams, ...upgrades.outgoing], options.clientTimeoutMs)
  let newestRequestAtMs = Number.NEGATIVE_INFINITY
  const retirement = new Retirement()
  const upgrades = new WebSocketUpgrades(server, {
    maxMessageBytes: options.maxBodyBytes,
    phase: () => (!graphql ? 'starting' : retirement.begun ? 'stopping' : 'open'),
  })
  const readiness = instance?.readiness ?? new Readiness()
  let draining = false

  async function handle(request: IncomingMessage, response: ServerResponse, bare: boolean): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    if (draining) response.setHeader('connection', 'close')
    switch (path) {
      case '/health/live':
        return sendJson(response, 200, { status: 'ok' })
      case '/health/ready': {
        const phase = instance?.phase ?? options.phase()
        const ready = phase === 'ready' && (await hasAll())
        readiness.answered(request.socket.remoteAddress ?? '', ready)
        return sendJson(response, ready ? 200 : 503, { status: ready ? 'ok' : 'down', phase })
      }
      case '/metrics': {
        const { contentType, text } = await options.metrics()
        response.writeHead(200, { 'content-type': contentType }).end(text)
        return
      }
      case '/':
        response.writeHead(302, { location: '/graphql' }).end()
        return
    }
    const report = Object.hasOwn(options.reports, path) ? options.reports[path] : undefined
    if (report)
      return sendReport(
        response,
        options.phase() === 'starting' ? async () => ({ status: 'down', phase: 'starting' }) : report,
      )
    if (!graphql && request.headers.accept === 'text/event-stream') {
      // An EventSource gives up for good upon any other status, and comes again after a stream that has ended.
      const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }
      response.writeHead(200, headers).end(': the gateway is starting\nretry: 1000\n\n')
      return
    }
    if (!graphql) {
      const message = 'The gateway is starting; try again in a moment.'
      return sendJson(
        response,
        503,
        { errors: [{ message, extensions: { code: 'UNAVAILABLE', retryAfterMs: 1000 } }] },
        { 'retry-after': '1' },
      )
    }
    const sent = request.headers['x-request-id']
    const requestId = typeof sent === 'string' && REQUEST_ID.test(sent) ? sent : randomUUID()
    if (!bare) response.setHeader('x-request-id', requestId)
    const { serve, runOperation } = graphql
    const { authorization } = request.headers
    const client = clientAddress(request)
    // The address is made of both; Yoga would answer with its own stack, and the paths of this machine in it. And a proxy that looks at
    // the path must not be told another one by the host.
    const { host = '' } = request.headers
    if (MORE_THAN_HOST.test(host) || !URL.canParse(`http://${host}${request.url}`)) {
      const noAddress = badRequest('The header Host and the path make no address.')
      const facts = { requestId, authorization, client, readOnly: true, streams: false }
      const result = await runOperation(noAddress, facts)
      const { status, headers, body } = answerOf(result as ExecutionResult, 'application/json')
      setCommonHeaders(response, requestId)
      response.writeHead(status, headers).end(body)
      return
    }
    underWay.add(response)
    response.on('close', () => {
      underWay.delete(response)
      streams.delete(response)
    })
    newestRequestAtMs = performance.now()
    const answer = async (span?: Span) => {
      const becomesStream = () => {
        if (underWay.delete(response)) streams.add(response)
        span?.end()
      }
      await serve(request, response, { requestId, authorization, client, retirement, bare, becomesStream })
      span?.set({ 'http.response.status_code': response.statusCode })
    }
    await runInRequest(requestId, () => (tracing ? traced(request, requestId, answer) : answer()))
  }

  function traced(request: IncomingMessage, requestId: string, answer: (span: Span) => Promise<void>) {
    const { method = 'GET', headers } = request
    const attributes = {
      'http.request.method': method,
      'url.path': '/graphql',
      'tributary.request_id': requestId,
    }
    return tracing?.span(`${method} /graphql`, { kind: 'server', headers, attributes }, answer)
  }

  return {
    get url() {
      return url
    },
    async serve(graphqlServer, runOperation, ready) {
      graphql = { serve: plainPost(graphqlServer, runOperation, options), runOperation }
      hasAll = ready
      serveWebSockets(upgrades.server, {
        runOperation,
        newRequestId: randomUUID,
        clientAddress,
        retirement,
        clientTimeoutMs: options.clientTimeoutMs,
        logger: options.logger,
      })
      if (instance?.replaces) await open()
    },
    async drain(timeoutMs, busy) {
      draining = true
      // The others go on, and are given what would come here. What is there stays, as `server.close` would not let it.
      if (instance?.phase === 'ready') NetServer.prototype.close.call(server)
      for (const response of underWay) if (!response.headersSent) response.setHeader('connection', 'close')
      const startedAtMs = performance.now()
      const passedMs = () => performance.now() - startedAtMs
      const watched = readiness.awaited
      const unawareMs = watched ? Math.min(UNAWARE_MS, timeoutMs / 2) : 0
      // Who is sent away while the balancer does not know would be sent here again.
      while (passedMs() < unawareMs && readiness.awaited) await sleep(SWEEP_MS)
      // Streams, and sockets whatever runs on them.
      if (retirement.size > 0)
        options.logger.info({ connections: retirement.size }, 'subscribers are sent to other instances')
      const retired = retirement.run(timeoutMs - passedMs())
      const mayCome = () =>
        passedMs() < unawareMs && performance.now() - Math.max(newestRequestAtMs, startedAtMs) < QUIET_MS
      while (passedMs() < timeoutMs && (mayCome() || underWay.size > 0 || busy())) await sleep(SWEEP_MS)
      await retired
    },
    close(deadlineMs) {
      closed ??= (async () => {
        // One whose client does not answer the goodbye is cut off with all the others.
        const goodbyes = upgrades.close()
        // Cut off rather than completed: a client that sees its stream break opens it again, on another instance.
        for (const stream of streams) stream.destroy()
        await connections.close(deadlineMs)
        await goodbyes
      })()
      return closed
    },
  }
}

function explainListen(error: NodeJS.ErrnoException, { host, port }: HttpServerOptions): Error {
  const explain = (sentence: string) => new ListenError(sentence, { cause: error })
  switch (error.code) {
    case 'EADDRINUSE':
      return explain(`Port ${port} is taken. Set PORT to another one; PORT=0 takes a free one.`)
    case 'EACCES':
      return explain(`This user may not listen on port ${port}: set PORT to 1024 or more.`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL':
      return explain(
        `${host} is no address of this machine: set HOST to one of its own, to 127.0.0.1 for this machine alone, or to 0.0.0.0 for all its addresses.`,
      )
    default:
      return error
  }
}

const SWEEP_MS = 50
/** The longest that an instance serves on for a balancer that has not asked it; many ask every few seconds. */
const UNAWARE_MS = 5000
/** Told, a balancer sends nothing more than what it has just decided upon, which on a busy machine takes a while to arrive. */
const QUIET_MS = 1000

/** Beyond it whoever asks has their answer: probes wait for seconds at most. */
const REPORT_TIMEOUT_MS = 4000

async function sendReport(response: ServerResponse, read: () => Promise<HealthReport>): Promise<void> {
  const late = (): HealthReport => ({ status: 'down', problems: ['the database does not answer in time'] })
  const failed = (): HealthReport => ({ status: 'down', problems: ['the database could not be asked'] })
  const report = await inTime(read().catch(failed), REPORT_TIMEOUT_MS, late)
  sendJson(response, report.status === 'down' ? 503 : 200, report)
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    ...headers,
  })
  response.end(`${JSON.stringify(body)}\n`)
}
