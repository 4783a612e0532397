import { Lexer, Source, TokenKind } from 'graphql'
import { tooComplex } from './refused.ts'

/** Brackets of each kind that may be open at once. Any query in use stays far below; the parser's stack holds many times this. */
export const MAX_NESTING = 100

const OPENING: readonly string[] = [TokenKind.BRACE_L, TokenKind.PAREN_L, TokenKind.BRACKET_L]
const CLOSING: readonly string[] = [TokenKind.BRACE_R, TokenKind.PAREN_R, TokenKind.BRACKET_R]

/**
 * Looks at a document before it is parsed, in time and memory that grow with its allowed size alone: the parser calls itself for
 * each level of nesting, and a document nested deeply enough would overflow the stack.
 * @throws Refused; GraphQLError where it cannot even be split into tokens
 */
export function checkTokens(text: string, maxTokens: number): void {
  const lexer = new Lexer(new Source(text))
  let nesting = 0
  for (let tokens = 0; ; tokens++) {
    const { kind } = lexer.advance()
    if (kind === TokenKind.EOF) return
    if (tokens >= maxTokens)
      throw tooComplex(`The document has more than ${maxTokens} tokens.`, { limit: maxTokens })
    if (OPENING.includes(kind) && ++nesting > MAX_NESTING)
      throw tooComplex(`The document is nested more than ${MAX_NESTING} brackets deep.`, {
        limit: MAX_NESTING,
      })
    if (CLOSING.includes(kind)) nesting--
  }
}
