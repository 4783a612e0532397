import { relative, resolve } from 'node:path'

/** What keeps the embedded PostgreSQL from running, in a sentence that says what to do next. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError'
}

/** The `code` of a system error (ENOENT), of a PostgreSQL error (28P01) or of a library's. */
export function errorCode(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** `null` instead of the error where a file or folder is not there; every other error stays one. */
export async function orAbsent<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
  }
}

/** A path as a newcomer reads it best: relative where it is below the working directory. */
export function displayPath(path: string): string {
  const short = relative(process.cwd(), path)
  return short === '' || short.startsWith('..') ? resolve(path) : short
}

/** Puts a file system error into a sentence; anything else is handed back as it is. */
export function explainFileError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof EmbeddedPostgresError) return error
  const { path, dest } = error as NodeJS.ErrnoException & { dest?: string }
  const where = displayPath(dest ?? path ?? '.')
  const explain = (sentence: string) => new EmbeddedPostgresError(sentence, { cause: error })
  const code = errorCode(error)
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return explain(
        `This user may not use ${where} (${code}): run the gateway as the user it belongs to, set DATA_DIR to ` +
          'a folder of your own, or set DATABASE_URL to a PostgreSQL 15 or later.',
      )
    case 'ENOENT':
    case 'EROFS':
    case 'ENOSPC':
    case 'EDQUOT':
      return explain(
        `Cannot write to ${where} (${code}): make room there, set DATA_DIR to a folder that can be written, ` +
          'or set DATABASE_URL to a PostgreSQL 15 or later.',
      )
    case 'ENOTDIR':
    case 'EEXIST':
    case 'EISDIR':
    case 'ELOOP':
    case 'EBUSY':
    case 'ENOTEMPTY':
    case 'EXDEV':
      return explain(`${where} is in the way (${code}): move it, or set DATA_DIR to another folder.`)
    default:
      return error
  }
}
