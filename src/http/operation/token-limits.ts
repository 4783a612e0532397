import { Lexer, Source, TokenKind } from 'graphql'
import { tooComplex } from './refused.ts'

/** Brackets of each kind that may be open at once. Any query in use stays far below; the parser's stack holds many times this. */
export const MAX_NESTING = 100

const OPENING: readonly string[] = [TokenKind.BRACE_L, TokenKind.PAREN_L, TokenKind.BRACKET_L]
const CLOSING: readonly string[] = [TokenKind.BRACE_R, TokenKind.PAREN_R, TokenKind.BRACKET_R]

/** Twice what documents need, indented and with comments; what is longer belongs into variables. */
const MAX_CHARACTERS_PER_TOKEN = 64
/** A hundred errors may tell one name, and each that is near to it is looked for. */
const MAX_NAME_CHARACTERS = 200

/**
 * Looks at a document before it is parsed, in time and memory that grow with its allowed size alone: the parser calls itself for
 * each level of nesting, and a document nested deeply enough would overflow the stack.
 * @throws Refused; GraphQLError where it cannot even be split into tokens
 */
export function checkTokens(text: string, maxTokens: number): void {
  const maxCharacters = maxTokens * MAX_CHARACTERS_PER_TOKEN
  if (text.length > maxCharacters)
    throw tooComplex(
      `The document has more than ${maxCharacters} characters; send long values as variables.`,
      { limit: maxCharacters },
    )
  const lexer = new Lexer(new Source(text))
  let nesting = 0
  for (let tokens = 0; ; tokens++) {
    const { kind, value } = lexer.advance()
    if (kind === TokenKind.EOF) return
    if (tokens >= maxTokens)
      throw tooComplex(`The document has more than ${maxTokens} tokens.`, { limit: maxTokens })
    if (kind === TokenKind.NAME && value.length > MAX_NAME_CHARACTERS)
      throw tooComplex(`A name in the document has more than ${MAX_NAME_CHARACTERS} characters.`, {
        limit: MAX_NAME_CHARACTERS,
      })
    if (OPENING.includes(kind) && ++nesting > MAX_NESTING)
      throw tooComplex(`The document is nested more than ${MAX_NESTING} brackets deep.`, {
        limit: MAX_NESTING,
      })
    if (CLOSING.includes(kind)) nesting--
  }
}
