import { ConfigError } from './config.ts'
import { EmbeddedPostgresError } from './database/embedded-postgres.ts'
import { MigrationError } from './database/migrate.ts'

/** Expected reasons not to start; their messages say what to do. */
const EXPECTED = [ConfigError, EmbeddedPostgresError, MigrationError]

/** What somebody at a terminal needs to know of why a command could not start; undefined for what nobody expected. */
export function explainFailure(error: unknown): string | undefined {
  if (EXPECTED.some(type => error instanceof type)) return (error as Error).message
  const { code, port, syscall, path } = error as NodeJS.ErrnoException & { port?: number }
  if (path !== undefined && ['mkdir', 'open', 'link', 'write'].includes(syscall ?? ''))
    return `Cannot write to ${path} (${code}): set DATA_DIR to a folder that can be written.`
  if (code === 'EADDRINUSE') return `Port ${port} is taken. Set PORT to another one; PORT=0 takes a free one.`
  if (code === 'EADDRNOTAVAIL' || (code === 'EACCES' && syscall === 'listen'))
    return 'This machine cannot listen there: set HOST to an address of this machine, and PORT to 1024 or more.'
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'ETIMEDOUT')
    return 'No database answers at DATABASE_URL. Start it, or leave DATABASE_URL away for the embedded one.'
  if (code === '28P01' || code === '28000')
    return 'The database refuses the user or the password in DATABASE_URL.'
  if (code === '3D000') return 'The database that DATABASE_URL names does not exist: create it first.'
  return undefined
}
