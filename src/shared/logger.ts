import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino'
import { PinoPretty } from 'pino-pretty'

export type { Logger }

/** Wherever one of these keys turns up in a logged object, its value is left out. */
const SECRET_KEYS = [
  'authorization',
  'cookie',
  'password',
  'newPassword',
  'token',
  'accessToken',
  'refreshToken',
  'secret',
  'email',
  'prompt',
  'databaseUrl',
  'redisUrl',
]

export function createLogger(options: {
  level: string
  format: 'pretty' | 'json'
  destination?: DestinationStream
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
    serializers: { err: describeError },
    redact: { paths: SECRET_KEYS.flatMap(key => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
  }
  return destination ? pino(settings, destination) : pino(settings)
}

/** An error without the connection that its driver hangs on it, with every statement that ran there. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { client: _, ...described } = stdSerializers.err(error) as ReturnType<typeof stdSerializers.err> & {
    client?: unknown
  }
  return described
}
