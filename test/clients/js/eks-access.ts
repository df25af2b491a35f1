import {
  type AccessPolicy,
  type AssociatedAccessPolicy,
  paginateListAccessEntries,
  paginateListAccessPolicies,
  paginateListPodIdentityAssociations,
  type PodIdentityAssociationSummary,
} from '@aws-sdk/client-eks'
import { did, equal, includes, listed, mapped, present, refused } from './checks.ts'
import { createRole, type EksSteps } from './eks-steps.ts'

const VIEW = 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy'
const PODS = ['pods.eks.amazonaws.com', 'sts:AssumeRole', 'sts:TagSession'] as const

export async function associationSteps({ eks, clusterName }: EksSteps): Promise<void> {
  const roleArn = await createRole('pods-first', ...PODS)
  const otherRoleArn = await createRole('pods-second', ...PODS)
  const here = { clusterName, namespace: 'shop' }
  const ids: string[] = []
  for (const serviceAccount of ['api', 'web']) {
    const made = await eks.createPodIdentityAssociation({ ...here, serviceAccount, roleArn })
    ids.push(present(made.association?.associationId))
  }
  did('eks', 'pod-identity-association', 'create')
  const first = { clusterName, associationId: present(ids[0]) }
  const roleOf = async (): Promise<string | undefined> =>
    (await eks.describePodIdentityAssociation(first)).association?.roleArn
  equal("an association's role", await roleOf(), roleArn)
  did('eks', 'pod-identity-association', 'read')
  const accountsOf = (found: readonly PodIdentityAssociationSummary[] | undefined): string[] =>
    mapped(found, (one) => one.serviceAccount)
  const all = accountsOf((await eks.listPodIdentityAssociations(here)).associations)
  includes('associations', all, 'api', 'web')
  did('eks', 'pod-identity-association', 'list')
  const pages = paginateListPodIdentityAssociations({ client: eks, pageSize: 1 }, { ...here })
  const paged = await listed(pages, (page) => page.associations)
  equal('associations by pages', accountsOf(paged), all)
  did('eks', 'pod-identity-association', 'pages')
  await eks.updatePodIdentityAssociation({ ...first, roleArn: otherRoleArn })
  equal("an association's new role", await roleOf(), otherRoleArn)
  did('eks', 'pod-identity-association', 'update')
  for (const associationId of ids) {
    await eks.deletePodIdentityAssociation({ clusterName, associationId })
  }
  await refused('ResourceNotFoundException', eks.describePodIdentityAssociation(first))
  did('eks', 'pod-identity-association', 'delete')
}

/** Returns an entry's principal, for the steps on access policies, which delete it. */
export async function accessEntrySteps({ eks, clusterName }: EksSteps): Promise<string> {
  const people = await createRole('people', 'ec2.amazonaws.com')
  const nodes = await createRole('nodes', 'ec2.amazonaws.com')
  const entry = { clusterName, principalArn: people }
  const made = await eks.createAccessEntry({ ...entry, kubernetesGroups: ['readers'] })
  equal("an entry's type", made.accessEntry?.type, 'STANDARD')
  await eks.createAccessEntry({ clusterName, principalArn: nodes, type: 'EC2_LINUX' })
  did('eks', 'access-entry', 'create')
  const groups = async (): Promise<string[] | undefined> =>
    (await eks.describeAccessEntry(entry)).accessEntry?.kubernetesGroups
  equal("an entry's groups", await groups(), ['readers'])
  did('eks', 'access-entry', 'read')
  const all = present((await eks.listAccessEntries({ clusterName })).accessEntries)
  includes('entries', all, people, nodes)
  did('eks', 'access-entry', 'list')
  const pages = paginateListAccessEntries({ client: eks, pageSize: 1 }, { clusterName })
  equal('entries by pages', await listed(pages, (page) => page.accessEntries), all)
  did('eks', 'access-entry', 'pages')
  await eks.updateAccessEntry({ ...entry, kubernetesGroups: ['writers'] })
  equal("an entry's new groups", await groups(), ['writers'])
  did('eks', 'access-entry', 'update')
  const gone = { clusterName, principalArn: nodes }
  await eks.deleteAccessEntry(gone)
  await refused('ResourceNotFoundException', eks.describeAccessEntry(gone))
  did('eks', 'access-entry', 'delete')
  return people
}

export async function accessPolicySteps(
  { eks, clusterName }: EksSteps,
  principalArn: string,
): Promise<void> {
  const arnsOf = (found: readonly AccessPolicy[] | undefined): string[] =>
    mapped(found, (one) => one.arn)
  const all = arnsOf((await eks.listAccessPolicies({})).accessPolicies)
  includes('access policies', all, VIEW)
  did('eks', 'access-policy', 'list')
  const pages = paginateListAccessPolicies({ client: eks, pageSize: 5 }, {})
  const paged = await listed(pages, (page) => page.accessPolicies)
  equal('access policies by pages', arnsOf(paged), all)
  did('eks', 'access-policy', 'pages')
  const entry = { clusterName, principalArn }
  const accessScope = { type: 'namespace', namespaces: ['shop'] } as const
  const scope = { ...accessScope, namespaces: [...accessScope.namespaces] }
  await eks.associateAccessPolicy({ ...entry, policyArn: VIEW, accessScope: scope })
  did('eks', 'access-policy-association', 'create')
  const associated = async (): Promise<AssociatedAccessPolicy[]> =>
    (await eks.listAssociatedAccessPolicies(entry)).associatedAccessPolicies ?? []
  const [one, ...others] = await associated()
  equal('which policy is associated', one?.policyArn, VIEW)
  equal('where it holds', one?.accessScope?.namespaces, ['shop'])
  equal('no other', others, [])
  did('eks', 'access-policy-association', 'list')
  await eks.disassociateAccessPolicy({ ...entry, policyArn: VIEW })
  equal('none is left', await associated(), [])
  did('eks', 'access-policy-association', 'delete')
  await eks.deleteAccessEntry(entry)
}
