import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createClientAddress } from '../../src/http/client-address.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { readTrustedProxies } from '../../src/shared/trusted-proxies.ts'

function scene(setting: string | undefined) {
  const lines: string[] = []
  const logger = createLogger({
    level: 'warn',
    format: 'json',
    destination: { write: line => lines.push(line) },
  })
  const clientAddress = createClientAddress(
    setting === undefined ? undefined : readTrustedProxies(setting),
    logger,
  )
  const seen = (remoteAddress: string | undefined, forwarded?: string, others: Record<string, string> = {}) =>
    clientAddress({
      socket: { remoteAddress },
      headers: { ...others, ...(forwarded !== undefined && { 'x-forwarded-for': forwarded }) },
    } as unknown as IncomingMessage)
  return { seen, lines }
}

describe('where no proxy is trusted', () => {
  test.each(['203.0.113.7', '127.0.0.1', '10.1.2.3', '::1'])(
    '%s is the client, whatever headers say',
    address => {
      const { seen } = scene(undefined)
      const own = address === '::1' ? '0:0:0:0::/64' : address
      expect(seen(address)).toBe(own)
      expect(seen(address, '198.51.100.1')).toBe(own)
      expect(seen(address, undefined, { forwarded: 'for=198.51.100.1', 'x-real-ip': '198.51.100.1' })).toBe(
        own,
      )
    },
  )

  test('a header that is sent all the same is told of, once', () => {
    const { seen, lines } = scene(undefined)
    seen('10.1.2.3')
    expect(lines).toEqual([])
    for (let i = 0; i < 3; i++) seen('10.1.2.3', '198.51.100.1')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('TRUSTED_PROXIES')
  })
})

const PROXIES = '10.0.0.0/8, loopback, 2001:db8:a::/48'
test.each<[string, string | undefined, string | undefined, string]>([
  ['reached directly', '203.0.113.7', undefined, '203.0.113.7'],
  ['reached directly, whatever it says of itself', '203.0.113.7', '198.51.100.1', '203.0.113.7'],
  ['in a private network that is not named', '192.168.0.9', '198.51.100.1', '192.168.0.9'],
  ['behind a proxy on this machine', '127.0.0.1', '203.0.113.7', '203.0.113.7'],
  ['behind one that is seen over IPv6', '::ffff:10.1.2.3', '203.0.113.7', '203.0.113.7'],
  ['behind one that is seen over IPv6 in hex', '::ffff:a01:203', '::FFFF:CB00:7107', '203.0.113.7'],
  ['of IPv4 in the long clothes of IPv6', '0:0:0:0:0:ffff:cb00:7107', undefined, '203.0.113.7'],
  ['of IPv4 in both', '0:0:0:0:0:ffff:203.0.113.7', undefined, '203.0.113.7'],
  ['of IPv6 with such a group in it', '2001:db8:ffff:1:2:ffff:cb00:7107', undefined, '2001:db8:ffff:1::/64'],
  ['behind one of IPv6', '2001:db8:a::1', '203.0.113.7', '203.0.113.7'],
  ['of IPv6 behind one of IPv6', '2001:db8:a::1', '2001:db8:b::7', '2001:db8:b:0::/64'],
  ['behind an address of IPv6 that is not named', '2001:db8:b::1', '203.0.113.7', '2001:db8:b:0::/64'],
  ['behind two proxies', '127.0.0.1', '203.0.113.7, 10.9.9.9', '203.0.113.7'],
  ['behind three', '127.0.0.1', '203.0.113.7,10.9.9.9 , 2001:db8:a::5', '203.0.113.7'],
  ['behind a proxy that is not ours', '10.1.2.3', '203.0.113.7, 198.51.100.1', '198.51.100.1'],
  ['that claims to be a proxy of ours', '10.1.2.3', '198.51.100.1, 10.7.7.7, 203.0.113.7', '203.0.113.7'],
  ['that is one of our own machines', '127.0.0.1', '10.3.3.3, 10.9.9.9', '10.3.3.3'],
  ['that wrote before what the proxy saw', '10.1.2.3', '198.51.100.1, evil, 203.0.113.7', '203.0.113.7'],
  ['that wrote no address, behind two proxies', '127.0.0.1', 'evil, 10.9.9.9', '10.9.9.9'],
  ['whose port the proxy wrote too', '10.1.2.3', '203.0.113.7:5123', '203.0.113.7'],
  ['of IPv6 whose port the proxy wrote too', '10.1.2.3', '[2001:db8:1:2::5]:5123', '2001:db8:1:2::/64'],
  ['of a proxy that wrote no address', '10.1.2.3', 'unknown', '10.1.2.3'],
  ['of a proxy that wrote nothing', '10.1.2.3', '', '10.1.2.3'],
  ['of a proxy that wrote commas', '10.1.2.3', ' , ,, ', '10.1.2.3'],
  ['of a proxy that wrote an address with a network', '10.1.2.3', '203.0.113.0/24', '10.1.2.3'],
  ['of IPv6 is its network', '2001:db8:1:2:aaaa::1', undefined, '2001:db8:1:2::/64'],
  ['of IPv6 however it is written', '2001:0DB8:0001:0002::9', undefined, '2001:db8:1:2::/64'],
  ['of IPv6 with a short network', '2001:db8::1', undefined, '2001:db8:0:0::/64'],
  ['that is gone', undefined, undefined, ''],
])('a client %s', (_what, remoteAddress, forwarded, expected) => {
  expect(scene(PROXIES).seen(remoteAddress, forwarded)).toBe(expected)
})

test('a proxy on the same link is known by its address, whatever the interface', () => {
  expect(scene('linklocal').seen('fe80::1%eth0', '203.0.113.7')).toBe('203.0.113.7')
})

test('of so many proxies each is believed what it saw, whatever its address, and nobody beyond them', () => {
  const { seen } = scene('2')
  expect(seen('198.51.100.9', '192.0.2.1, 203.0.113.7, 198.51.100.8')).toBe('203.0.113.7')
  expect(seen('198.51.100.9', '198.51.100.8')).toBe('198.51.100.8')
  expect(scene('1').seen('198.51.100.9', '192.0.2.1, 203.0.113.7')).toBe('203.0.113.7')
})

test.each(['10.0.0.1', '10.0.0.0/8,::1', ' loopback , uniquelocal', 'linklocal', '1', '9'])(
  'a setting may be %j',
  setting => {
    expect(readTrustedProxies(setting.trim())).toBeTypeOf('function')
  },
)
test.each([
  '0',
  '10',
  'true',
  '*',
  '10.0.0.0/33',
  '10.0.0.0/0',
  '::/0',
  '::1/129',
  '10.0.0.0/-8',
  '10.0.0/8',
  '10.0.0.1,',
  'proxy.example.com',
  'constructor',
  'fe80::1%eth0',
  '::ffff:10.0.0.1',
  '10.0.0.1 10.0.0.2',
])('and not %j', setting => {
  expect(readTrustedProxies(setting)).toBeUndefined()
})
