import { expect, test } from 'bun:test'
import { ownerHash, roleNameFor } from './role-name.ts'

const clusterArn = 'arn:aws:eks:eu-central-1:111122223333:cluster/prod'
const orders = { clusterArn, namespace: 'shop', name: 'orders' }

test('a role is named after its cluster, the same in every run', () => {
  expect(roleNameFor(orders)).toBe('podrole-prod-d9e21c9e9048')
  expect(roleNameFor(orders)).toEndWith(ownerHash(orders))
})

test('no two service accounts have the same, whatever their names are joined of', () => {
  const owners = [
    orders,
    { ...orders, namespace: 'shop-a', name: 'b' },
    { ...orders, namespace: 'shop', name: 'a-b' },
    { ...orders, clusterArn: clusterArn.replace('111122223333', '444455556666') },
    { ...orders, clusterArn: clusterArn.replace('eu-central-1', 'us-east-1') },
  ]
  expect(new Set(owners.map(roleNameFor)).size).toBe(owners.length)
})

test('a long cluster is cut so that IAM takes the name', () => {
  const long = clusterArn.replace('prod', 'p'.repeat(100))
  const name = roleNameFor({ ...orders, clusterArn: long })
  expect(name).toHaveLength(64)
  expect(name).toMatch(/^podrole-p{43}-[0-9a-f]{12}$/)
})
