/** Of bounded kinds, and of no user: a name of a statement, of a kind of run, of a field. */
export type SpanAttributes = Record<string, string | number | boolean | undefined>

export interface Span {
  set(attributes: SpanAttributes): void
  /** Ends it before its work does, as for an answer that never ends. Idempotent. */
  end(): void
}

export interface SpanOptions {
  /** `server` answers somebody, `client` asks somebody else. */
  kind?: 'server' | 'client'
  attributes?: SpanAttributes
  /** Headers of a request: the trace of whoever has sent it is gone on with. */
  headers?: Record<string, string | string[] | undefined>
}

/** Where the time of a request goes, told to a collector. Absent where nobody collects: then nothing is done for it. */
export interface Tracing {
  /**
   * Runs work as a part of what is going on. It ends with its work; what throws makes it a failed one, by the type and the code
   * of the error alone: its message may hold what somebody has sent.
   */
  span<T>(name: string, options: SpanOptions, work: (span: Span) => T): T
  /** @returns what runs work as a part of what is going on now, from a place where that is not known. */
  carry(): <T>(work: () => T) => T
  /** Sends what is not sent yet, for two seconds at most. */
  close(): Promise<void>
}

/** `work` as a span where spans are collected, and otherwise nothing but `work`. */
export function inSpan<T>(
  tracing: Tracing | undefined,
  name: string,
  options: SpanOptions,
  work: () => T,
): T {
  return tracing ? tracing.span(name, options, work) : work()
}
