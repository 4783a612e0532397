import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * `npm run bench`: every benchmark after the other, each in a process of its own and starting what it needs itself. `npm run
 * bench -- plans interviews` runs those alone; what stands behind `--` goes to each.
 */
const PARTS = [
  'start',
  'coordination',
  'plans',
  'interviews',
  'conversations',
  'facts',
  'search',
  'upsert',
  'reads',
  'peers',
  'workers',
  'growth',
  'soak',
]

const separator = process.argv.indexOf('--', 2)
const names = process.argv.slice(2, separator < 0 ? undefined : separator)
const passedOn = separator < 0 ? [] : process.argv.slice(separator + 1)
const unknown = names.filter(name => !PARTS.includes(name))
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}; there are ${PARTS.join(', ')}.`)
  process.exit(2)
}
const failed: string[] = []
for (const name of names.length > 0 ? names : PARTS) {
  console.log(`\n${name}`)
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url))
  const { status } = spawnSync(process.execPath, ['--expose-gc', file, ...passedOn], { stdio: 'inherit' })
  if (status !== 0) failed.push(name)
}
if (failed.length > 0) {
  console.error(`\nThese did not end well: ${failed.join(', ')}.`)
  process.exit(1)
}
