import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const SRC = fileURLToPath(new URL('../../src/', import.meta.url))
const GENERATED = 'database/generated'

/** From the top down. A folder may import from those below it, never from one beside it. */
const LAYERS = [
  ['workers'],
  ['http', 'streams', 'validate'],
  ['schema'],
  ['domain'],
  ['coordination'],
  ['database', 'redis', 'providers'],
  ['shared'],
]
/** The files beside the folders: who knows every part, and what only they may read. */
const TOP = [
  'main.ts',
  'run-primary.ts',
  'run-instance.ts',
  'announce.ts',
  'gateway.ts',
  'foundation.ts',
  'features.ts',
  'explain-failure.ts',
  'load-sealing-keys.ts',
  'rotate-key.ts',
  'watch-for-stop.ts',
  'import.ts',
  'ingest.ts',
  'check-consistency.ts',
  'open-database.ts',
  'validate.ts',
]
const SETTINGS = 'config.ts'

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  file => file.endsWith('.ts') && !file.startsWith(GENERATED),
)

const layerOf = (file: string) => LAYERS.findIndex(folders => folders.includes(file.split('/')[0] ?? ''))

/** Why `from` must not import `to`, both relative to src; undefined where it may. */
function objection(from: string, to: string): string | undefined {
  if (TOP.includes(from)) return undefined
  if (TOP.includes(to)) return 'only main and what it puts together know every part'
  if (to === SETTINGS) return 'settings are handed down, not looked up'
  const [fromLayer, toLayer] = [layerOf(from), layerOf(to)]
  if (toLayer === -1) return 'it belongs to no layer'
  if (from !== SETTINGS && toLayer < fromLayer) return 'it lies above'
  const [fromFolder, fromFeature] = from.split('/')
  const [toFolder, toFeature, toFile] = to.split('/')
  if (fromLayer === toLayer && fromFolder !== toFolder) return 'it lies beside'
  if (fromFolder === 'domain' && toFolder === 'domain' && toFile !== undefined && fromFeature !== toFeature)
    return 'it is another feature'
  return undefined
}

const importsOf = (file: string) =>
  [...readFileSync(join(SRC, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(
    ([, specifier]) => relative(SRC, resolve(SRC, dirname(file), specifier ?? '')),
  )

describe('the house', () => {
  test('imports run from http and streams down to shared, never up or sideways', () => {
    const wrong = files.flatMap(file =>
      importsOf(file).flatMap(imported => {
        const why = objection(file, imported)
        return why ? [`${file} imports ${imported}: ${why}`] : []
      }),
    )
    expect(wrong).toEqual([])
  })

  test('every file belongs to a layer', () => {
    expect(files.filter(file => layerOf(file) === -1 && ![...TOP, SETTINGS].includes(file))).toEqual([])
  })

  test('only config reads process.env', () => {
    const readers = files.filter(file =>
      /process\s*(\.\s*env\b|\[\s*['"`]env)|from 'node:process'/.test(readFileSync(join(SRC, file), 'utf8')),
    )
    expect(readers).toEqual([SETTINGS])
  })

  test('prepared statements stand in database, each with a name of its own and every parameter cast', () => {
    const statements = files.flatMap(file =>
      [
        ...readFileSync(join(SRC, file), 'utf8').matchAll(
          /name: '([^']+)',\s*text:\s*(`[^`]*`|'[^']*(?:\\'[^']*)*')/g,
        ),
      ].map(([, name = '', text = '']) => ({ file, name, text })),
    )
    expect(statements.length).toBeGreaterThan(30)
    expect(statements.filter(({ file }) => !file.startsWith('database/'))).toEqual([])
    expect(statements.map(({ name }) => name).filter((name, i, all) => all.indexOf(name) !== i)).toEqual([])
    expect(statements.filter(({ text }) => /\$\d+(?!\d|::)/.test(text)).map(({ name }) => name)).toEqual([])
  })

  test('files have kebab-case names that say what is in them', () => {
    const vague = /(^|-)(utils?|helpers?|manager|service|common|misc|index)\.ts$/
    const named = readdirSync(fileURLToPath(new URL('../', import.meta.url)), {
      recursive: true,
      encoding: 'utf8',
    }).filter(file => file.endsWith('.ts'))
    for (const file of [...files, ...named]) {
      expect(file.split('/').at(-1)).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/)
      expect(file).not.toMatch(vague)
    }
  })
})

describe('the check of the imports', () => {
  test.each([
    ['coordination/run-once.ts', 'http/health.ts', 'it lies above'],
    ['database/users.ts', 'redis/client.ts', 'it lies beside'],
    ['domain/analyses/request-analysis.ts', 'domain/users/resolve-user.ts', 'it is another feature'],
    ['shared/logger.ts', 'config.ts', 'settings are handed down, not looked up'],
    ['schema/user.ts', 'gateway.ts', 'only main and what it puts together know every part'],
  ])('objects when %s imports %s', (from, to, why) => {
    expect(objection(from, to)).toBe(why)
  })

  test.each([
    ['http/health.ts', 'shared/logger.ts'],
    ['domain/data-points/record-data-points.ts', 'domain/field-issues.ts'],
    ['domain/analyses/request-analysis.ts', 'domain/analyses/decide-analysis.ts'],
    ['gateway.ts', 'database/client.ts'],
  ])('lets %s import %s', (from, to) => {
    expect(objection(from, to)).toBeUndefined()
  })
})
