import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { OWN_ISSUER } from '../database/users.ts'
import type { SignAccessToken } from '../domain/sign-in/parts.ts'
import type { Principal } from '../domain/users/resolve-user.ts'
import { countCharacters } from '../shared/characters.ts'
import { assertOutsideTransaction } from '../shared/transaction-scope.ts'

/** Why a token is refused, in words for whoever sent it. */
export class TokenError extends Error {
  override readonly name = 'TokenError'
}

export interface TokenOptions {
  /** HS256 */
  secret: string | undefined
  jwksUrl: string | undefined
  issuer: string | undefined
  audience: string | undefined
}

const atMost = (most: number) => (text: string) => countCharacters(text, most) <= most

const Claims = z.object({
  sub: z
    .string('the claim sub is missing')
    .min(1, 'the claim sub is empty')
    .refine(atMost(128), 'the claim sub has more than 128 characters'),
  email: z
    .string('the claim email is missing')
    .min(3, 'the claim email is not an address')
    .refine(atMost(320), 'the claim email has more than 320 characters'),
  roles: z.array(z.string(), 'the claim roles is not a list').default([]),
  /** Of tokens that were signed here, for a session. */
  sid: z.uuid().optional(),
  iss: z.string().refine(atMost(512), 'the claim iss has more than 512 characters').default(''),
})

const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
/** An address of the identity provider that does not answer must not hold every request. */
const JWKS_TIMEOUT_MS = 5000

/** What a Date can hold. */
const LAST_INSTANT_MS = 8.64e15

/** Text that PostgreSQL cannot hold is in no honest token. */
const UNSTORABLE = /[\0\p{Cs}]/u

export interface VerifiedToken {
  principal: Principal
  expiresAt: Date
}

/** At once where it is known, as of a token that comes with every request. It throws TokenError for one that must not be trusted. */
export type VerifyToken = (token: string) => VerifiedToken | Promise<VerifiedToken>

/** @returns what turns a token into a principal. */
export function createVerifyToken(options: TokenOptions): (token: string) => Promise<VerifiedToken> {
  const checks = {
    requiredClaims: ['exp'],
    // With a secret, tokens of users who signed in here come too; of another issuer they are no better than any other.
    ...(options.issuer !== undefined && {
      issuer: options.secret === undefined ? options.issuer : [options.issuer, OWN_ISSUER],
    }),
    ...(options.audience !== undefined && { audience: options.audience }),
  }
  // Imported once: given the bytes, the library imports them for each token, which takes as long as the signature.
  let secret: Promise<CryptoKey> | undefined
  const importSecret = (text: string) =>
    crypto.subtle.importKey('raw', new TextEncoder().encode(text), { name: 'HMAC', hash: 'SHA-256' }, false, [
      'verify',
    ])
  const keys: JWTVerifyGetKey | undefined =
    options.jwksUrl === undefined
      ? undefined
      : createRemoteJWKSet(new URL(options.jwksUrl), { timeoutDuration: JWKS_TIMEOUT_MS })

  const verify = async (token: string): Promise<JWTPayload> => {
    if (keys) {
      assertOutsideTransaction('fetching keys')
      return (await jwtVerify(token, keys, { ...checks, algorithms: ASYMMETRIC })).payload
    }
    if (options.secret === undefined) throw new Error('neither a secret nor an address of keys is set')
    secret ??= importSecret(options.secret)
    return (await jwtVerify(token, await secret, { ...checks, algorithms: ['HS256'] })).payload
  }

  return async token => {
    let payload: JWTPayload
    try {
      payload = await verify(token)
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new TokenError('The token has expired: get a new one.')
      if (error instanceof errors.JWTClaimValidationFailed) throw new TokenError(whatIsWrong(error))
      if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) throw error
      throw new TokenError('The token is malformed, or signed with another key.')
    }
    const claims = Claims.safeParse(payload)
    if (!claims.success) throw new TokenError(`The token does not fit: ${claims.error.issues[0]?.message}.`)
    const { sub, email, roles, iss, sid } = claims.data
    const own = iss === OWN_ISSUER
    if (own && (keys || sid === undefined))
      throw new TokenError('The token does not fit: only a session of this gateway has this issuer.')
    if ([sub, email, iss].some(text => UNSTORABLE.test(text)))
      throw new TokenError('The token does not fit: a claim has characters that no id has.')
    return {
      principal: {
        issuer: iss,
        subject: sub,
        email,
        ...(own && sid !== undefined && { sessionId: sid }),
        roles: own ? [] : (['ADMIN', 'SERVICE'] as const).filter(role => roles.includes(role)),
      },
      // Without it the token has been refused above.
      expiresAt: new Date(Math.min((payload.exp ?? 0) * 1000, LAST_INSTANT_MS)),
    }
  }
}

/** The signature of a token that comes with every request is checked again so often: a key that is withdrawn counts no longer. */
const REMEMBERED_MS = 60_000
const MAX_REMEMBERED = 20_000
/** Of all of them; one has some hundreds. */
const MAX_CHARACTERS = 16_000_000

/**
 * Verifies a token that comes again without looking at its signature each time, for a minute and no longer than it is valid.
 * One that is refused is looked at each time. Says nothing of its session, which the database knows.
 */
export function rememberVerified(verify: VerifyToken, nowMs: () => number = Date.now): VerifyToken {
  const known = new LRUCache<string, { verified: VerifiedToken; untilMs: number }>({
    max: MAX_REMEMBERED,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_, token) => token.length,
  })
  const look = async (token: string) => {
    const verified = await verify(token)
    const untilMs = Math.min(nowMs() + REMEMBERED_MS, verified.expiresAt.getTime())
    known.set(token, { verified, untilMs })
    return verified
  }
  return token => {
    const remembered = known.get(token)
    return remembered && nowMs() < remembered.untilMs ? remembered.verified : look(token)
  }
}

function whatIsWrong({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `The token does not fit: the claim ${claim} is missing.`
  if (reason === 'invalid') return `The token does not fit: the claim ${claim} is not of its type.`
  if (claim === 'nbf') return 'The token is not valid yet: its claim nbf lies ahead.'
  return `The token is not for this gateway: its claim ${claim} does not fit.`
}

/** A stolen one is good for no longer, and a frontend need not refresh all the time. */
const ACCESS_TOKEN_LIFE_S = 900

/** Signs what `createVerifyToken` with the same options takes. */
export function createSignAccessToken(options: TokenOptions & { secret: string }): SignAccessToken {
  const secret = new TextEncoder().encode(options.secret)
  return async ({ subject, email, sessionId }) => {
    const expiresAtS = Math.floor(Date.now() / 1000) + ACCESS_TOKEN_LIFE_S
    const token = new SignJWT({ email, sid: sessionId })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(OWN_ISSUER)
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime(expiresAtS)
    if (options.audience !== undefined) token.setAudience(options.audience)
    return { accessToken: await token.sign(secret), expiresAt: new Date(expiresAtS * 1000) }
  }
}

/** The user of the development token, and of the demo data. */
export const DEMO_USER = { subject: 'demo', email: 'demo@tributary.example' } as const

/** A token for trying things out. Outside production only: it is printed, and filled into GraphiQL. */
export function createDevelopmentToken(options: TokenOptions & { secret: string }): Promise<string> {
  const token = new SignJWT({ email: DEMO_USER.email })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(DEMO_USER.subject)
    .setIssuedAt()
    .setExpirationTime('30d')
  if (options.issuer !== undefined) token.setIssuer(options.issuer)
  if (options.audience !== undefined) token.setAudience(options.audience)
  return token.sign(new TextEncoder().encode(options.secret))
}
