import { expect, test } from 'bun:test'
import type { Addon } from '../eks/addon-port.ts'
import { planAddonOf } from './eks-reader.ts'

const addon: Addon = {
  addonName: 'eks-pod-identity-agent',
  addonArn: 'arn',
  addonVersion: 'v1',
  status: 'ACTIVE',
  issues: [],
  podIdentityAssociations: [],
  tags: {},
}

test('a plan sees the status of an add-on where it is not ACTIVE', () => {
  const settings = { version: 'v1', associations: [] }
  const active = { name: addon.addonName, arn: 'arn', settings, tags: {} }
  expect(planAddonOf(addon, new Map())).toEqual(active)
  for (const status of ['CREATING', 'DEGRADED', 'CREATE_FAILED']) {
    expect(planAddonOf({ ...addon, status }, new Map())).toEqual({ ...active, status })
  }
})
