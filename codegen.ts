import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/**
 * Everything that is generated, in one place:
 * - `node codegen.ts --client`: Prisma's client in src/database/generated, which git ignores; part of `npm ci`.
 * - `node codegen.ts`: that, and schema.graphql, the gateway's schema as others read it.
 * - `node codegen.ts --check`: fails when schema.graphql is not what the source says.
 */
const SCHEMA_FILE = new URL('schema.graphql', import.meta.url)
const CLIENT = new URL('src/database/generated/client.ts', import.meta.url)

const [mode] = process.argv.slice(2)
if (mode !== '--check') generateClient()
if (mode !== '--client') await generateSchema(mode === '--check')

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

async function generateSchema(check: boolean): Promise<void> {
  const { printGatewaySchema } = await import('./src/schema/schema.ts')
  const printed = printGatewaySchema()
  if (!check) return writeFile(SCHEMA_FILE, printed)
  const committed = await readFile(SCHEMA_FILE, 'utf8').catch(() => '')
  if (committed === printed) return
  console.error('schema.graphql is not what src/schema says: run `npm run generate` and commit the result.')
  process.exit(1)
}
