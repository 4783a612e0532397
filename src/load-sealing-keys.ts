import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from './config.ts'
import { keptSecret } from './http/kept-secret.ts'
import { SealingKeys } from './shared/sealing-keys.ts'

const FILE = 'encryption-key'

/** Those of ENCRYPTION_KEY, or those that are kept in DATA_DIR: one a line, the newest first. */
export function loadSealingKeys(config: Pick<Config, 'encryptionKeys' | 'dataDir'>): Promise<SealingKeys> {
  const { encryptionKeys, dataDir } = config
  return SealingKeys.load(
    async () => encryptionKeys ?? (await keptSecret(dataDir, FILE)).split('\n').filter(line => line !== ''),
  )
}

/** Puts a new key in front of those that are kept; a gateway at work reads the file again when it meets the new one. */
export async function addKeptKey(dataDir: string): Promise<void> {
  await keptSecret(dataDir, FILE)
  const file = join(dataDir, FILE)
  const draft = `${file}.${process.pid}`
  const keys = `${randomBytes(32).toString('base64url')}\n${await readFile(file, 'utf8')}`
  await writeFile(draft, keys, { mode: 0o600 })
  await rename(draft, file)
}
