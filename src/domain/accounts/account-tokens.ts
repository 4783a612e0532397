import type { SealedTokens } from '../../database/accounts.ts'
import type { StatsProvider } from '../../database/stats.ts'
import type { SealingKeys } from '../../shared/sealing-keys.ts'

export interface AccountTokens {
  accessToken: string
  refreshToken: string
}

interface Owner {
  userId: string
  provider: StatsProvider
}

/** Opens as this user's token of this provider alone. */
const purpose = ({ userId, provider }: Owner, token: string) => `${token} of ${provider} of ${userId}`

export function sealTokens(keys: SealingKeys, owner: Owner, tokens: AccountTokens): SealedTokens {
  const access = keys.seal(tokens.accessToken, purpose(owner, 'access token'))
  const refresh = keys.seal(tokens.refreshToken, purpose(owner, 'refresh token'))
  return { accessToken: access.text, refreshToken: refresh.text, keyId: access.keyId }
}

export async function openTokens(
  keys: SealingKeys,
  owner: Owner,
  sealed: SealedTokens,
): Promise<AccountTokens> {
  const { keyId } = sealed
  return {
    accessToken: await keys.open({ keyId, text: sealed.accessToken }, purpose(owner, 'access token')),
    refreshToken: await keys.open({ keyId, text: sealed.refreshToken }, purpose(owner, 'refresh token')),
  }
}
