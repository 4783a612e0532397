import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { inTime } from './abort.ts'
import type { SpanAttributes, Tracing } from './tracing.ts'

export interface OpenTelemetryOptions {
  /** Where OTLP over HTTP is taken; `/v1/traces` is added. */
  endpoint: string
  headers: Readonly<Record<string, string>>
  serviceName: string
  /** Of 1: how many traces that begin here are told. One that begins elsewhere is told where its beginning is. */
  sampleRatio: number
}

/** What a request waits for must not be held up by a collector: beyond it spans are dropped. */
const MAX_QUEUED_SPANS = 4096
const EXPORT_EVERY_MS = 1000
const EXPORT_TIMEOUT_MS = 5000
const CLOSE_TIMEOUT_MS = 2000

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT } as const
const fromHeaders = {
  keys: (headers: Record<string, unknown>) => Object.keys(headers),
  get: (headers: Record<string, unknown>, name: string) => headers[name] as string | string[] | undefined,
}

/**
 * Traces by OpenTelemetry, sent to a collector. This file alone knows its packages, and is loaded only where spans are collected.
 * What is going on is kept here and not in the library's own place for the process: two gateways in one process do not mix.
 */
export function startOpenTelemetry(options: OpenTelemetryOptions): Tracing {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': options.serviceName }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.sampleRatio) }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({
          url: `${options.endpoint.replace(/\/+$/, '')}/v1/traces`,
          headers: { ...options.headers },
          timeoutMillis: EXPORT_TIMEOUT_MS,
        }),
        maxQueueSize: MAX_QUEUED_SPANS,
        scheduledDelayMillis: EXPORT_EVERY_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  })
  const tracer = provider.getTracer('tributary')
  const propagator = new W3CTraceContextPropagator()
  const contexts = new AsyncLocalStorage<Context>()

  return {
    span(name, { kind, attributes, headers }, work) {
      const parent = headers
        ? propagator.extract(ROOT_CONTEXT, headers, fromHeaders)
        : (contexts.getStore() ?? ROOT_CONTEXT)
      const span = tracer.startSpan(name, { ...(kind && { kind: KINDS[kind] }) }, parent)
      if (attributes) set(span, attributes)
      let ended = false
      const end = () => {
        if (!ended) span.end()
        ended = true
      }
      const fail = (error: unknown): never => {
        span.setStatus({ code: SpanStatusCode.ERROR })
        set(span, { 'error.type': typeOf(error) })
        end()
        throw error
      }
      const handle = { set: (more: SpanAttributes) => set(span, more), end }
      return contexts.run(trace.setSpan(parent, span), () => {
        try {
          const result = work(handle)
          if (!(result instanceof Promise)) {
            end()
            return result
          }
          return result.then(value => {
            end()
            return value
          }, fail) as typeof result
        } catch (error) {
          return fail(error)
        }
      })
    },
    carry() {
      const context = contexts.getStore() ?? ROOT_CONTEXT
      return work => contexts.run(context, work)
    },
    async close() {
      await inTime(
        provider.shutdown().catch(() => {}),
        CLOSE_TIMEOUT_MS,
        () => {},
      )
    },
  }
}

function set(span: Span, attributes: SpanAttributes): void {
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) span.setAttribute(name, value)
}

function typeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' && /^[\w.:-]{1,64}$/.test(code) ? `${error.name} ${code}` : error.name
}
