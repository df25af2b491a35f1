import { describe, expect, test } from 'bun:test'
import { codeOf, messageOf } from './errors.ts'
import { proxyFor, readProxy, shownProxy } from './proxy.ts'

const HTTPS_PROXY = 'http://proxy.example:3128'
const EKS = 'https://abc.gr7.eu-central-1.eks.amazonaws.com'

/** NO_PROXY, a server, whether the proxy leads there. */
const CASES: readonly (readonly [string, string, boolean])[] = [
  ['', EKS, true],
  ['', 'https://127.0.0.1:6443', false],
  ['', 'https://127.8.8.8', false],
  ['', 'https://localhost:6443', false],
  ['', 'https://api.localhost', false],
  ['', 'https://[::1]:6443', false],
  ['', 'https://10.0.0.1', true],
  ['*', EKS, false],
  ['amazonaws.com', EKS, false],
  ['.amazonaws.com', EKS, false],
  ['*.amazonaws.com', EKS, false],
  ['mazonaws.com', EKS, true],
  ['.example.com', 'https://example.com', true],
  ['example.com', 'https://EXAMPLE.com', false],
  ['example.com:6443', 'https://example.com', true],
  ['example.com:6443', 'https://example.com:6443', false],
  ['example.com:443', 'https://example.com', false],
  ['one.example, two.example', 'https://two.example', false],
  ['10.0.0.0/8', 'https://10.1.2.3', false],
  ['10.0.0.0/8', 'https://11.1.2.3', true],
  ['10.0.0.0/8', 'https://ten.example', true],
  ['10.1.2.3', 'https://10.1.2.3:6443', false],
  ['10.1.2.3:443', 'https://10.1.2.3:6443', true],
  ['fd00::/8', 'https://[fd00::1]', false],
  ['[fd00::1]:443', 'https://[fd00::1]', false],
  ['10.0.0.0/99', 'https://10.1.2.3', true],
]

describe('the proxy to a server', () => {
  test.each(CASES)('NO_PROXY=%s %s: %p', (NO_PROXY, server, isProxied) => {
    const found = proxyFor(server, { HTTPS_PROXY, NO_PROXY })
    expect(found).toBe(isProxied ? HTTPS_PROXY : undefined)
  })

  test('is named by variables of either case, one for each protocol', () => {
    expect(proxyFor(EKS, {})).toBeUndefined()
    expect(proxyFor(EKS, { https_proxy: 'proxy:1' })).toBe('http://proxy:1')
    expect(proxyFor(EKS, { HTTP_PROXY: 'proxy:1' })).toBeUndefined()
    expect(proxyFor('http://example.com', { HTTP_PROXY: 'proxy:1' })).toBe('http://proxy:1')
    expect(proxyFor('http://example.com', { HTTPS_PROXY })).toBeUndefined()
    expect(proxyFor(EKS, { HTTPS_PROXY, no_proxy: '*' })).toBeUndefined()
  })

  test('speaks HTTP; anything else is refused, and no password is told', () => {
    for (const url of ['socks5://me:hidden@proxy:1', 'socks5h://me:hidden@proxy:1', 'http://']) {
      try {
        readProxy(url, 'proxy-url')
        expect(url).toBe('refused')
      } catch (error) {
        expect(codeOf(error)).toBe('UnsupportedProxy')
        expect(messageOf(error)).toContain('proxy-url names')
        expect(messageOf(error)).not.toContain('hidden')
      }
    }
    expect(shownProxy('http://me:hidden@proxy:3128')).toBe('proxy:3128')
  })
})
