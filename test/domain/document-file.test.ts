import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { checkDocumentFile, readDocumentFile } from '../../src/domain/collections/document-file.ts'

async function fileOf(...parts: (string | Uint8Array)[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tributary-lines-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'documents.jsonl')
  await writeFile(path, Buffer.concat(parts.map(part => Buffer.from(part))))
  return path
}
const line = (documentId: string, text = 'text') => JSON.stringify({ documentId, text })
const read = async (path: string) => {
  const documents = []
  for await (const document of readDocumentFile(path)) documents.push(document)
  return documents
}

test('a line ends with a line feed and with nothing else that Unicode calls a line end', async () => {
  const odd = 'one\u2028two\u2029three\u0085four'.replace('\u0085', '')
  const path = await fileOf(`\ufeff${line('a', odd)}\r\n\n  \n${line('b')}`)
  expect(await checkDocumentFile(path)).toEqual({ documents: 2, problems: [], problemCount: 0 })
  expect((await read(path)).map(({ documentId, text }) => [documentId, text])).toEqual([
    ['a', odd],
    ['b', 'text'],
  ])
})

test('characters and lines that fall between two reads of the file stay whole', async () => {
  // Files are read in pieces of 64 kB; lines of an odd length put every kind of place on an edge.
  const texts = Array.from({ length: 400 }, (_, n) => `${n} ${'é😀'.repeat(100 + n)}`)
  const path = await fileOf(texts.map((text, n) => `${line(`d${n}`, text)}\n`).join(''))
  expect((await read(path)).map(({ text }) => text)).toEqual(texts)
})

test('bytes that are no UTF-8 are a problem of their line, and not stored as question marks', async () => {
  const path = await fileOf(
    `${line('a')}\n{"documentId": "b", "text": "caf`,
    Uint8Array.of(0xe9),
    `"}\n${line('c')}`,
  )
  expect(await checkDocumentFile(path)).toEqual({
    documents: 3,
    problems: [{ line: 2, message: 'expected UTF-8' }],
    problemCount: 1,
  })
  await expect(read(path)).rejects.toThrow('line 2: expected UTF-8')
})

test('a line that goes on and on is a problem, and those after it are read', async () => {
  const path = await fileOf(`${line('a')}\n`, Buffer.alloc(30_000_000, 'x'), `\n${line('b')}\n`)
  expect(await checkDocumentFile(path)).toMatchObject({
    documents: 3,
    problems: [{ line: 2, message: 'expected at most 4194304 bytes' }],
  })
})

test('of a line that goes on and on nothing is kept: a file without line ends is not read into memory', async () => {
  const path = await fileOf(line('a'))
  await truncate(path, 600_000_000)
  const bytes = () => process.memoryUsage().arrayBuffers
  const before = bytes()
  let most = 0
  const watch = setInterval(() => {
    most = Math.max(most, bytes() - before)
  }, 5)
  const check = await checkDocumentFile(path).finally(() => clearInterval(watch))
  expect(check.problemCount).toBe(1)
  expect(most).toBeLessThan(300_000_000)
})

test.each([
  ['half an object', '{"documentId": "a"', /expected a JSON object/],
  ['a number', '1', /expected a JSON object/],
  ['null', 'null', /expected a JSON object/],
  ['no text', '{"documentId": "a"}', /^text: expected text$/],
  ['a number for an id', '{"documentId": 1, "text": "t"}', /^documentId: expected text$/],
  ['an escaped NUL', '{"documentId": "a", "text": "\\u0000"}', /^text: expected text without control/],
  ['half a surrogate pair', '{"documentId": "a", "text": "\\ud800"}', /^text: expected text without control/],
  ['two objects', `${line('a')} ${line('b')}`, /expected a JSON object/],
])('%s is told with its line', async (_what, bad, message) => {
  const { problems } = await checkDocumentFile(await fileOf(`${line('good')}\n${bad}\n`))
  expect(problems).toEqual([{ line: 2, message: expect.stringMatching(message) }])
})

test('of many problems the first are told and all are counted', async () => {
  const check = await checkDocumentFile(await fileOf('x\n'.repeat(1000)))
  expect(check).toMatchObject({ documents: 1000, problemCount: 1000 })
  expect(check.problems).toHaveLength(20)
})

test('a file that cannot be read is an error', async () => {
  await expect(checkDocumentFile('/nowhere/documents.jsonl')).rejects.toThrow('ENOENT')
  await expect(checkDocumentFile(tmpdir())).rejects.toThrow('EISDIR')
})
