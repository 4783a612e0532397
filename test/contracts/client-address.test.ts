import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { clientAddress } from '../../src/http/client-address.ts'

const seen = (remoteAddress: string | undefined, forwarded?: string) =>
  clientAddress({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  } as unknown as IncomingMessage)

test.each<[string, string | undefined, string | undefined, string]>([
  ['reached directly', '203.0.113.7', undefined, '203.0.113.7'],
  ['reached directly, whatever it says of itself', '203.0.113.7', '198.51.100.1', '203.0.113.7'],
  ['behind a proxy on this machine', '127.0.0.1', '203.0.113.7', '203.0.113.7'],
  ['behind one in a private network, seen over IPv6', '::ffff:10.1.2.3', '203.0.113.7', '203.0.113.7'],
  [
    'that wrote something before what the proxy saw',
    '10.1.2.3',
    '198.51.100.1, evil, 203.0.113.7',
    '203.0.113.7',
  ],
  ['whose port the proxy wrote too', '10.1.2.3', '203.0.113.7:5123', '203.0.113.7'],
  ['of IPv6 whose port the proxy wrote too', '10.1.2.3', '[2001:db8:1:2::5]:5123', '2001:db8:1:2::/64'],
  ['of a proxy that wrote no address', '10.1.2.3', 'unknown', '10.1.2.3'],
  ['of IPv6 is its network', '2001:db8:1:2:aaaa::1', undefined, '2001:db8:1:2::/64'],
  ['of IPv6 however it is written', '2001:0DB8:0001:0002::9', undefined, '2001:db8:1:2::/64'],
  ['of IPv6 with a short network', '2001:db8::1', undefined, '2001:db8:0:0::/64'],
  ['that is gone', undefined, undefined, ''],
])('a client %s', (_what, remoteAddress, forwarded, expected) => {
  expect(seen(remoteAddress, forwarded)).toBe(expected)
})
