/** Changes an account and its clusters from one state to another as people do by hand: with the AWS SDK and Kubernetes' API, with nothing of podrole's. */
import {
  AssociateAccessPolicyCommand,
  DeleteAccessEntryCommand,
  DeleteAddonCommand,
  DeletePodIdentityAssociationCommand,
  DisassociateAccessPolicyCommand,
  type EKSClient,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAccessEntryCommand,
  UpdateAddonCommand,
  UpdatePodIdentityAssociationCommand,
} from '@aws-sdk/client-eks'
import {
  AttachRolePolicyCommand,
  DeleteOpenIDConnectProviderCommand,
  DeleteRoleCommand,
  DeleteRolePermissionsBoundaryCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  type IAMClient,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  RemoveClientIDFromOpenIDConnectProviderCommand,
  TagRoleCommand,
  UntagRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { type KubeClient, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type {
  ObservedCluster,
  ObservedState,
  PlanAccessEntry,
  PlanAddon,
  PlanAssociation,
  PlanProvider,
  PlanRole,
  PlanServiceAccount,
} from '../../src/manage/plan/observed-state.ts'

export interface AccountHands {
  readonly iam: IAMClient
  readonly eks: EKSClient
  /** By the cluster's name. */
  readonly kube: (cluster: string) => KubeClient
}

type Call = () => Promise<unknown>

/** What is the same object in both states is left alone. @throws what AWS and Kubernetes refuse */
export async function changeByHand(
  before: ObservedState,
  after: ObservedState,
  hands: AccountHands,
): Promise<void> {
  const calls = [
    ...changed(before.roles, after.roles, 'name').flatMap(([from, to]) =>
      changeRole(hands.iam, from, to),
    ),
    ...changed(before.providers, after.providers, 'arn').flatMap(([from, to]) =>
      changeProvider(hands.iam, from, to),
    ),
    ...changed(before.clusters, after.clusters, 'arn').flatMap(([from, to]) =>
      to === undefined ? [] : changeCluster(hands, from, to),
    ),
  ]
  for (const call of calls) await call()
}

/** Each that is another object in the second list, or is gone from it. */
function changed<T>(
  before: readonly T[],
  after: readonly T[],
  key: keyof T,
): readonly (readonly [from: T, to: T | undefined])[] {
  return before.flatMap((from) => {
    const to = after.find((one) => one[key] === from[key])
    return from === to ? [] : [[from, to] as const]
  })
}

const missing = <T>(
  from: Readonly<Record<string, T>>,
  to: Readonly<Record<string, T>>,
): readonly string[] => Object.keys(from).filter((key) => !(key in to))

const differing = <T>(
  from: Readonly<Record<string, T>>,
  to: Readonly<Record<string, T>>,
): Record<string, T> =>
  Object.fromEntries(Object.entries(to).filter(([key, value]) => from[key] !== value))

const when = (isSo: boolean, call: Call): readonly Call[] => (isSo ? [call] : [])

function changeRole(iam: IAMClient, from: PlanRole, to: PlanRole | undefined): readonly Call[] {
  const RoleName = from.name
  const detach =
    (PolicyArn: string): Call =>
    () =>
      iam.send(new DetachRolePolicyCommand({ RoleName, PolicyArn }))
  const remove =
    (PolicyName: string): Call =>
    () =>
      iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName }))
  if (to === undefined) {
    return [
      ...from.policyArns.map(detach),
      ...Object.keys(from.inline).map(remove),
      () => iam.send(new DeleteRoleCommand({ RoleName })),
    ]
  }
  const tags = Object.entries(differing(from.tags, to.tags)).map(([Key, Value]) => ({ Key, Value }))
  const TagKeys = [...missing(from.tags, to.tags)]
  const { boundaryArn: PermissionsBoundary } = to
  return [
    ...when(from.trustPolicy !== to.trustPolicy, () =>
      iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: to.trustPolicy })),
    ),
    ...from.policyArns.filter((arn) => !to.policyArns.includes(arn)).map(detach),
    ...to.policyArns
      .filter((arn) => !from.policyArns.includes(arn))
      .map(
        (PolicyArn): Call =>
          () =>
            iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn })),
      ),
    ...missing(from.inline, to.inline).map(remove),
    ...Object.entries(differing(from.inline, to.inline)).map(
      ([PolicyName, PolicyDocument]): Call =>
        () =>
          iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument })),
    ),
    ...when(from.boundaryArn !== PermissionsBoundary, () =>
      PermissionsBoundary === undefined
        ? iam.send(new DeleteRolePermissionsBoundaryCommand({ RoleName }))
        : iam.send(new PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary })),
    ),
    ...when(tags.length > 0, () => iam.send(new TagRoleCommand({ RoleName, Tags: tags }))),
    ...when(TagKeys.length > 0, () => iam.send(new UntagRoleCommand({ RoleName, TagKeys }))),
  ]
}

