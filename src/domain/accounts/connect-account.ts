import { z } from 'zod'
import { type AccountRow, connectAccount as connect, findAccountsByUserIds } from '../../database/accounts.ts'
import type { DatabaseClient } from '../../database/client.ts'
import type { StatsProvider } from '../../database/stats.ts'
import type { SealingKeys } from '../../shared/sealing-keys.ts'
import { type FieldIssue, fieldIssues, plainText } from '../field-issues.ts'
import { sealTokens } from './account-tokens.ts'

export interface NewAccount {
  userId: string
  provider: StatsProvider
  athleteId: string
  accessToken: string
  refreshToken: string
  expiresAt: Date
}

export type ConnectAccountOutcome =
  | { type: 'connected'; account: AccountRow }
  | { type: 'invalid-input'; issues: FieldIssue[] }

/** Tokens of providers have some hundred characters; JWTs some thousand. */
const token = plainText({ min: 1, max: 8192 })
const EXPECTED_EXPIRY = 'expected a time between 2000 and 2200'

const Form = z.object({
  athleteId: plainText({ min: 1, max: 128 }),
  accessToken: token,
  refreshToken: token,
  expiresAt: z
    .date()
    .min(new Date('2000-01-01T00:00:00Z'), EXPECTED_EXPIRY)
    .max(new Date('2200-01-01T00:00:00Z'), EXPECTED_EXPIRY),
})

/**
 * Stores the tokens of an account, sealed, in one statement. Of several that come at once, and of one that comes late, those
 * that expire last stay: `account` is what is stored then.
 */
export async function connectAccount(
  options: { db: DatabaseClient; keys: SealingKeys },
  account: NewAccount,
): Promise<ConnectAccountOutcome> {
  const { db, keys } = options
  const form = Form.safeParse(account)
  if (!form.success) return { type: 'invalid-input', issues: fieldIssues(form.error, ['input']) }
  const stored = await connect(db, { ...account, ...sealTokens(keys, account, account) })
  if (stored) return { type: 'connected', account: stored }
  const known = (await findAccountsByUserIds(db, [account.userId])).find(
    ({ provider }) => provider === account.provider,
  )
  if (!known) throw new Error('an account is gone')
  return { type: 'connected', account: known }
}
