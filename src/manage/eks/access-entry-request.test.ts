import { describe, expect, test } from 'bun:test'
import { messageOf, PodroleError } from '../../lib/errors.ts'
import { type AccessEntryWishes, readAccessEntry } from './access-entry-request.ts'
import { formatAccessPolicy } from './access-policy-request.ts'

const ROLE = 'arn:aws:iam::111122223333:role/team/ci'
const USER = 'arn:aws:iam::111122223333:user/ann'
const wishes = (change: Partial<AccessEntryWishes> = {}): AccessEntryWishes => ({
  principalArn: ROLE,
  accessPolicies: [],
  tags: [],
  ...change,
})
const faultOf = (change: Partial<AccessEntryWishes>): string => {
  try {
    readAccessEntry(wishes(change))
  } catch (error) {
    const hint = error instanceof PodroleError ? error.hint : undefined
    return `${messageOf(error)} ${hint ?? ''}`
  }
  return 'none'
}

test('an entry with policies by name and by ARN, in the partition of its principal', () => {
  const read = readAccessEntry(
    wishes({
      principalArn: ROLE.replace('arn:aws:', 'arn:aws-cn:'),
      type: 'STANDARD',
      kubernetesGroups: ['sre'],
      username: 'ci:{{SessionName}}',
      accessPolicies: [
        'AmazonEKSViewPolicy=cluster',
        'arn:aws-cn:eks::aws:cluster-access-policy/AmazonEKSEditPolicy=namespace:shop, bank-*',
      ],
      tags: ['team=shop'],
    }),
  )
  expect(read).toMatchObject({
    kubernetesGroups: ['sre'],
    accessPolicies: [
      {
        policyArn: 'arn:aws-cn:eks::aws:cluster-access-policy/AmazonEKSViewPolicy',
        accessScope: { type: 'cluster' },
      },
      { accessScope: { type: 'namespace', namespaces: ['shop', 'bank-*'] } },
    ],
    tags: { team: 'shop' },
  })
  expect(read.accessPolicies.map(formatAccessPolicy)).toEqual([
    'AmazonEKSViewPolicy=cluster',
    'AmazonEKSEditPolicy=namespace:shop,bank-*',
  ])
  expect(faultOf({ type: 'EC2', kubernetesGroups: ['x'] })).toBe('none')
  expect(faultOf({ principalArn: USER })).toBe('none')
})

describe('what EKS would refuse is told', () => {
  test.each<[Partial<AccessEntryWishes>, string]>([
    [{ principalArn: 'ci' }, 'principal "ci" is not the ARN of a role or user'],
    [{ principalArn: 'arn:aws:iam::111122223333:root' }, 'is not the ARN of a role or user'],
    [{ principalArn: 'arn:aws:iam::111122223333:group/x' }, 'is not the ARN of a role or user'],
    [
      { principalArn: 'arn:aws:sts::111122223333:assumed-role/ci/run-1' },
      "is a session of a role: wanted the role's own ARN Such as arn:aws:iam::111122223333:role/ci",
    ],
    [
      { principalArn: 'arn:aws:iam::111122223333:role/aws-service-role/eks.amazonaws.com/x' },
      'is a service-linked role',
    ],
    [{ principalArn: USER, type: 'EC2_LINUX' }, 'an access entry of type EC2_LINUX is for a role'],
    [{ type: 'standard' }, 'type "standard" is not one: wanted STANDARD, EC2, EC2_LINUX'],
    [{ type: 'EC2_LINUX', kubernetesGroups: ['x'] }, 'EC2_LINUX takes no Kubernetes groups'],
    [{ type: 'EC2_WINDOWS', username: 'x' }, 'EC2_WINDOWS takes no user name'],
    [
      { type: 'FARGATE_LINUX', accessPolicies: ['AmazonEKSViewPolicy=cluster'] },
      'FARGATE_LINUX takes no access policies',
    ],
    [{ kubernetesGroups: ['system:masters'] }, 'AmazonEKSClusterAdminPolicy=cluster'],
    [{ kubernetesGroups: ['eks:x'] }, 'group "eks:x" begins with "eks:"'],
    [{ kubernetesGroups: ['a', 'a'] }, 'group "a" is given twice'],
    [{ username: 'system:x' }, 'user name "system:x" begins with "system:"'],
    [{ username: 'ci-{{SessionName}}' }, 'has no colon before {{SessionName}}'],
    [{ principalArn: USER, username: 'a:{{SessionName}}' }, 'an IAM user has no session'],
    [{ accessPolicies: ['AmazonEKSViewPolicy'] }, '"AmazonEKSViewPolicy" has no scope'],
    [{ accessPolicies: ['AmazonEKSViewPolicy=shop'] }, 'has the scope "shop"'],
    [{ accessPolicies: ['AmazonEKSViewPolicy=namespace:'] }, 'names no namespace'],
    [{ accessPolicies: ['AmazonEKSViewPolicy=namespace:a,B'] }, 'names "B", which is no namespace'],
    [
      { accessPolicies: ['arn:aws:iam::aws:policy/AdministratorAccess=cluster'] },
      'is neither the name nor the ARN of an access policy',
    ],
    [
      { accessPolicies: ['arn:aws-cn:eks::aws:cluster-access-policy/AmazonEKSViewPolicy=cluster'] },
      'is in partition aws-cn, the principal in aws',
    ],
    [
      {
        accessPolicies: ['AmazonEKSViewPolicy=cluster', 'AmazonEKSViewPolicy=namespace:shop'],
      },
      'access policy AmazonEKSViewPolicy is given twice',
    ],
    [{ tags: ['x'] }, 'wanted KEY=VALUE'],
  ])('%j', (change, fault) => {
    expect(faultOf(change)).toContain(fault)
  })

  test('all of it at once', () => {
    const fault = faultOf({
      principalArn: 'x',
      type: 'y',
      kubernetesGroups: ['system:masters', 'iam:z'],
      username: '',
      accessPolicies: ['a', 'b=c'],
      tags: ['t'],
    })
    expect(fault).toStartWith('8 things are wrong:')
  })
})
