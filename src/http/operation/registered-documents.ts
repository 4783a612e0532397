import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { z } from 'zod'

/** What the build of a frontend has registered cannot be read, in a sentence that says which file and why. */
export class RegisteredDocumentsError extends Error {
  override readonly name = 'RegisteredDocumentsError'
}

/** Apollo's generate-persisted-query-manifest. */
const Manifest = z.object({
  format: z.literal('apollo-persisted-query-manifest'),
  operations: z.array(z.object({ id: z.string().min(1), body: z.string().min(1) })),
})
/** Relay's persistConfig, and the client preset of GraphQL Code Generator: `{"<id>": "<document>"}`. */
const Pairs = z.record(z.string().min(1), z.string().min(1))

/**
 * Documents by their ids, from a file or from all files of a folder: manifests in the format of Apollo, Relay or GraphQL Code
 * Generator (.json), or documents themselves (.graphql, .gql), whose id is the SHA-256 of the file.
 * @throws RegisteredDocumentsError
 */
export async function readRegisteredDocuments(path: string): Promise<ReadonlyMap<string, string>> {
  const documentById = new Map<string, string>()
  for (const file of await filesOf(path)) {
    for (const [id, document] of await documentsOf(file)) {
      const known = documentById.get(id)
      if (known !== undefined && known !== document)
        throw new RegisteredDocumentsError(`${file}: the id ${id} is that of another document elsewhere.`)
      documentById.set(id, document)
    }
  }
  if (documentById.size === 0) throw new RegisteredDocumentsError(`${path}: no document is in there.`)
  return documentById
}

async function filesOf(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    const names = await readdir(path)
    return names
      .filter(name => ['.json', '.graphql', '.gql'].includes(extname(name)))
      .sort()
      .map(name => join(path, name))
  } catch (error) {
    throw new RegisteredDocumentsError(`${path}: cannot be read.`, { cause: error })
  }
}

async function documentsOf(file: string): Promise<[id: string, document: string][]> {
  const text = await readFile(file, 'utf8')
  if (extname(file) !== '.json') return [[sha256(text), text]]
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    throw new RegisteredDocumentsError(`${file}: it is no JSON.`, { cause: error })
  }
  const manifest = Manifest.safeParse(content)
  if (manifest.success) return manifest.data.operations.map(({ id, body }) => [id, body])
  const pairs = Pairs.safeParse(content)
  if (pairs.success) return Object.entries(pairs.data)
  throw new RegisteredDocumentsError(
    `${file}: expected a manifest of Apollo, or {"<id>": "<document>"} as Relay and GraphQL Code Generator write it.`,
  )
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
