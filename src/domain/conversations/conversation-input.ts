import { z } from 'zod'
import type { MessageRole } from '../../database/conversations.ts'
import type { JsonValue } from '../../shared/json.ts'
import { plainText } from '../field-issues.ts'

export const MAX_MESSAGES_PER_SAVE = 1000
export const MAX_CONTENT_CHARACTERS = 100_000
const MAX_METADATA_DEPTH = 32
const MAX_METADATA_BYTES = 65_536

/** What PostgreSQL cannot hold, and no text has: NUL, and halves of surrogate pairs. */
const UNSTORABLE = /[\0\p{Cs}]/u

export const SessionId = plainText({ min: 1, max: 128 })
export const ClientId = plainText({ min: 1, max: 128 })

const contentRange = `expected 1 to ${MAX_CONTENT_CHARACTERS} characters`
export const Content = z
  .string()
  .min(1, contentRange)
  .max(MAX_CONTENT_CHARACTERS, contentRange)
  .refine(text => !UNSTORABLE.test(text), 'expected text without NUL and without halves of surrogate pairs')

const Metadata = z.custom<JsonValue>().superRefine((metadata, context) => {
  const problem = metadataProblem(metadata)
  if (problem) context.addIssue({ code: 'custom', message: problem })
})

export interface NewMessage {
  role: MessageRole
  content: string
  clientId: string | null
}

export const SaveInput = z.object({
  sessionId: SessionId.nullable(),
  messages: z
    .array(
      z.object({
        role: z.enum(['USER', 'ASSISTANT', 'SYSTEM', 'TOOL']),
        content: Content,
        clientId: ClientId.nullable(),
      }),
    )
    .min(1, 'expected at least one message'),
  metadata: Metadata.nullable(),
})

/** What is wrong with metadata. Depth first, without a call for each level: it may be thousands deep. */
function metadataProblem(metadata: JsonValue): string | undefined {
  let level: JsonValue[] = [metadata]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_METADATA_DEPTH) return `expected at most ${MAX_METADATA_DEPTH} levels`
    const next: JsonValue[] = []
    for (const value of level) {
      if (typeof value === 'string' && UNSTORABLE.test(value))
        return 'expected text without NUL and without halves of surrogate pairs'
      if (typeof value !== 'object' || value === null) continue
      if (!Array.isArray(value) && Object.keys(value).some(key => UNSTORABLE.test(key)))
        return 'expected names without NUL and without halves of surrogate pairs'
      next.push(...Object.values(value))
    }
    level = next
  }
  return Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES
    ? `expected at most ${MAX_METADATA_BYTES} bytes`
    : undefined
}
