import { describe, expect, test } from 'bun:test'
import { roleNameOf } from './role-name.ts'

const arnOf = (name: string, region = 'eu-central-1'): string =>
  `arn:aws:eks:${region}:111122223333:cluster/${name}`
const nameOf = (cluster: string, namespace: string, name: string): string =>
  roleNameOf({ arn: arnOf(cluster), name: cluster }, { namespace, name })

describe('roleNameOf', () => {
  test('is the same in every run', () => {
    expect(nameOf('shop', 'apps', 'one')).toBe('podrole-shop-2d4c82267fd5')
  })

  test('tells names apart that join to the same', () => {
    expect(nameOf('shop', 'a', 'b-c')).not.toBe(nameOf('shop', 'a-b', 'c'))
    expect(nameOf('shop', 'a', 'b/c')).not.toBe(nameOf('shop', 'a/b', 'c'))
  })

  test('tells clusters of one name in two regions apart', () => {
    const one = { namespace: 'a', name: 'b' }
    const here = roleNameOf({ arn: arnOf('shop'), name: 'shop' }, one)
    const there = roleNameOf({ arn: arnOf('shop', 'us-east-1'), name: 'shop' }, one)
    expect(here).not.toBe(there)
  })

  test('has 64 characters at most, and those that IAM takes', () => {
    const long = nameOf('c'.repeat(100), 'n'.repeat(63), 's'.repeat(253))
    expect(long).toMatch(/^podrole-c{43}-[0-9a-f]{12}$/)
    expect(long.length).toBe(64)
  })
})
