import { expect, test } from 'bun:test'
import { PodroleError } from '../../lib/errors.ts'
import type { PlanRole } from '../plan/observed-state.ts'
import type { Plan } from '../plan/plan.ts'
import { checkPermissions, type PermissionSimulator } from './permissions.ts'

const ROLE = 'arn:aws:iam::111122223333:role/teams/ops'
const roles: readonly PlanRole[] = [
  { name: 'ops', arn: ROLE, trustPolicy: '{}', tags: {}, policyArns: [], inline: {} },
]
const SESSION = 'arn:aws:sts::111122223333:assumed-role/ops/me'
const step = (...needs: readonly { readonly action: string; readonly resource: string }[]) => ({
  id: '1',
  action: { do: 'create-namespace', cluster: 'c', namespace: 'n' } as const,
  dependsOn: [],
  risk: { level: 'none' } as const,
  inverse: [],
  needs,
})
const plan: Pick<Plan, 'steps'> = {
  steps: [
    step({ action: 'iam:CreateRole', resource: 'a' }, { action: 'iam:TagRole', resource: 'a' }),
    step({ action: 'iam:TagRole', resource: 'a' }, { action: 'eks:CreateAddon', resource: 'b' }),
  ],
}
const told: Readonly<Record<string, boolean | undefined>> = {
  'iam:CreateRole': true,
  'iam:TagRole': false,
}

test('each resource is asked for once, as the role behind a session, whose path it does not name', async () => {
  const asked: unknown[] = []
  const simulator: PermissionSimulator = {
    simulate: (principal, actions, resource) => {
      asked.push([principal, actions, resource])
      return Promise.resolve(actions.map((action) => ({ action, isAllowed: told[action] })))
    },
  }
  expect(await checkPermissions(plan, { arn: SESSION, roles }, simulator)).toEqual({
    status: 'known',
    principalArn: ROLE,
    missing: [{ action: 'iam:TagRole', resource: 'a' }],
    open: [{ action: 'eks:CreateAddon', resource: 'b' }],
  })
  expect(asked).toEqual([
    [ROLE, ['iam:CreateRole', 'iam:TagRole'], 'a'],
    [ROLE, ['eks:CreateAddon'], 'b'],
  ])
})

test('root, a role that is not there and who may not ask are not known; other faults are thrown', async () => {
  const failing = (code: string): PermissionSimulator => ({
    simulate: () => Promise.reject(new PodroleError(code, 'no')),
  })
  const statusOf = async (arn: string, simulator: PermissionSimulator): Promise<string> =>
    (await checkPermissions(plan, { arn, roles }, simulator)).status
  const never = failing('NeverAsked')
  expect(await statusOf('arn:aws:iam::111122223333:root', never)).toBe('not-known')
  expect(await statusOf(SESSION.replace('/ops/', '/gone/'), never)).toBe('not-known')
  expect(await statusOf(SESSION, failing('AccessDenied'))).toBe('not-known')
  expect(statusOf(SESSION, failing('ServiceFailure'))).rejects.toThrow('no')
})
