import { describe, expect, test } from 'bun:test'
import { codeOf, messageOf } from '../../lib/errors.ts'
import { grantOf, readServiceAccounts, readTarget, type TargetWishes } from './trust-target.ts'

const wishes = (change: Partial<TargetWishes>): TargetWishes => ({
  fleet: false,
  clusters: [],
  ...change,
})
const URL = 'https://issuer.example.com'

const thrownBy = (act: () => unknown): unknown => {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

describe('readTarget', () => {
  test('reads each of the ways', () => {
    expect(readTarget(wishes({ issuer: URL }))).toEqual({ kind: 'issuer', issuer: URL })
    expect(readTarget(wishes({ cluster: 'prod' }))).toEqual({
      kind: 'cluster',
      name: 'prod',
      method: 'pod-identity',
    })
    expect(readTarget(wishes({ cluster: 'prod', method: 'irsa' }))).toMatchObject({
      method: 'irsa',
    })
    expect(readTarget(wishes({ fleet: true, broker: 'https://b' }))).toEqual({
      kind: 'fleet',
      clusters: [],
    })
    expect(readTarget(wishes({ fleet: true, issuer: URL, clusters: ['prod-*'] }))).toEqual({
      kind: 'fleet',
      issuer: URL,
      clusters: ['prod-*'],
    })
    expect(readTarget(wishes({ issuer: URL, audience: 'shop' }))).toEqual({
      kind: 'issuer',
      issuer: URL,
      audience: 'shop',
    })
    expect(readTarget(wishes({ cluster: 'prod', method: 'irsa', audience: 'shop' }))).toMatchObject(
      { method: 'irsa', audience: 'shop' },
    )
    // A broker in the environment is not what is asked for.
    expect(readTarget(wishes({ issuer: URL, broker: 'https://b' }))).toEqual({
      kind: 'issuer',
      issuer: URL,
    })
  })

  test.each([
    [{}, 'neither'],
    [{ cluster: 'a', issuer: URL }, '--cluster is given beside'],
    [{ cluster: 'a', fleet: true }, '--cluster is given beside'],
    [{ issuer: URL, method: 'irsa' as const }, '--method goes with'],
    [{ issuer: URL, clusters: ['a'] }, '--clusters goes with'],
    [{ cluster: 'a', audience: 'shop' }, '--audience goes with'],
    [{ fleet: true, broker: 'https://b', audience: 'shop' }, '--audience goes with'],
    [{ fleet: true }, 'without --broker'],
    [{ fleet: true, issuer: URL }, 'without --clusters'],
  ])('refuses %o: %s', (change, message) => {
    const thrown = thrownBy(() => readTarget(wishes(change)))
    expect(codeOf(thrown)).toBe('InvalidTarget')
    expect(messageOf(thrown)).toContain(message)
  })
})

test('an issuer or a cluster that is none is refused before any call', () => {
  const issuer = thrownBy(() => readTarget(wishes({ issuer: 'https://a.example:8443' })))
  expect(codeOf(issuer)).toBe('InvalidIssuerUrl')
  const fleet = { fleet: true, issuer: URL, clusters: ['prod-*', 'a:b'] }
  expect(codeOf(thrownBy(() => readTarget(wishes(fleet))))).toBe('InvalidClusterName')
})

describe('readServiceAccounts', () => {
  test('names, and patterns where they are asked for', () => {
    expect(readServiceAccounts(['a/b', 'c/d'], 'equals')).toEqual([
      { namespace: 'a', name: 'b' },
      { namespace: 'c', name: 'd' },
    ])
    expect(readServiceAccounts(['a/b*', 'a/c'], 'like')).toHaveLength(2)
  })

  test.each([
    [[], 'equals' as const, 'NoServiceAccount'],
    [['a'], 'equals' as const, 'InvalidServiceAccountName'],
    [['a/b*'], 'equals' as const, 'InvalidServiceAccountName'],
    [['*/b'], 'like' as const, 'InvalidServiceAccountName'],
    [['a/b', 'a/b'], 'equals' as const, 'DuplicateServiceAccount'],
  ])('refuses %o with %s: %s', (texts, match, code) => {
    expect(codeOf(thrownBy(() => readServiceAccounts(texts, match)))).toBe(code)
  })
})

test('grantOf puts the account in', () => {
  const account = { partition: 'aws-cn', accountId: '111122223333' }
  const serviceAccounts = readServiceAccounts(['a/b'], 'equals')
  expect(grantOf({ way: 'irsa', issuer: URL }, account, serviceAccounts)).toEqual({
    way: 'irsa',
    issuer: URL,
    ...account,
    serviceAccounts,
  })
  expect(grantOf({ way: 'pod-identity', clusterArn: 'x' }, account, serviceAccounts)).toEqual({
    way: 'pod-identity',
    clusterArn: 'x',
    accountId: '111122223333',
    serviceAccounts,
  })
})
