import { type DestinationStream, type LogFn, type Logger, pino } from 'pino'
import { PinoPretty } from 'pino-pretty'
import { describeError, redactLine } from './redact.ts'
import { currentRequestId } from './request-scope.ts'

export type { Logger }

/** Wherever one of these keys turns up in a logged object, its value is left out. */
const SECRET_KEYS = [
  'authorization',
  'cookie',
  'headers',
  'password',
  'newPassword',
  'token',
  'accessToken',
  'refreshToken',
  'secret',
  'clientSecret',
  'apiKey',
  'email',
  'prompt',
  'content',
  'text',
  'body',
  'variables',
  'parameters',
  'values',
  'databaseUrl',
  'redisUrl',
  'mailUrl',
]

/**
 * How the line begins that shows the development token, which is of no use outside this machine's trials; of all lines this
 * one alone may hold a token. No text of anybody else can begin so: within a line its quotes are escaped.
 */
export const DEVELOPMENT_TOKEN = 'development token: '

/**
 * A line names the request that it belongs to, and holds no secret: not under a key of that name, not in an error, and not within
 * any text, whoever has put it there.
 */
export function createLogger(options: {
  level: string
  format: 'pretty' | 'json'
  destination?: DestinationStream
  /** Of the process, where several write one log. */
  name?: string | undefined
}): Logger {
  // A pretty stream in the same thread: what was logged just before a crash is on the terminal.
  const destination =
    options.format === 'pretty'
      ? PinoPretty({
          ignore: 'pid,hostname',
          translateTime: 'HH:MM:ss.l',
          sync: true,
          ...(options.destination && { destination: options.destination }),
        })
      : options.destination
  const settings = {
    level: options.level,
    ...(options.name !== undefined && { name: options.name }),
    serializers: { err: describeError },
    redact: { paths: SECRET_KEYS.flatMap(key => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
    mixin: () => {
      const requestId = currentRequestId()
      return requestId === undefined ? {} : { requestId }
    },
    hooks: {
      // Without a message pino would take the error's own, as it is.
      logMethod(args: Parameters<LogFn>, log: LogFn) {
        const [first]: unknown[] = args
        const error = first instanceof Error ? first : (first as { err?: unknown } | null)?.err
        if (args.length === 1 && error)
          log.call(
            this,
            first instanceof Error ? { err: error } : { ...(first as object), err: error },
            'something failed',
          )
        else log.apply(this, args)
      },
      streamWrite: (line: string) => (line.includes(`"msg":"${DEVELOPMENT_TOKEN}`) ? line : redactLine(line)),
    },
  }
  return destination ? pino(settings, destination) : pino(settings)
}
