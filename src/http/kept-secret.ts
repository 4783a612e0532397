import { randomBytes } from 'node:crypto'
import { link, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { giveToOwnerOf } from '../shared/give-to-owner.ts'
import { makeFolder } from '../shared/make-folder.ts'

/**
 * A secret that was made up once and is kept in a file that only its owner may read. Instances that start together on one
 * folder agree on one secret: the file appears whole or not at all.
 */
export async function keptSecret(dataDir: string, name: string): Promise<string> {
  const file = join(dataDir, name)
  const read = () => readFile(file, 'utf8').then(text => text.trim())
  try {
    return await read()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  await makeFolder(dataDir)
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    const written = await open(draft, 'wx', 0o600)
    try {
      await written.writeFile(`${randomBytes(32).toString('base64url')}\n`)
      await giveToOwnerOf(file, written)
    } finally {
      await written.close()
    }
    // Unlike a rename, a link does not replace what another instance has just put there.
    await link(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
  return read()
}
