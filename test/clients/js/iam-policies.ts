import {
  type IAM,
  paginateListPolicies,
  paginateListPolicyVersions,
  type Policy,
  type PolicyVersion,
} from '@aws-sdk/client-iam'
import { did, equal, listed, mapped, present, refused } from './checks.ts'
import { type IamSteps, READ_POLICY, sameDocument, WRITE_POLICY } from './iam-documents.ts'
import { tagSteps } from './iam-holders.ts'

/** Makes two policies and returns the second one's ARN. */
export async function policySteps(iam: IAM): Promise<string> {
  let PolicyArn = ''
  for (const PolicyName of ['first', 'second']) {
    const { Policy } = await iam.createPolicy({
      PolicyName,
      PolicyDocument: READ_POLICY,
      Path: '/apps/',
    })
    equal("a policy's default version", Policy?.DefaultVersionId, 'v1')
    PolicyArn = present(Policy?.Arn)
  }
  did('iam', 'policy', 'create')
  const { Policy } = await iam.getPolicy({ PolicyArn })
  equal("a policy's name", Policy?.PolicyName, 'second')
  equal("a policy's path", Policy?.Path, '/apps/')
  did('iam', 'policy', 'read')
  const namesOf = (policies: readonly Policy[] | undefined): string[] =>
    mapped(policies, (one) => one.PolicyName)
  const own = { Scope: 'Local', PathPrefix: '/apps/' } as const
  equal('policies', namesOf((await iam.listPolicies(own)).Policies), ['first', 'second'])
  did('iam', 'policy', 'list')
  const pages = paginateListPolicies({ client: iam, pageSize: 1 }, { ...own })
  const found = await listed(pages, (page) => page.Policies)
  equal('policies by pages', namesOf(found), ['first', 'second'])
  did('iam', 'policy', 'pages')
  await policyVersions(iam, PolicyArn)
  await tagSteps('policy-tags', {
    tag: (Tags) => iam.tagPolicy({ PolicyArn, Tags }),
    list: () => iam.listPolicyTags({ PolicyArn }),
    untag: (TagKeys) => iam.untagPolicy({ PolicyArn, TagKeys }),
  })
  return PolicyArn
}

async function policyVersions(iam: IAM, PolicyArn: string): Promise<void> {
  const made = await iam.createPolicyVersion({ PolicyArn, PolicyDocument: WRITE_POLICY })
  equal('the second version', made.PolicyVersion?.VersionId, 'v2')
  equal('is not the default', made.PolicyVersion?.IsDefaultVersion, false)
  did('iam', 'policy-version', 'create')
  const { PolicyVersion } = await iam.getPolicyVersion({ PolicyArn, VersionId: 'v2' })
  sameDocument("a version's document", PolicyVersion?.Document, WRITE_POLICY)
  did('iam', 'policy-version', 'read')
  const idsOf = (versions: readonly PolicyVersion[] | undefined): string[] =>
    mapped(versions, (one) => one.VersionId)
  const list = async (): Promise<string[]> =>
    idsOf((await iam.listPolicyVersions({ PolicyArn })).Versions)
  equal('versions', await list(), ['v2', 'v1'])
  did('iam', 'policy-version', 'list')
  const pages = paginateListPolicyVersions({ client: iam, pageSize: 1 }, { PolicyArn })
  equal('versions by pages', idsOf(await listed(pages, (page) => page.Versions)), ['v2', 'v1'])
  did('iam', 'policy-version', 'pages')
  await iam.setDefaultPolicyVersion({ PolicyArn, VersionId: 'v2' })
  const { Policy } = await iam.getPolicy({ PolicyArn })
  equal('the default version', Policy?.DefaultVersionId, 'v2')
  did('iam', 'policy-version', 'update')
  await iam.deletePolicyVersion({ PolicyArn, VersionId: 'v1' })
  equal('what is left', await list(), ['v2'])
  did('iam', 'policy-version', 'delete')
}

/** Deletes the policy that all steps used. */
export async function deletePolicy({ iam, policy }: IamSteps): Promise<void> {
  await iam.deletePolicy({ PolicyArn: policy })
  await refused('NoSuchEntityException', iam.getPolicy({ PolicyArn: policy }))
  did('iam', 'policy', 'delete')
}
