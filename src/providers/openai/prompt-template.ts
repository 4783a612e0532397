import { readFileSync } from 'node:fs'

export interface Prompt {
  system: string
  user: string
}

type Values<Placeholder extends string> = Record<Placeholder, string>

/** A message with gaps, all of which are known and filled. */
export class MessageTemplate<Placeholder extends string> {
  readonly #text: string

  /** @throws Error where the text lacks a placeholder, or has one that nobody fills */
  constructor(name: string, text: string, placeholders: readonly Placeholder[]) {
    assertPlaceholders(name, text, placeholders)
    this.#text = text.trim()
  }

  fill(values: Values<Placeholder>): string {
    return fillIn(this.#text, values)
  }
}

/** What a conversation with a model begins with: two messages in one file, each under its line. */
export class PromptTemplate<Placeholder extends string> {
  /** With its version, as results name it: analysis.v1. */
  readonly name: string
  readonly #parts: Prompt

  /** @throws Error as a MessageTemplate does, and where a part is missing */
  constructor(name: string, text: string, placeholders: readonly Placeholder[]) {
    assertPlaceholders(name, text, placeholders)
    const [before, system, afterSystem] = text.split('<!-- system -->')
    const [systemText, user, afterUser] =
      afterSystem === undefined ? (system?.split('<!-- user -->') ?? []) : []
    if (before?.trim() || !systemText?.trim() || !user?.trim() || afterUser !== undefined)
      throw new Error(`prompt ${name}: expected <!-- system --> with its text, then <!-- user --> with its`)
    this.name = name
    this.#parts = { system: systemText.trim(), user: user.trim() }
  }

  fill(values: Values<Placeholder>): Prompt {
    return { system: fillIn(this.#parts.system, values), user: fillIn(this.#parts.user, values) }
  }
}

/** Reads src/providers/prompts/<name>.md; blocks, so at start only. */
export function loadPrompt<const Placeholder extends string>(
  name: string,
  placeholders: readonly Placeholder[],
): PromptTemplate<Placeholder> {
  return new PromptTemplate(name, readTemplate(name), placeholders)
}

/** As loadPrompt, for a file that is one message. */
export function loadMessage<const Placeholder extends string>(
  name: string,
  placeholders: readonly Placeholder[],
): MessageTemplate<Placeholder> {
  return new MessageTemplate(name, readTemplate(name), placeholders)
}

/**
 * A value as JSON that no text inside can get out of: the block of data around it ends with a tag, and the JSON has no
 * angle bracket.
 */
export function asData(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e')
}

const PLACEHOLDER = /\{\{([^{}]*)\}\}/g

function assertPlaceholders(name: string, text: string, placeholders: readonly string[]): void {
  const found = new Set([...text.matchAll(PLACEHOLDER)].map(([, placeholder]) => placeholder ?? ''))
  const missing = placeholders.filter(placeholder => !found.has(placeholder))
  const unknown = [...found].filter(placeholder => !placeholders.includes(placeholder))
  if (missing.length > 0) throw new Error(`prompt ${name} lacks the placeholders: ${missing.join(', ')}`)
  if (unknown.length > 0) throw new Error(`prompt ${name} has unknown placeholders: ${unknown.join(', ')}`)
}

/** In one pass: what looks like a placeholder in a value stays what it is. */
function fillIn<Placeholder extends string>(text: string, values: Values<Placeholder>): string {
  return text.replace(PLACEHOLDER, (_, placeholder: Placeholder) => values[placeholder])
}

function readTemplate(name: string): string {
  return readFileSync(new URL(`../prompts/${name}.md`, import.meta.url), 'utf8')
}
