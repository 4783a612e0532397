import { constants, mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { giveToOwnerOf } from './give-to-owner.ts'

/**
 * Makes a folder and those above it that are missing; what root makes belongs to the owner of the folder it is in. Node's own `recursive` tries for ever where a file system says ENOENT
 * to a folder whose parent is there, as /proc does.
 * @throws the system's error, where the folder cannot be made or the path is something else.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeOne(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await isFolder(path))) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path || (await isFolder(parent))) throw error
    await makeFolder(parent)
    // Somebody else may have been faster.
    await makeOne(path).catch(async again => {
      if (!(await isFolder(path))) throw again
    })
  }
}

async function makeOne(path: string): Promise<void> {
  await mkdir(path)
  // Windows cannot open folders, and has no owner to give it to.
  if (process.geteuid?.() !== 0) return
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    await giveToOwnerOf(path, folder)
  } finally {
    await folder.close()
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    stats => stats.isDirectory(),
    () => false,
  )
}
