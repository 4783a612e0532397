import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { ingestDocuments, searchCollection, type TestDocument } from '../support/collection-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { createScene } from '../support/process-scene.ts'
import { TEST_SECRET } from '../support/test-gateway.ts'

const COMMAND = fileURLToPath(new URL('../../src/ingest.ts', import.meta.url))
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))

const documents = (count: number, version: number): TestDocument[] =>
  Array.from({ length: count }, (_, index) => ({
    documentId: `document ${index}`,
    text: `Document ${index} about recovery`,
    metadata: { version },
  }))

test('an instance that is killed in the middle of an ingestion leaves nothing of it, and the collection free', async () => {
  const scene = await createScene()
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  await ingestDocuments(a.url, 'recovery', documents(300, 1))
  // Half of the documents are written when it comes to this one.
  const held = await holdLock(
    scene.database.url,
    "SELECT 1 FROM documents WHERE document_id = 'document 150' FOR UPDATE",
  )
  const ingestion = ingestDocuments(a.url, 'recovery', documents(300, 2)).catch(() => 'cut off')
  await held.waitedFor()
  await a.kill()
  expect(await ingestion).toBe('cut off')
  await held.release()

  expect(await ingestDocuments(b.url, 'recovery', documents(1, 3))).toMatchObject({
    version: 2,
    documentCount: 300,
  })
  const hits = await searchCollection(b.url, 'recovery', 'recovery', 100)
  expect(new Set(hits.map(hit => (hit.metadata as { version: number }).version))).toEqual(new Set([3, 1]))
})

/** `npm run ingest`, against a database that gateways use meanwhile. */
async function runCommand(databaseUrl: string, lines: readonly string[], ...options: string[]) {
  return (await startCommand(databaseUrl, lines, ...options)).ended
}

async function startCommand(databaseUrl: string, lines: readonly string[], ...options: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'tributary-ingest-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'documents.jsonl')
  await writeFile(file, lines.join('\n'))
  const env = { ...process.env, DATABASE_URL: databaseUrl, JWT_SECRET: TEST_SECRET }
  const { promise: ended, resolve } = Promise.withResolvers<{ code: number | null; output: string }>()
  const child = execFile(NODE, [COMMAND, file, ...options], { env }, (_error, stdout, stderr) =>
    resolve({ code: child.exitCode, output: `${stdout}${stderr}` }),
  )
  return { child, ended }
}

test('npm run ingest puts a file into a collection whole: searches go on meanwhile, and see all of it or nothing', async () => {
  const scene = await createScene()
  const gateway = await scene.start('a')
  await ingestDocuments(gateway.url, 'recovery', documents(100, 1))
  let running = true
  const seen = (async () => {
    const versions = new Set<unknown>()
    while (running) {
      const hits = await searchCollection(gateway.url, 'recovery', 'recovery', 100)
      const ofHits = new Set(hits.map(hit => (hit.metadata as { version: number }).version))
      expect([ofHits.size, hits.length]).toEqual([1, 100])
      for (const version of ofHits) versions.add(version)
    }
    return versions
  })()
  const lines = documents(3000, 2).map(document => JSON.stringify(document))
  // As files are: a byte order mark, an empty line, Windows' line ends, none at the end.
  const { code, output } = await runCommand(
    scene.database.url,
    [`\ufeff${lines[0]}\r`, '', ...lines.slice(1)],
    '--collection',
    'recovery',
    '--replace',
  )
  expect(output).toContain('3000 documents in')
  expect(output).toContain('version 2 of "recovery" has 3000')
  expect(output).toMatch(/100 %, 3000 of 3000 documents/)
  expect(code).toBe(0)
  const after = await searchCollection(gateway.url, 'recovery', 'recovery', 100)
  expect(new Set(after.map(hit => (hit.metadata as { version: number }).version))).toEqual(new Set([2]))
  running = false
  expect(await seen).toContain(1)
})

test('npm run ingest that is interrupted takes back what it has written, and says so', async () => {
  const scene = await createScene({ settings: { LOCK_TIMEOUT_MS: '20000' } })
  const gateway = await scene.start('a')
  await ingestDocuments(gateway.url, 'recovery', documents(200, 1))
  const held = await holdLock(
    scene.database.url,
    "SELECT 1 FROM documents WHERE document_id = 'document 150' FOR UPDATE",
  )
  const lines = documents(200, 2).map(document => JSON.stringify(document))
  const command = await startCommand(scene.database.url, lines, '--collection', 'recovery')
  await held.waitedFor()
  command.child.kill('SIGINT')
  await held.release()
  const { code, output } = await command.ended
  expect(output).toContain('Interrupted: nothing was ingested, and "recovery" is what it was.')
  expect(code).toBe(130)
  const hits = await searchCollection(gateway.url, 'recovery', 'recovery', 100)
  expect(new Set(hits.map(hit => (hit.metadata as { version: number }).version))).toEqual(new Set([1]))
  expect(await ingestDocuments(gateway.url, 'recovery', documents(1, 3))).toMatchObject({ version: 2 })
})

test('npm run ingest takes nothing of a file with lines that do not fit, and names them', async () => {
  const scene = await createScene()
  const gateway = await scene.start('a')
  const lines = [
    ...documents(3, 1).map(document => JSON.stringify(document)),
    'no JSON',
    '{"documentId": "document 1", "text": "the same again"}',
    '{"documentId": "empty", "text": ""}',
    '[1]',
  ]
  const { code, output } = await runCommand(scene.database.url, lines, '--collection', 'recovery')
  expect(code).toBe(1)
  expect(output).toMatch(/:4: expected a JSON object/)
  expect(output).toMatch(/:5: documentId: expected each once; line 2 has it too/)
  expect(output).toMatch(/:6: text: expected 1 to 100000 characters/)
  expect(output).toMatch(/:7: expected a JSON object/)
  expect(output).toContain('Nothing was ingested: 4 of 7 lines do not fit.')
  expect(await searchCollection(gateway.url, 'recovery', 'recovery')).toEqual([])

  const misused = await runCommand(scene.database.url, lines)
  expect(misused.code).toBe(2)
  expect(misused.output).toContain('Give the --collection that the documents belong to.')
})
