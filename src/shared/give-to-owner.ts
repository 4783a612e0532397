import { type FileHandle, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * What root writes into somebody's folder shall not lock that somebody out. On the open file or folder and not on its
 * path: the folder's owner could have put a link there in between.
 */
export async function giveToOwnerOf(path: string, file: FileHandle): Promise<void> {
  // Windows has no uids.
  if (process.geteuid?.() !== 0) return
  const { uid, gid } = await stat(dirname(path))
  if (uid !== 0) await file.chown(uid, gid)
}
