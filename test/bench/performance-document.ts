import { readFile, writeFile } from 'node:fs/promises'

/*
 * docs/performance.md is prose that people write, and between two marks each, what was measured: a run replaces what is
 * between its own, and nothing else.
 */
type Section = 'peers' | 'workers' | 'growth' | 'soak'

const begin = (section: Section) => `<!-- measured: ${section} -->`
const end = (section: Section) => `<!-- end of ${section} -->`

/** Of a document that is not there yet. */
const performanceDocument = `# Performance

${(['peers', 'workers', 'growth', 'soak'] as const).map(section => `${begin(section)}\n${end(section)}`).join('\n\n')}
`

/** @throws Error where the document has lost the marks of the section. */
function replaceSection(document: string, section: Section, text: string): string {
  const [from, to] = [document.indexOf(begin(section)), document.indexOf(end(section))]
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no marks of ${section}`)
  return `${document.slice(0, from)}${begin(section)}\n\n${text}\n\n${document.slice(to)}`
}

const DOCS = new URL('../../docs/', import.meta.url)

/** Puts what was measured between the marks of its section, in `performance.md` of the folder. @throws Error where they are lost */
export async function writeSection(section: Section, text: string, docs = DOCS): Promise<void> {
  const file = new URL('performance.md', docs)
  const document = await readFile(file, 'utf8').catch(() => performanceDocument)
  await writeFile(file, replaceSection(document, section, text))
}
