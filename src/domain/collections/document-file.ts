import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
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

/** The document of each line that is not empty, or what is wrong with it. */
async function* readLines(path: string): AsyncGenerator<{ line: number; parsed: DocumentForm | string }> {
  const file = createReadStream(path, 'utf8')
  // Without this an error of the file would reach nobody.
  let failure: Error | undefined
  file.on('error', error => {
    failure = error
  })
  let line = 0
  for await (const text of createInterface({ input: file, crlfDelay: Number.POSITIVE_INFINITY })) {
    line++
    const json = line === 1 ? text.replace(/^\ufeff/, '') : text
    if (json.trim() !== '') yield { line, parsed: parseLine(json) }
  }
  if (failure) throw failure
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
