import { expect, test } from 'bun:test'
import type { Addon } from './addon-port.ts'
import { agentNote } from './agent-note.ts'

const agent: Addon = {
  addonName: 'eks-pod-identity-agent',
  addonArn: 'arn',
  addonVersion: 'v1',
  status: 'ACTIVE',
  issues: [],
  podIdentityAssociations: [],
  tags: {},
}

test('an agent counts when it is ACTIVE, and in no other state', () => {
  expect(agentNote(agent, 'prod')).toBeUndefined()
  expect(agentNote(undefined, 'prod')).toContain(
    'podrole addon enable eks-pod-identity-agent --cluster prod',
  )
  for (const status of ['CREATING', 'UPDATING', 'DELETING', 'DEGRADED', 'CREATE_FAILED']) {
    const note = agentNote({ ...agent, status, issues: ['AccessDenied: no role'] }, 'prod')
    expect(note).toContain(`is not ACTIVE but ${status}; AccessDenied: no role: until it is`)
    expect(note).toContain('podrole addon status eks-pod-identity-agent --cluster prod')
  }
})
