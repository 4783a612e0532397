import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const COMPILER = createRequire(import.meta.url).resolve('relay-compiler/cli.js')

let project: string

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'tributary-relay-'))
  await cp(`${ROOT}test/clients/relay`, join(project, 'src'), { recursive: true })
  await cp(`${ROOT}schema.graphql`, join(project, 'schema.graphql'))
  await mkdir(join(project, 'artifacts'))
  await writeFile(
    join(project, 'relay.config.json'),
    JSON.stringify({
      src: 'src',
      schema: 'schema.graphql',
      language: 'typescript',
      artifactDirectory: 'artifacts',
    }),
  )
})
afterEach(() => rm(project, { recursive: true, force: true }))

const compile = () => promisify(execFile)(process.execPath, [COMPILER, 'relay.config.json'], { cwd: project })

test("Relay's compiler takes our global ids, connections and node, and makes its pages refetchable", async () => {
  await compile()
  const artifacts = await readdir(join(project, 'artifacts'))
  expect(artifacts).toEqual(
    expect.arrayContaining([
      'coachingAnalysesPageQuery.graphql.ts',
      'coachingAnalysisQuery.graphql.ts',
      'coachingFactsPageQuery.graphql.ts',
      'coachingMessagesPageQuery.graphql.ts',
      'coachingOverviewQuery.graphql.ts',
    ]),
  )
})

test('a schema that Relay cannot use is refused by it: what the test above says is worth something', async () => {
  const file = join(project, 'schema.graphql')
  const schema = await readFile(file, 'utf8')
  await writeFile(file, schema.replaceAll(/^ {2}node\(.*$/gm, ''))
  await expect(compile()).rejects.toThrow(/Invalid use of @refetchable/)
})
