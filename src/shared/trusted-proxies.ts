import { BlockList, isIP } from 'node:net'

/** Whether the proxy that has this address is one of ours; `hop` is 1 for the one that has connected to us. */
export type TrustsProxy = (address: string, hop: number) => boolean

export const TRUSTED_PROXIES_EXPECTED =
  'expected addresses and networks such as 10.0.0.0/8, or loopback, linklocal or uniquelocal, several with commas; or how many proxies there are, 1 to 9'

/** The names that Express gives them. */
const NAMED: Record<string, readonly string[]> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}
const BITS = { ipv4: 32, ipv6: 128 } as const

/**
 * What the setting says; undefined where that is not what it may say. All addresses there are, as /0, is refused: then everybody
 * could name any client.
 */
export function readTrustedProxies(setting: string): TrustsProxy | undefined {
  if (/^[1-9]$/.test(setting)) return (_address, hop) => hop <= Number(setting)
  const networks = new BlockList()
  for (const part of setting.split(',').map(one => one.trim())) {
    for (const network of Object.hasOwn(NAMED, part) ? (NAMED[part] ?? []) : [part]) {
      const [, address = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(network) ?? []
      const family = familyOf(address)
      if (!family) return undefined
      const bits = prefix === undefined ? BITS[family] : Number(prefix)
      if (bits < 1 || bits > BITS[family]) return undefined
      networks.addSubnet(address, bits, family)
    }
  }
  return seen => {
    // Of a link-local address the zone names an interface of this machine.
    const [address = ''] = seen.split('%')
    const family = familyOf(address)
    return family !== undefined && networks.check(address, family)
  }
}

function familyOf(address: string): keyof typeof BITS | undefined {
  // Addresses of IPv4 in the clothes of IPv6 are compared as what they are, and zones not at all.
  if (/%|^::ffff:/i.test(address)) return undefined
  const version = isIP(address)
  return version === 0 ? undefined : version === 6 ? 'ipv6' : 'ipv4'
}