function changeProvider(
  iam: IAMClient,
  { arn, clientIds }: PlanProvider,
  to: PlanProvider | undefined,
): readonly Call[] {
  const OpenIDConnectProviderArn = arn
  if (to === undefined) {
    return [() => iam.send(new DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }))]
  }
  return clientIds
    .filter((id) => !to.clientIds.includes(id))
    .map(
      (ClientID): Call =>
        () =>
          iam.send(
            new RemoveClientIDFromOpenIDConnectProviderCommand({
              OpenIDConnectProviderArn,
              ClientID,
            }),
          ),
    )
}

function changeCluster(
  { eks, kube }: AccountHands,
  from: ObservedCluster,
  to: ObservedCluster,
): readonly Call[] {
  const clusterName = from.name
  return [
    ...changed(from.associations, to.associations, 'arn').flatMap(([one, other]) =>
      changeAssociation(eks, clusterName, one, other),
    ),
    ...changed(from.accessEntries, to.accessEntries, 'arn').flatMap(([one, other]) =>
      changeEntry(eks, clusterName, one, other),
    ),
    ...changed(from.addons, to.addons, 'arn').flatMap(([one, other]) =>
      changeAddon(eks, clusterName, one, other),
    ),
    ...changed(from.serviceAccounts, to.serviceAccounts, 'serviceAccount').flatMap(([one, other]) =>
      changeServiceAccount(kube(clusterName), one, other),
    ),
  ]
}

interface Tagged {
  readonly arn: string
  readonly tags: Readonly<Record<string, string>>
}

function retag(eks: EKSClient, from: Tagged, to: Tagged): readonly Call[] {
  const resourceArn = from.arn
  const tags = differing(from.tags, to.tags)
  const tagKeys = [...missing(from.tags, to.tags)]
  return [
    ...when(Object.keys(tags).length > 0, () =>
      eks.send(new TagResourceCommand({ resourceArn, tags })),
    ),
    ...when(tagKeys.length > 0, () => eks.send(new UntagResourceCommand({ resourceArn, tagKeys }))),
  ]
}

function changeAssociation(
  eks: EKSClient,
  clusterName: string,
  from: PlanAssociation,
  to: PlanAssociation | undefined,
): readonly Call[] {
  const at = { clusterName, associationId: from.associationId }
  if (to === undefined) return [() => eks.send(new DeletePodIdentityAssociationCommand(at))]
  const { disableSessionTags, policy = '', roleArn, targetRoleArn = '' } = to.settings
  const all = { ...at, disableSessionTags, roleArn, targetRoleArn, policy }
  return [
    ...when(from.settings !== to.settings, () =>
      eks.send(new UpdatePodIdentityAssociationCommand(all)),
    ),
    ...retag(eks, from, to),
  ]
}

function changeEntry(
  eks: EKSClient,
  clusterName: string,
  from: PlanAccessEntry,
  to: PlanAccessEntry | undefined,
): readonly Call[] {
  const at = { clusterName, principalArn: from.principalArn }
  if (to === undefined) return [() => eks.send(new DeleteAccessEntryCommand(at))]
  const names = { kubernetesGroups: [...to.groups], username: to.username }
  const isSameName = from.groups === to.groups && from.username === to.username
  return [
    ...when(!isSameName, () => eks.send(new UpdateAccessEntryCommand({ ...at, ...names }))),
    ...from.policies
      .filter(({ policyArn }) => !to.policies.some((one) => one.policyArn === policyArn))
      .map(
        ({ policyArn }): Call =>
          () =>
            eks.send(new DisassociateAccessPolicyCommand({ ...at, policyArn })),
      ),
    ...to.policies
      .filter((one) => !from.policies.includes(one))
      .map(
        ({ namespaces, policyArn }): Call =>
          () =>
            eks.send(
              new AssociateAccessPolicyCommand({
                ...at,
                policyArn,
                accessScope:
                  namespaces === undefined
                    ? { type: 'cluster' }
                    : { type: 'namespace', namespaces: [...namespaces] },
              }),
            ),
      ),
    ...retag(eks, from, to),
  ]
}

function changeAddon(
  eks: EKSClient,
  clusterName: string,
  from: PlanAddon,
  to: PlanAddon | undefined,
): readonly Call[] {
  const at = { clusterName, addonName: from.name }
  if (to === undefined) return [() => eks.send(new DeleteAddonCommand(at))]
  return [
    ...when(from.settings !== to.settings, () => {
      const { serviceAccountRoleArn, version: addonVersion } = to.settings
      return eks.send(new UpdateAddonCommand({ ...at, addonVersion, serviceAccountRoleArn }))
    }),
    ...retag(eks, from, to),
  ]
}

function changeServiceAccount(
  kube: KubeClient,
  from: PlanServiceAccount,
  to: PlanServiceAccount | undefined,
): readonly Call[] {
  const { serviceAccount } = from
  if (to === undefined) return [() => kube.delete(SERVICE_ACCOUNTS, serviceAccount)]
  const patchOf = (kind: 'labels' | 'annotations'): Record<string, string | null> => ({
    ...differing(from[kind], to[kind]),
    ...Object.fromEntries(missing(from[kind], to[kind]).map((key) => [key, null])),
  })
  const metadata = { labels: patchOf('labels'), annotations: patchOf('annotations') }
  return [() => kube.mergePatch(SERVICE_ACCOUNTS, serviceAccount, { metadata })]
}
