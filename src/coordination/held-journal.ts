import { randomUUID } from 'node:crypto'
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { HeldEntry } from '../redis/held-stream.ts'
import { makeFolder } from '../shared/make-folder.ts'

export interface JournalEntry extends HeldEntry {
  /** Other instances can see it too. */
  shared: boolean
}

const SUFFIX = '.held'
const DEAD = 'dead.jsonl'

/**
 * What this instance holds, in files that outlive it: a line of JSON each, on the disk before `append` returns.
 *
 * A file may be adopted by another process at any time, which renames it first and reads it then. The writer looks, after
 * it has written, whether its file still has its name; if not, it writes again, to a new one. So a line is either in what
 * the adopter reads or in the writer's next file, maybe in both: whoever saves entries must be able to save one twice.
 */
export class HeldJournal {
  readonly #folder: string
  #file: { handle: FileHandle; path: string; inode: number; lines: number } | undefined
  /** Adopted ones, whose entries are not all saved yet. */
  #adopted: string[] = []

  constructor(folder: string) {
    this.#folder = folder
  }

  /** On the disk when it returns. One call at a time. @throws where the folder cannot be written. */
  async append(entries: readonly JournalEntry[]): Promise<void> {
    const lines = entries.map(entry => `${JSON.stringify(entry)}\n`).join('')
    // Twice is enough: an adopter takes a file, not the writer's next one in the same moment.
    for (let attempt = 1; attempt <= 3; attempt++) {
      const file = await this.#open()
      try {
        await file.handle.appendFile(lines)
        await file.handle.datasync()
      } catch (error) {
        await this.#abandon(file)
        throw error
      }
      file.lines += entries.length
      if (await this.#isOurs(file)) return
      await file.handle.close()
      this.#file = undefined
    }
    throw new Error('the file of what is held is taken away again and again')
  }

  /**
   * Takes over files that others have left. @param idleMs how long nobody has written to them.
   * @returns what is in them, and the errors of those that could not be read, which stay where they are.
   */
  async adopt(idleMs: number): Promise<{ entries: JournalEntry[]; errors: unknown[] }> {
    const entries: JournalEntry[] = []
    const errors: unknown[] = []
    const strangers = await this.#strangers(idleMs).catch(error => {
      errors.push(error)
      return []
    })
    for (const path of strangers) {
      const ours = join(this.#folder, `${randomUUID()}${SUFFIX}`)
      try {
        await rename(path, ours)
        entries.push(...readLines(await readFile(ours, 'utf8')))
        this.#adopted.push(ours)
      } catch (error) {
        // Somebody else was faster, with the file or with what we have made of it.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') errors.push(error)
      }
    }
    return { entries, errors }
  }

  /** All that was held is saved. */
  async clear(): Promise<void> {
    const { handle, path } = this.#file ?? {}
    this.#file = undefined
    await handle?.close()
    for (const done of [path, ...this.#adopted.splice(0)]) if (done) await rm(done, { force: true })
  }

  /** Puts an entry aside that can never be saved, for a person to look at. */
  async bury(entry: HeldEntry, reason: string): Promise<void> {
    await makeFolder(this.#folder)
    const handle = await open(join(this.#folder, DEAD), 'a', 0o600)
    try {
      await handle.appendFile(`${JSON.stringify({ ...entry, reason })}\n`)
      await handle.datasync()
    } finally {
      await handle.close()
    }
  }

  /** Leaves the files to whoever comes next. */
  async close(): Promise<void> {
    await this.#file?.handle.close()
    this.#file = undefined
  }

  async #open() {
    if (this.#file) return this.#file
    await makeFolder(this.#folder)
    const path = join(this.#folder, `${randomUUID()}${SUFFIX}`)
    const handle = await open(path, 'a', 0o600)
    const file = { handle, path, inode: (await handle.stat()).ino, lines: 0 }
    try {
      await syncFolder(this.#folder)
    } catch (error) {
      await this.#abandon(file)
      throw error
    }
    this.#file = file
    return file
  }

  /** What was written may end in the middle of a line: nothing more goes into this file. On a full disk each try makes one. */
  async #abandon({
    handle,
    path,
    lines,
  }: {
    handle: FileHandle
    path: string
    lines: number
  }): Promise<void> {
    this.#file = undefined
    if (lines > 0) this.#adopted.push(path)
    await handle.close().catch(() => {})
    if (lines === 0) await rm(path, { force: true }).catch(() => {})
  }

  async #isOurs({ path, inode }: { path: string; inode: number }): Promise<boolean> {
    return stat(path).then(
      ({ ino }) => ino === inode,
      () => false,
    )
  }

  /** The oldest first. */
  async #strangers(idleMs: number): Promise<string[]> {
    const names = await readdir(this.#folder).catch(error => {
      // Nobody has held anything here yet.
      if (error.code === 'ENOENT') return []
      throw error
    })
    const ours = new Set([this.#file?.path, ...this.#adopted])
    const files: { path: string; atMs: number }[] = []
    for (const path of names.filter(name => name.endsWith(SUFFIX)).map(name => join(this.#folder, name))) {
      if (ours.has(path)) continue
      const atMs = (await stat(path).catch(() => undefined))?.mtimeMs
      // A file of the future is one from before the clock was set back.
      if (atMs !== undefined && (idleMs === 0 || Math.abs(Date.now() - atMs) >= idleMs))
        files.push({ path, atMs })
    }
    return files.sort((one, other) => one.atMs - other.atMs).map(({ path }) => path)
  }
}

/** The name of a new file is in its folder, and the folder on the disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A line that a crash cut off was promised to nobody. */
function readLines(text: string): JournalEntry[] {
  return text.split('\n').flatMap(line => {
    try {
      return line === '' ? [] : [JSON.parse(line) as JournalEntry]
    } catch {
      return []
    }
  })
}
