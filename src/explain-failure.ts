import { ConfigError } from './config.ts'
import { EmbeddedPostgresError } from './database/embedded-postgres.ts'
import { DatabaseError, explainDatabase } from './database/explain-database.ts'
import { MigrationError } from './database/migrate.ts'
import { ListenError } from './http/http-server.ts'
import { RegisteredDocumentsError } from './http/operation/registered-documents.ts'
import { WorkersError } from './workers/workers.ts'

/** Expected reasons not to start; their messages say what to do. */
const EXPECTED = [
  ConfigError,
  ListenError,
  DatabaseError,
  EmbeddedPostgresError,
  MigrationError,
  RegisteredDocumentsError,
  WorkersError,
]

/**
 * What somebody at a terminal needs to know of why a command could not start; undefined for what nobody expected.
 * @param databaseUrl as it was set; undefined where the database is the embedded one
 */
export function explainFailure(error: unknown, databaseUrl: string | undefined): string | undefined {
  if (EXPECTED.some(type => error instanceof type)) return (error as Error).message
  const { code, syscall, path } = error as NodeJS.ErrnoException
  if (path !== undefined && ['mkdir', 'open', 'link', 'write'].includes(syscall ?? ''))
    return `This user cannot use ${path} (${code}): set DATA_DIR to a folder of its own.`
  return databaseUrl === undefined ? undefined : explainDatabase(error, databaseUrl, true)
}
