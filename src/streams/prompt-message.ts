import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import type { Delivery } from '../domain/interviews/deliver-prompts.ts'
import { deliveryForm } from '../domain/interviews/delivery-form.ts'
import { MAX_REASON_LENGTH } from '../domain/interviews/fail-interview.ts'
import { parseForeignId } from '../schema/global-id.ts'

/** Of a whole message: the longest prompt, escaped, with what goes along. */
export const MAX_PAYLOAD_BYTES = 2 * 1024 * 1024

/** What an owner reads where the sender gave no reason, or an unreadable one. */
const NO_REASON = 'The enhancer could not make a prompt.'

const addressed = {
  messageId: deliveryForm.messageId,
  interviewId: z
    .string('expected the id of an interview')
    .transform(text => parseForeignId('Interview', text))
    .refine(id => id !== undefined, 'expected the id of an interview'),
}

const Message = z.discriminatedUnion('status', [
  z.object({
    ...addressed,
    status: z.literal('success'),
    prompt: deliveryForm.prompt,
    source: deliveryForm.source.nullish(),
  }),
  z.object({
    ...addressed,
    status: z.literal('error'),
    error: z.string().nullish(),
  }),
])

export type ReadMessage = { type: 'fits'; delivery: Delivery } | { type: 'unfit'; reason: string }

/** A message as the contract has it, or why it is none. */
export function readPromptMessage(payload: Buffer | undefined): ReadMessage {
  if (payload === undefined) return unfit('expected a field payload')
  if (payload.length > MAX_PAYLOAD_BYTES) return unfit(`expected ${MAX_PAYLOAD_BYTES} bytes at most`)
  if (!isUtf8(payload)) return unfit('expected UTF-8')
  let json: unknown
  try {
    json = JSON.parse(payload.toString())
  } catch {
    return unfit('expected JSON')
  }
  const parsed = Message.safeParse(json)
  if (!parsed.success)
    return unfit(
      parsed.error.issues
        .map(issue => (issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message))
        .join('; '),
    )
  const { messageId, interviewId = '' } = parsed.data
  if (parsed.data.status === 'success') {
    const { prompt: text, source } = parsed.data
    return {
      type: 'fits',
      delivery: { type: 'prompt', interviewId, messageId, text, source: source ?? 'rag' },
    }
  }
  return {
    type: 'fits',
    delivery: { type: 'failure', interviewId, messageId, reason: readable(parsed.data.error) },
  }
}

function unfit(reason: string): ReadMessage {
  return { type: 'unfit', reason: reason.slice(0, MAX_REASON_LENGTH) }
}

const UNREADABLE = /[\p{Cc}\p{Cs}]+/gu

function readable(error: string | null | undefined): string {
  const text = (error ?? '')
    .slice(0, 10 * MAX_REASON_LENGTH)
    .replace(UNREADABLE, ' ')
    .trim()
  return text === '' ? NO_REASON : [...text].slice(0, MAX_REASON_LENGTH).join('')
}
