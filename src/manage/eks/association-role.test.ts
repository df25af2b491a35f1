import { describe, expect, test } from 'bun:test'
import type { Association } from '../../associations/association.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { addTrust, EMPTY_TRUST } from '../../iam/trust-edit.ts'
import type { PodIdentityGrant } from '../../iam/trust-grant.ts'
import { OWNER_TAG } from '../../iam/tags.ts'
import type { ObservedRole, RolePort } from '../roles/role-port.ts'
import { associationTag, checkRole, whyKeepRole } from './association-role.ts'

const accountId = '111122223333'
const grant: PodIdentityGrant = {
  way: 'pod-identity',
  clusterArn: `arn:aws:eks:eu-west-1:${accountId}:cluster/prod`,
  accountId,
  serviceAccounts: [{ namespace: 'shop', name: 'orders' }],
}
const hash = '0123456789ab'
const role: ObservedRole = {
  name: 'orders',
  arn: `arn:aws:iam::${accountId}:role/team/orders`,
  path: '/team/',
  maxSessionSeconds: 3600,
  trustPolicy: addTrust(EMPTY_TRUST, grant).after,
  tags: { ...OWNER_TAG, ...associationTag(hash) },
  policyArns: [],
}

const portOf = (get: () => Promise<ObservedRole | undefined>): RolePort => {
  const refuse = (): Promise<never> => Promise.reject(new Error('not asked'))
  return {
    partition: 'aws',
    accountId,
    get,
    trustPolicyOf: refuse,
    create: refuse,
    attach: refuse,
    putPolicy: refuse,
    tag: refuse,
    putTrustPolicy: refuse,
    clientIdsOf: refuse,
    trustQuota: refuse,
  }
}
const FAST = { totalMs: 50, firstDelayMs: 1, maxDelayMs: 5 }
const check = (
  port: RolePort | undefined,
  change: { readonly roleArn?: string; readonly grant?: PodIdentityGrant } = {},
): ReturnType<typeof checkRole> =>
  checkRole(port, { roleArn: role.arn, grant, hint: 'Let it in.', patience: FAST, ...change })

describe('a role is judged as far as the credentials reach', () => {
  test('one with a path that trusts it is good', async () => {
    expect(await check(portOf(() => Promise.resolve(role)))).toEqual({ role, notes: [] })
  })

  test('one that IAM shows late is waited for, one that is not there is a fault', async () => {
    let asked = 0
    const late = portOf(() => {
      asked += 1
      return Promise.resolve(asked < 3 ? undefined : role)
    })
    expect((await check(late)).role).toEqual(role)
    const none = check(portOf(() => Promise.resolve(undefined)))
    expect(await none.catch(codeOf)).toBe('NoSuchRole')
  })

  test('what could not be looked at is a note', async () => {
    const forbidden = portOf(() =>
      Promise.reject(new PodroleError('AccessDenied', 'no iam:GetRole')),
    )
    expect((await check(forbidden)).notes).toEqual([
      `whether ${role.arn} trusts it was not looked at: no iam:GetRole`,
    ])
    const elsewhere = role.arn.replace(accountId, '444455556666')
    const asked = check(
      portOf(() => Promise.reject(new Error('not asked'))),
      { roleArn: elsewhere },
    )
    expect((await asked).notes[0]).toContain('it is in another account')
    expect((await check(undefined)).notes[0]).toContain('there are no AWS credentials')
    const broken = portOf(() => Promise.reject(new PodroleError('ServiceFailure', 'down')))
    expect(await check(broken).catch(codeOf)).toBe('ServiceFailure')
  })
})

describe('a role goes with its association', () => {
  const others: readonly Association[] = []
  const why = (change: Partial<ObservedRole>, more: object = {}): string | undefined =>
    whyKeepRole({ ...role, ...change }, { hash, grant, others, ...more })

  test('that podrole made for it and nobody else', () => {
    expect(why({})).toBeUndefined()
  })

  test.each<[string, Partial<ObservedRole>, object, string]>([
    ['podrole did not make', { tags: associationTag(hash) }, {}, 'podrole did not make it'],
    ['was made for another', {}, { hash: 'other' }, 'not make it for this service account'],
    [
      'trusts others',
      {
        trustPolicy: addTrust(role.trustPolicy, {
          ...grant,
          serviceAccounts: [{ namespace: 'shop', name: 'stock' }],
        }).after,
      },
      {},
      'admits others',
    ],
    ['asks for no tags', {}, { grant: { ...grant, disableSessionTags: true } }, 'admits others'],
    [
      'another association has',
      {},
      { others: [{ roleArn: role.arn, namespace: 'bank', serviceAccount: 'x' }] },
      '1 other association(s) have it: bank/x',
    ],
  ])('not one that %s', (_name, change, more, expected) => {
    expect(why(change, more)).toContain(expected)
  })
})
