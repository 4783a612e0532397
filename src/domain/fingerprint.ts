import { createHash } from 'node:crypto'

/** SHA-256 of an operation and its input; the order of the input's fields does not matter. */
export function fingerprintOf(
  operation: string,
  input: Record<string, string | number | boolean | null>,
): string {
  const fields = Object.entries(input).sort(([one], [other]) => (one < other ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify([operation, fields]))
    .digest('hex')
}
