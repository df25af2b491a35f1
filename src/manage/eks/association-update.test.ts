import { describe, expect, test } from 'bun:test'
import type { Association } from '../../associations/association.ts'
import { addTrust, EMPTY_TRUST } from '../../iam/trust-edit.ts'
import type { PodIdentityGrant } from '../../iam/trust-grant.ts'
import { OWNER_TAG } from '../../iam/tags.ts'
import { messageOf } from '../../lib/errors.ts'
import type { RolePort } from '../roles/role-port.ts'
import type { AssociationCluster } from './association-place.ts'
import { type AssociationUpdate, updateAssociation } from './association-update.ts'

const accountId = '111122223333'
const serviceAccount = { namespace: 'shop', name: 'orders' }
const clusterArn = `arn:aws:eks:eu-west-1:${accountId}:cluster/prod`
const roleArn = `arn:aws:iam::${accountId}:role/orders`
const POLICY =
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
const NARROWER = POLICY.replace('s3:*', 's3:GetObject')

const full: Association = {
  associationId: 'a-00000000000000001',
  associationArn: `arn:aws:eks:eu-west-1:${accountId}:podidentityassociation/prod/a-00000000000000001`,
  clusterName: 'prod',
  namespace: 'shop',
  serviceAccount: 'orders',
  roleArn,
  targetRoleArn: 'arn:aws:iam::444455556666:role/target',
  disableSessionTags: true,
  policy: POLICY,
  tags: { team: 'shop', tier: 'gold', ...OWNER_TAG },
  createdAtMs: 0,
  modifiedAtMs: 0,
}
const { policy: _policy, targetRoleArn: _target, ...rest } = full
const plain: Association = { ...rest, disableSessionTags: false }

const grantOf = (disableSessionTags: boolean): PodIdentityGrant => ({
  way: 'pod-identity',
  clusterArn,
  accountId,
  serviceAccounts: [serviceAccount],
  disableSessionTags,
})
const refuse = (): Promise<never> => Promise.reject(new Error('not asked'))

/** The role admits it with and without tags, and nothing of it may be written. */
const roles: RolePort = {
  partition: 'aws',
  accountId,
  get: (name) =>
    Promise.resolve({
      name,
      arn: roleArn.replace(/[^/]+$/, name),
      path: '/',
      maxSessionSeconds: 3600,
      trustPolicy: addTrust(addTrust(EMPTY_TRUST, grantOf(true)).after, grantOf(false)).after,
      tags: OWNER_TAG,
      policyArns: ['arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'],
    }),
  trustPolicyOf: refuse,
  create: refuse,
  attach: refuse,
  putPolicy: refuse,
  tag: refuse,
  putTrustPolicy: refuse,
  clientIdsOf: refuse,
  trustQuota: refuse,
}

/** What is sent to EKS for an update, or why it is refused. */
async function sentFor(
  found: Association,
  update: Partial<AssociationUpdate>,
): Promise<readonly unknown[] | string> {
  const sent: unknown[] = []
  const cluster: AssociationCluster = {
    clusterName: 'prod',
    clusterArn,
    partition: 'aws',
    roleAccountId: accountId,
    associations: {
      place: 'EKS',
      list: () => Promise.resolve([found]),
      describe: () => Promise.resolve(found),
      create: refuse,
      delete: refuse,
      update: (_id, change) => {
        sent.push(change)
        return Promise.resolve({ ...found, ...change })
      },
      tagging: {
        tag: (_arn, tags) => Promise.resolve(void sent.push({ tag: tags })),
        untag: (_arn, keys) => Promise.resolve(void sent.push({ untag: keys })),
      },
    },
    roles,
    grant: (_serviceAccount, disableSessionTags) => grantOf(disableSessionTags),
    options: '--cluster prod',
  }
  const wishes = { serviceAccount, tags: {}, removeTags: [], ...update }
  try {
    await updateAssociation(cluster, wishes, { adopt: false, keep: () => '' })
    return sent
  } catch (error) {
    expect(sent).toEqual([])
    return messageOf(error)
  }
}

describe('an update', () => {
  test.each<[string, Partial<AssociationUpdate>, readonly unknown[]]>([
    ['nothing', {}, []],
    ['another role', { roleArn: `${roleArn}-v2` }, [{ roleArn: `${roleArn}-v2` }]],
    ['no target', { targetRoleArn: '' }, [{ targetRoleArn: '' }]],
    ['another policy', { policy: NARROWER }, [{ policy: NARROWER }]],
    ['the same policy, indented', { policy: JSON.stringify(JSON.parse(POLICY), null, 2) }, []],
    [
      'tags on, no policy',
      { disableSessionTags: false, policy: '' },
      [{ disableSessionTags: false, policy: '' }],
    ],
    ['a tag', { tags: { tier: 'silver', team: 'shop' } }, [{ tag: { tier: 'silver' } }]],
    ['a tag less', { removeTags: ['team', 'none'] }, [{ untag: ['team'] }]],
  ])('sends what is named alone, the rest stays, the role too: %s', async (_name, update, sent) => {
    expect(await sentFor(full, update)).toEqual(sent)
  })

  const NEEDS = 'policy needs disableSessionTags: true'
  test.each<[string, Association, Partial<AssociationUpdate>, string | undefined]>([
    ['tags come back beside its policy', full, { disableSessionTags: false }, NEEDS],
    ['a policy comes while it has tags', plain, { policy: POLICY }, NEEDS],
    [
      'a policy comes with tags off',
      plain,
      { policy: POLICY, disableSessionTags: true },
      undefined,
    ],
    ['another policy comes, tags are off', full, { policy: NARROWER }, undefined],
    ['both go', full, { policy: '', disableSessionTags: false }, undefined],
    ['the target goes alone', full, { targetRoleArn: '' }, undefined],
  ])('is checked against what the association will be: %s', async (_name, found, update, fault) => {
    const sent = await sentFor(found, update)
    if (fault === undefined) expect(sent).toHaveLength(1)
    else expect(sent).toBe(fault)
  })
})
