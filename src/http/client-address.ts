import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Where a proxy of ours may stand: this machine, and networks that the internet does not route. */
const near = new BlockList()
near.addSubnet('127.0.0.0', 8, 'ipv4')
near.addSubnet('10.0.0.0', 8, 'ipv4')
near.addSubnet('172.16.0.0', 12, 'ipv4')
near.addSubnet('192.168.0.0', 16, 'ipv4')
near.addAddress('::1', 'ipv6')
near.addSubnet('fc00::', 7, 'ipv6')

/**
 * Whom attempts are counted for. Behind a proxy nearby it is the last address of X-Forwarded-For, the one that the proxy
 * itself has seen; what a client wrote before it counts for nothing. Of IPv6 the network, because a household has 2^64.
 */
export function clientAddress(request: IncomingMessage): string {
  const seen = plain(request.socket.remoteAddress ?? '')
  const forwarded = request.headers['x-forwarded-for']
  const last = plain(
    withoutPort(
      String(forwarded ?? '')
        .split(',')
        .at(-1)
        ?.trim() ?? '',
    ),
  )
  const address =
    isIP(last) && isIP(seen) && near.check(seen, isIP(seen) === 6 ? 'ipv6' : 'ipv4') ? last : seen
  return isIP(address) === 6 ? network(address) : address
}

/** Some proxies write `203.0.113.7:5123`; taken for no address, all of their clients would be one. */
function withoutPort(address: string): string {
  return address.replace(/^\[(.+)\](:\d+)?$/, '$1').replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1')
}

function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
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
