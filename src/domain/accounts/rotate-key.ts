import {
  countAccountsSealedOtherwise,
  lockAccountsSealedOtherwise,
  resealAccount,
} from '../../database/accounts.ts'
import type { DatabaseClient } from '../../database/client.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { SealingKeys } from '../../shared/sealing-keys.ts'
import { openTokens, sealTokens } from './account-tokens.ts'

/** Rows locked at a time: a sync waits for milliseconds. */
const BATCH = 100

/**
 * Seals every account's tokens with the newest key, beside gateways at work. Can be broken off and run again.
 * @returns how many were sealed anew; `left` are those that somebody sealed with an older key meanwhile: run it again.
 */
export async function rotateKey(options: {
  db: DatabaseClient
  transaction: RunTransaction
  keys: SealingKeys
}): Promise<{ resealed: number; left: number }> {
  const { db, transaction, keys } = options
  let resealed = 0
  for (;;) {
    const batch = await transaction('rotate-key', async transaction => {
      const accounts = await lockAccountsSealedOtherwise(transaction, keys.keyId, BATCH)
      for (const account of accounts) {
        const tokens = await openTokens(keys, account, account)
        await resealAccount(transaction, { ...account, ...sealTokens(keys, account, tokens) })
      }
      return accounts.length
    })
    resealed += batch
    if (batch === 0) return { resealed, left: await countAccountsSealedOtherwise(db, keys.keyId) }
  }
}
