/**
 * What a secret looks like, wherever it stands in a line of the log. Escapes of JSON are matched first and left alone, so that
 * a line stays one: `\n` before an address is no part of it.
 */
const SECRETS = new RegExp(
  [
    /(?<escape>\\u[0-9a-fA-F]{4}|\\.)/,
    // redis://:password@host, postgresql://user:password@host
    // A password may hold an @ itself: the last one counts.
    /(?<scheme>\b[a-z][a-z0-9+.-]{1,20}:\/\/)[^\s"\\/]{0,256}@/,
    /\beyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)*/,
    /(?<scheme2>\b(?:[Bb]earer|[Bb]asic) +)[\w.~+/=-]{6,}/,
    /(?<parameter>[?&][\w-]{0,64}(?:token|secret|password|key|code|signature)[\w-]{0,64}=)[^&\s"\\]+/,
    /\bsk-[\w-]{8,}/,
    // The local part of an address has 64 characters at most.
    /[^\s"\\@<>()[\]{},;:/'`=]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63})+/u,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gu',
)

/** The line without tokens, passwords in addresses of servers, and addresses of people, whoever wrote them into it. */
export function redactLine(line: string): string {
  return line.replace(SECRETS, (match, ...rest) => {
    const groups = rest.at(-1) as Record<string, string | undefined>
    if (groups.escape !== undefined) return match
    if (groups.scheme !== undefined) return `${groups.scheme}[redacted]@`
    return `${groups.scheme2 ?? groups.parameter ?? ''}[redacted]`
  })
}

/** What says what went wrong and holds nothing that somebody has sent; everything else that a library hangs on an error does. */
const TELLING = [
  'code',
  'kind',
  'severity',
  'schema',
  'table',
  'column',
  'constraint',
  'routine',
  'status',
  'statusCode',
  'errno',
  'syscall',
  'address',
  'port',
] as const
/** Of causes and of errors that came together. */
const MAX_DEPTH = 6

/**
 * An error as the log has it: its type, codes, message and stack, with those of its causes, and without what was worked on.
 * An error of a driver holds the statement's values in its detail, one of a client library the request with its headers and body.
 */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error))
    return {
      type: typeof error,
      message: typeof error === 'string' ? redactMessage(error) : 'no Error was thrown',
    }
  const chain: Error[] = []
  const collect = (cause: unknown) => {
    if (!(cause instanceof Error) || chain.length >= MAX_DEPTH || chain.includes(cause)) return
    chain.push(cause)
    collect(cause.cause)
    if (cause instanceof AggregateError) cause.errors.forEach(collect)
    if (cause instanceof SuppressedError) for (const one of [cause.error, cause.suppressed]) collect(one)
  }
  collect(error)
  const told: Record<string, unknown> = {
    type: error.name === 'Error' ? error.constructor.name : error.name,
    message: chain.map(messageOf).join(': '),
    stack: chain.map(stackOf).join('\ncaused by: '),
  }
  for (const name of TELLING) {
    const value = chain.map(one => (one as unknown as Record<string, unknown>)[name]).find(isTelling)
    if (value !== undefined) told[name] = value
  }
  return told
}

function isTelling(value: unknown): value is string | number {
  return typeof value === 'number' || (typeof value === 'string' && /^[\w.:/ -]{1,128}$/.test(value))
}

function messageOf(error: Error): string {
  // A data exception quotes the value that does not fit: invalid input syntax for type uuid: "…".
  const { code } = error as NodeJS.ErrnoException
  const isOfData = typeof code === 'string' && /^22[0-9A-Z]{3}$/.test(code)
  const redacted = redactMessage(isOfData ? error.message.replace(/".*"/gs, '"…"') : error.message)
  // Prisma's begin with a line break and hold several: a person reads one sentence.
  return redacted.trim().replace(/\s*\n\s*/g, ' ')
}

function stackOf(error: Error): string {
  const frames = (error.stack ?? '').split('\n').filter(line => /^\s+at /.test(line))
  return [`${error.name}: ${messageOf(error)}`, ...frames].join('\n')
}

/** A message without the values that PostgreSQL, Prisma and the JSON parser put into theirs. */
function redactMessage(message: string): string {
  return message
    .replace(/(Key \([^)]*\)=\().*(\))/gs, '$1…$2')
    .replace(/(row contains \().*(\))/gs, '$1…$2')
    .replace(/(invalid input (?:syntax|value) for [^:]*: ).*/gs, '$1…')
    .replace(/(Unexpected (?:token|non-whitespace|end)[^"]*").*(" is not valid JSON)/gs, '$1…$2')
    .replace(/(Invalid `[^`]*` invocation[^{]*)\{.*\}/gs, '$1{…}')
}
