import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/**
 * Everything that is generated, in one place:
 * - `node codegen.ts --client`: Prisma's client in src/database/generated, which git ignores; part of `npm ci`.
 * - `node codegen.ts`: that; schema.graphql, the gateway's schema as others read it; and the typed operations of test/clients.
 * - `node codegen.ts --check`: fails when one of the two that git keeps is not what the source says.
 */
const SCHEMA_FILE = new URL('schema.graphql', import.meta.url)
const OPERATIONS = new URL('test/clients/operations/', import.meta.url)
const TYPED_OPERATIONS = new URL('test/clients/generated/operations.ts', import.meta.url)
const CLIENT = new URL('src/database/generated/client.ts', import.meta.url)

const [mode] = process.argv.slice(2)
if (mode !== '--check') generateClient()
if (mode !== '--client') {
  const schema = await generateSchema()
  await keep(SCHEMA_FILE, schema, 'src/schema says')
  await keep(TYPED_OPERATIONS, await generateOperations(schema), 'the schema and test/clients/operations say')
}

function generateClient(): void {
  let cli: string
  try {
    cli = createRequire(import.meta.url).resolve('prisma/build/index.js')
  } catch {
    // Installed without development dependencies, as in the last stage of an image that brings the client along.
    if (existsSync(CLIENT)) return
    console.error(
      "Prisma's client is not generated, and the development dependency that generates it is missing: run npm ci.",
    )
    process.exit(1)
  }
  execFileSync(process.execPath, [cli, 'generate', '--no-hints'], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      // Generating needs no engine; any file that exists keeps the command from looking for a download.
      PRISMA_SCHEMA_ENGINE_BINARY: fileURLToPath(import.meta.url),
      CHECKPOINT_DISABLE: '1',
    },
  })
}

async function generateSchema(): Promise<string> {
  const { printGatewaySchema } = await import('./src/schema/schema.ts')
  return printGatewaySchema()
}

/**
 * Typed documents of the operations that the example clients send, by the client preset that frontends use; and which
 * types a union or an interface stands for, which a normalising cache must know.
 */
async function generateOperations(schema: string): Promise<string> {
  const [{ preset }, { codegen }, { buildASTSchema, isAbstractType, parse }] = await Promise.all([
    import('@graphql-codegen/client-preset'),
    import('@graphql-codegen/core'),
    import('graphql'),
  ])
  const schemaAst = buildASTSchema(parse(schema))
  const files = (await readdir(OPERATIONS)).filter(file => file.endsWith('.graphql')).sort()
  const documents = await Promise.all(
    files.map(async location => {
      const rawSDL = await readFile(new URL(location, OPERATIONS), 'utf8')
      return { location, rawSDL, document: parse(rawSDL, { noLocation: true }) }
    }),
  )
  const sections = await preset.buildGeneratesSection({
    baseOutputDir: './',
    schema: parse(schema),
    schemaAst,
    documents,
    config: {
      useTypeImports: true,
      enumsAsTypes: true,
      strictScalars: true,
      scalars: { DateTime: 'string', Date: 'string', JSON: 'unknown' },
    },
    presetConfig: { fragmentMasking: false },
    plugins: [],
    pluginMap: {},
  })
  const section = sections.find(({ filename }) => filename.endsWith('graphql.ts'))
  if (!section) throw new Error('the client preset gave no graphql.ts')
  const possibleTypes = Object.values(schemaAst.getTypeMap())
    .filter(type => isAbstractType(type))
    .map(type => [type.name, schemaAst.getPossibleTypes(type).map(({ name }) => name)])
  return `${await codegen(section)}
export const possibleTypes: Record<string, string[]> = ${JSON.stringify(Object.fromEntries(possibleTypes), null, 2)};
`
}

async function keep(file: URL, content: string, source: string): Promise<void> {
  if (mode !== '--check') {
    await mkdir(new URL('.', file), { recursive: true })
    return writeFile(file, content)
  }
  const committed = await readFile(file, 'utf8').catch(() => '')
  if (committed === content) return
  const name = file.href.slice(new URL('.', import.meta.url).href.length)
  console.error(`${name} is not what ${source}: run \`npm run generate\` and commit the result.`)
  process.exit(1)
}
