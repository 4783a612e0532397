import type { z } from 'zod'
import { longText, plainText } from '../field-issues.ts'

/** Several times the longest prompt that a model writes. */
export const MAX_PROMPT_LENGTH = 200_000

/** What a prompt that is delivered must be, whichever way it comes. */
export const deliveryForm = {
  prompt: longText({ min: 1, max: MAX_PROMPT_LENGTH }).refine(
    text => text.trim() !== '',
    'expected more than white space',
  ),
  source: plainText({ min: 1, max: 64 }),
  messageId: plainText({ min: 1, max: 128 }),
} satisfies Record<string, z.ZodType>
