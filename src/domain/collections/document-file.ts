import { createReadStream } from 'node:fs'
import { fieldIssues } from '../field-issues.ts'
import { DocumentForm } from './document-form.ts'

/** What is wrong with a line, counted from 1. */
export interface LineProblem {
  line: number
  message: string
}

export interface DocumentFileCheck {
  documents: number
  /** The first of them. */
  problems: LineProblem[]
  problemCount: number
}

/** Beyond this a list of what is wrong helps nobody. */
const MAX_PROBLEMS = 20

/** Reads all of a file of JSON lines, each a document as `ingestDocuments` takes it, and keeps none of it. */
export async function checkDocumentFile(path: string): Promise<DocumentFileCheck> {
  const check: DocumentFileCheck = { documents: 0, problems: [], problemCount: 0 }
  const lineById = new Map<string, number>()
  const tell = (problem: LineProblem) => {
    check.problemCount++
    if (check.problems.length < MAX_PROBLEMS) check.problems.push(problem)
  }
  for await (const { line, parsed } of readLines(path)) {
    check.documents++
    if (typeof parsed === 'string') {
      tell({ line, message: parsed })
      continue
    }
    const before = lineById.get(parsed.documentId)
    if (before === undefined) lineById.set(parsed.documentId, line)
    else tell({ line, message: `documentId: expected each once; line ${before} has it too` })
  }
  return check
}

/** The documents of a file that was checked. @throws Error at a line that does not fit: the file has changed since. */
export async function* readDocumentFile(path: string): AsyncGenerator<DocumentForm> {
  for await (const { line, parsed } of readLines(path)) {
    if (typeof parsed === 'string') throw new Error(`line ${line}: ${parsed}`)
    yield parsed
  }
}

/** Longer than any document can be, however it is escaped: a file without line ends must not be read into memory. */
const MAX_LINE_BYTES = 4_194_304
const LINE_FEED = 0x0a

/** The document of each line that is not empty, or what is wrong with it. */
async function* readLines(path: string): AsyncGenerator<{ line: number; parsed: DocumentForm | string }> {
  let line = 0
  for await (const bytes of splitLines(createReadStream(path))) {
    line++
    if (bytes === undefined) yield { line, parsed: `expected at most ${MAX_LINE_BYTES} bytes` }
    else {
      const json = decode(bytes)
      if (json === undefined) yield { line, parsed: 'expected UTF-8' }
      else if (json.trim() !== '') yield { line, parsed: parseLine(json) }
    }
  }
}

/**
 * By line feeds alone: readline takes U+2028 and U+2029 for line ends too, which JSON has within its strings.
 * @returns undefined for a line that is too long, of which nothing is kept
 */
async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer | undefined> {
  let parts: Buffer[] = []
  let length = 0
  const take = (part: Buffer) => {
    length += part.length
    if (length <= MAX_LINE_BYTES) parts.push(part)
    else parts = []
  }
  const end = () => {
    const line = length > MAX_LINE_BYTES ? undefined : Buffer.concat(parts)
    parts = []
    length = 0
    return line
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
      take(chunk.subarray(from, at))
      yield end()
      from = at + 1
    }
    take(chunk.subarray(from))
  }
  if (length > 0) yield end()
}

/** Without a byte order mark; undefined where it is no UTF-8, which would else be stored with its faults. */
function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function parseLine(json: string): DocumentForm | string {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return 'expected a JSON object'
  }
  const form = DocumentForm.safeParse(value)
  if (form.success) return form.data
  return fieldIssues(form.error)
    .map(({ path, message }) =>
      path.length > 0 ? `${path.join('.')}: ${message}` : 'expected a JSON object',
    )
    .join('; ')
}
