import type { IncomingMessage } from 'node:http'
import { isIP, SocketAddress } from 'node:net'
import type { Logger } from '../shared/logger.ts'
import type { TrustsProxy } from '../shared/trusted-proxies.ts'

export type ClientAddress = (request: IncomingMessage) => string

/**
 * Whom limits are counted for, over every transport. It is the address of the socket, unless that is a trusted proxy's: then what
 * that one has seen, which it appends to X-Forwarded-For, and so on to the last whom nobody of ours has to be believed for. What stands
 * before that one a client may have written, and counts for nothing; nor does what is no address. Of IPv6 the network, because a
 * household has 2^64.
 */
export function createClientAddress(trusts: TrustsProxy | undefined, logger: Logger): ClientAddress {
  let told = trusts !== undefined
  return request => {
    const forwarded = request.headers['x-forwarded-for']
    let address = plain(request.socket.remoteAddress ?? '')
    if (forwarded !== undefined && !told) {
      told = true
      logger.warn(
        'X-Forwarded-For is sent, and nobody is believed it: where a proxy stands before this gateway, all its clients count as one until TRUSTED_PROXIES names it',
      )
    }
    if (forwarded === undefined || !trusts) return keyOf(address)
    const seen = String(forwarded).split(',')
    for (let hop = 1; hop <= seen.length && trusts(address, hop); hop++) {
      const before = plain(withoutPort(seen.at(-hop)?.trim() ?? ''))
      if (!isIP(before)) break
      address = before
    }
    return keyOf(address)
  }
}

/** Some proxies write `203.0.113.7:5123`; taken for no address, all of their clients would be one. */
function withoutPort(address: string): string {
  return address.replace(/^\[(.+)\](:\d+)?$/, '$1').replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1')
}

/** Of IPv4 in the clothes of IPv6, `::ffff:203.0.113.7`, which can be written in hex too. */
function plain(address: string): string {
  const short = address.replace(MAPPED, '')
  if (isIP(short) !== 6 || !/:ffff:/i.test(short)) return short
  const [bare = ''] = short.split('%')
  return new SocketAddress({ address: bare, family: 'ipv6' }).address.replace(MAPPED, '')
}

const MAPPED = /^::ffff:(?=\d+\.)/i

function keyOf(address: string): string {
  return isIP(address) === 6 ? network(address) : address
}

/** The first 64 bits. */
function network(address: string): string {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const groups = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? [] : Array<string>(Math.max(0, 8 - groups.length - after.length)).fill('0')
  return `${[...groups, ...gap, ...after]
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
