import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { HeldJournal, type JournalEntry } from '../../src/coordination/held-journal.ts'

let folder: string

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'tributary-journal-')), 'held')
  onTestFinished(() => rm(join(folder, '..'), { recursive: true, force: true }))
})

const entry = (id: string): JournalEntry => ({
  id,
  key: 'k',
  messages: 1,
  payload: `what was said: ${id} è 🌊`,
  shared: false,
})
function open(path: string): HeldJournal {
  const journal = new HeldJournal(path)
  onTestFinished(() => journal.close())
  return journal
}
const files = async () => (await readdir(folder)).filter(name => name.endsWith('.held'))
const idsOf = ({ entries }: { entries: JournalEntry[] }) => entries.map(({ id }) => id)

describe('what is held', () => {
  test('is there for the next process, in its order, and gone when all of it is saved', async () => {
    const journal = open(folder)
    await journal.append([entry('1'), entry('2')])
    await journal.append([entry('3')])
    // Nothing closes it: the process is gone.
    const next = open(folder)
    const { entries, errors } = await next.adopt(0)
    expect(entries).toEqual([entry('1'), entry('2'), entry('3')])
    expect(errors).toEqual([])
    await next.clear()
    expect(await files()).toEqual([])
  })

  test('that ends in the middle of a line, or of a letter, gives what was promised before it', async () => {
    const journal = open(folder)
    await journal.append([entry('1'), entry('2')])
    const [name = ''] = await files()
    const whole = await readFile(join(folder, name))
    for (const cut of [1, 5, 7, 40, Buffer.byteLength(`${JSON.stringify(entry('2'))}\n`) - 1]) {
      await writeFile(join(folder, 'torn.held'), whole.subarray(0, whole.length - cut))
      const { entries } = await open(folder).adopt(0)
      expect(entries.filter(({ id }) => id === '1').length).toBeGreaterThan(0)
      // The whole file and the torn one are both there; of the torn one the second line is missing but for a cut newline.
      expect(entries.filter(({ id }) => id === '2')).toHaveLength(cut === 1 ? 2 : 1)
      for (const file of await files()) if (file !== name) await rm(join(folder, file))
      await writeFile(join(folder, name), whole)
    }
  })

  test('goes into a new file after another process has taken the one before', async () => {
    const journal = open(folder)
    await journal.append([entry('1')])
    const other = open(folder)
    expect(idsOf(await other.adopt(0))).toEqual(['1'])
    await journal.append([entry('2')])
    // Maybe twice, never nowhere: the adopter is done with its file, and the second entry is still there.
    await other.clear()
    expect(idsOf(await open(folder).adopt(0))).toEqual(['2'])
  })

  test('is left to its writer while that writes, and taken when nobody has written for so long', async () => {
    const journal = open(folder)
    await journal.append([entry('1')])
    const other = open(folder)
    expect(idsOf(await other.adopt(60_000))).toEqual([])
    const [name = ''] = await files()
    const before = new Date(Date.now() - 61_000)
    await utimes(join(folder, name), before, before)
    expect(idsOf(await other.adopt(60_000))).toEqual(['1'])
    await open(folder).append([entry('2')])
    const [later = ''] = (await files()).filter(file => file !== name).slice(-1)
    for (const file of await files())
      await utimes(join(folder, file), new Date('2100-01-01'), new Date('2100-01-01'))
    // A clock that was set back keeps nothing from being found.
    expect(later).not.toBe('')
    expect(idsOf(await other.adopt(60_000))).toEqual(['2'])
    // Nobody takes what is theirs.
    expect(idsOf(await other.adopt(0))).toEqual([])
  })

  test('is taken by each of several at once or by one of them, and by none twice', async () => {
    for (let round = 0; round < 20; round++) {
      await open(folder).append([entry(`${round}`)])
      const journals = Array.from({ length: 5 }, () => open(folder))
      const taken = await Promise.all(journals.map(journal => journal.adopt(0)))
      expect(taken.flatMap(({ errors }) => errors)).toEqual([])
      expect(new Set(taken.flatMap(idsOf))).toEqual(new Set([`${round}`]))
      for (const ids of taken.map(idsOf)) expect(ids.length).toBe(new Set(ids).size)
      await Promise.all(journals.map(journal => journal.clear()))
      for (const file of await files()) await rm(join(folder, file))
    }
  })

  test('by several processes is given the oldest first', async () => {
    for (const [id, year] of [
      ['second', 2021],
      ['third', 2022],
      ['first', 2020],
    ] as const) {
      const before = (await readdir(folder).catch(() => [])) as string[]
      await open(folder).append([entry(id)])
      for (const name of await files())
        if (!before.includes(name)) await utimes(join(folder, name), new Date(year, 1), new Date(year, 1))
    }
    expect(idsOf(await open(folder).adopt(0))).toEqual(['first', 'second', 'third'])
  })

  test('that cannot be read stays, is told of, and keeps nobody from the rest', async () => {
    await open(folder).append([entry('1')])
    await mkdir(join(folder, 'broken.held'))
    const { entries, errors } = await open(folder).adopt(0)
    expect(entries).toEqual([entry('1')])
    expect(errors).toMatchObject([{ code: 'EISDIR' }])
    expect(await files()).toHaveLength(2)
  })
})

test('a folder that cannot be made or read is an error, and no empty one', async () => {
  const base = join(folder, '..', 'a file')
  await writeFile(base, '')
  const journal = open(join(base, 'held'))
  await expect(journal.append([entry('1')])).rejects.toMatchObject({ code: 'ENOTDIR' })
  expect((await journal.adopt(0)).errors).toMatchObject([{ code: 'ENOTDIR' }])
})

test('what can never be saved is put aside, with the reason', async () => {
  const journal = open(folder)
  await journal.bury(entry('1'), 'no such user')
  await journal.bury(entry('2'), 'worse')
  const lines = (await readFile(join(folder, 'dead.jsonl'), 'utf8')).trimEnd().split('\n')
  expect(lines.map(line => JSON.parse(line) as unknown)).toEqual([
    { ...entry('1'), reason: 'no such user' },
    { ...entry('2'), reason: 'worse' },
  ])
  expect(idsOf(await journal.adopt(0))).toEqual([])
})

test('a disk that fills up refuses what does not fit, keeps what did, leaves no files behind, and is used again', async () => {
  // The limit of a file's size tears a write as a full disk does: what fits is written, the rest is an error.
  const script = `
    import { HeldJournal } from ${JSON.stringify(join(process.cwd(), 'src/coordination/held-journal.ts'))}
    const journal = new HeldJournal(${JSON.stringify(folder)})
    const entry = (id, size) => ({ id, key: 'k', messages: 1, payload: 'x'.repeat(size), shared: false })
    const told = []
    const append = async (id, size) => told.push(await journal.append([entry(id, size)]).then(() => 'held', error => error.code))
    await append('1', 100)
    await append('2', 100_000)
    for (let index = 0; index < 20; index++) await append('again ' + index, 100_000)
    await append('3', 100)
    console.log(JSON.stringify(told))`
  const { stdout } = await promisify(execFile)('bash', [
    '-c',
    'ulimit -f 32; exec "$0" --input-type=module -e "$1"',
    process.execPath,
    script,
  ])
  expect(JSON.parse(stdout)).toEqual(['held', ...Array.from({ length: 21 }, () => 'EFBIG'), 'held'])
  expect(await files()).toHaveLength(2)
  expect(idsOf(await open(folder).adopt(0)).sort()).toEqual(['1', '3'])
})
