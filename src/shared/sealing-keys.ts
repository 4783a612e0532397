import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

/** What was sealed can be opened again only with the key of this id, and only as what it was sealed as. */
export interface Sealed {
  keyId: string
  text: string
}

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
/** What GCM is made for (NIST SP 800-38D, 8.2.2); random, so a key serves some 2^32 texts. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

interface Key {
  id: string
  bytes: Buffer
}

export class UnknownKeyError extends Error {
  override readonly name = 'UnknownKeyError'
}

/**
 * Seals secrets that have to be stored, with AES-256-GCM. The first key seals; all of them open, so that a new key can be
 * put in front while the old one is still needed. Never logs, and throws nothing that contains a secret.
 */
export class SealingKeys {
  readonly #load: () => Promise<readonly string[]>
  #keys: readonly Key[]

  /** @param load gives the keys again, when one is asked for that was not there at the start. Each 32 bytes as base64. */
  static async load(load: () => Promise<readonly string[]>): Promise<SealingKeys> {
    return new SealingKeys(load, await load())
  }

  private constructor(load: () => Promise<readonly string[]>, texts: readonly string[]) {
    this.#load = load
    this.#keys = texts.map(parseKey)
    if (this.#keys.length === 0) throw new Error('there is no key to seal with')
  }

  /** Of the key that seals. */
  get keyId(): string {
    return this.#keys[0]?.id ?? ''
  }

  /** @param as what it is and whose: it opens as that alone, so that a stored text cannot be put in another's place. */
  seal(secret: string, as: string): Sealed {
    const [key] = this.#keys
    if (!key) throw new Error('there is no key to seal with')
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(ALGORITHM, key.bytes, nonce).setAAD(Buffer.from(as))
    const body = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
    return { keyId: key.id, text: Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url') }
  }

  /**
   * @throws UnknownKeyError when the key is not there
   * @throws Error when the text was changed or sealed as something else
   */
  async open(sealed: Sealed, as: string): Promise<string> {
    const key = this.#find(sealed.keyId) ?? (await this.#findAnew(sealed.keyId))
    if (!key) throw new UnknownKeyError(`it was sealed with the key ${sealed.keyId}, which is not there`)
    const bytes = Buffer.from(sealed.text, 'base64url')
    const decipher = createDecipheriv(ALGORITHM, key.bytes, bytes.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(as))
      .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    return (
      decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    )
  }

  #find(id: string): Key | undefined {
    return this.#keys.find(key => key.id === id)
  }

  async #findAnew(id: string): Promise<Key | undefined> {
    this.#keys = (await this.#load()).map(parseKey)
    return this.#find(id)
  }
}

/** 32 bytes as base64 or base64url. */
export function isKey(text: string): boolean {
  return /^[\w+/-]+={0,2}$/.test(text) && Buffer.from(text, 'base64').length === KEY_BYTES
}

function parseKey(text: string): Key {
  if (!isKey(text)) throw new Error('a key is not 32 bytes as base64')
  const bytes = Buffer.from(text, 'base64')
  // Names the key and tells nothing of it.
  const id = createHash('sha256').update('tributary key id').update(bytes).digest('hex').slice(0, 16)
  return { id, bytes }
}
