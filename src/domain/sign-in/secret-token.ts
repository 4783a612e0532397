import { createHash, randomBytes } from 'node:crypto'

/** As hard to guess as an AES-256 key. */
const TOKEN_BYTES = 32

/** A token for its bearer, and what is stored of it. 256 random bits need no slow hash. */
export function newSecretToken(): { token: string; tokenHash: string } {
  const token = randomBytes(TOKEN_BYTES).toString('base64url')
  return { token, tokenHash: hashToken(token) }
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
