import { readFile } from 'node:fs/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
// The wasm bindings are loaded by hand: their own entry imports the .wasm as a module, which Node does not do yet.
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg'

export const SCHEMA_FILE = new URL('schema.prisma', import.meta.url)

let loaded: Promise<void> | undefined
async function loadEngine(): Promise<void> {
  const file = new URL('schema_engine_bg.wasm', import.meta.resolve('@prisma/schema-engine-wasm'))
  const { instance } = await WebAssembly.instantiate(await readFile(file), {
    './schema_engine_bg.js': bindings as unknown as WebAssembly.ModuleImports,
  })
  bindings.__wbg_set_wasm(instance.exports)
  ;(instance.exports.__wbindgen_start as () => void)()
}

/**
 * The SQL that leads from one content of schema.prisma (undefined: an empty database) to another. The database
 * at `url` is only asked for its version: the dialect depends on it.
 * Prisma's schema engine from the npm registry, as WebAssembly: the command line would download a binary.
 */
export async function schemaScript(url: string, from: string | undefined, to: string): Promise<string> {
  loaded ??= loadEngine()
  await loaded
  const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg({ connectionString: url }))
  const engine = await bindings.SchemaEngine.new({ datamodels: [['schema.prisma', to]] }, () => {}, adapter)
  try {
    const { stdout } = await engine.diff({
      from:
        from === undefined
          ? { tag: 'empty' }
          : { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content: from }] },
      to: { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content: to }] },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    })
    return `${(stdout ?? '').replace(/^-- This is an empty migration\.$/m, '').trim()}\n`
  } finally {
    engine.free()
  }
}
