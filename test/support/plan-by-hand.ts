/** Does the steps of a plan one by one with the AWS SDK and Kubernetes' API, with nothing of podrole's. */
import {
  AssociateAccessPolicyCommand,
  CreateAccessEntryCommand,
  CreateAddonCommand,
  CreatePodIdentityAssociationCommand,
  type EKSClient,
  waitUntilAddonActive,
} from '@aws-sdk/client-eks'
import {
  AttachRolePolicyCommand,
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  type IAMClient,
  PutRolePolicyCommand,
  type Tag,
  TagRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { type KubeClient, NAMESPACES, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ServiceAccount } from '../../src/kube/objects.ts'
import type { Plan, PlanAction } from '../../src/manage/plan/plan.ts'

export interface Hands {
  readonly iam: IAMClient
  readonly eks: EKSClient
  readonly kube: KubeClient
}

/** @throws Error for a step that this cannot do */
export async function doByHand({ steps }: Pick<Plan, 'steps'>, hands: Hands): Promise<void> {
  for (const { action } of steps) {
    const isDone =
      (await inIam(action, hands)) || (await inEks(action, hands)) || (await inKube(action, hands))
    if (!isDone) throw new Error(`no hand for ${action.do}`)
  }
}

const tagList = (tags: Readonly<Record<string, string>>): Tag[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

async function inIam(action: PlanAction, { iam }: Hands): Promise<boolean> {
  switch (action.do) {
    case 'create-provider': {
      const { arn, clientIds, tags } = action.provider
      const Url = `https://${arn.slice(arn.indexOf('/') + 1)}`
      await iam.send(
        new CreateOpenIDConnectProviderCommand({
          Url,
          ClientIDList: [...clientIds],
          Tags: tagList(tags),
        }),
      )
      return true
    }
    case 'create-role': {
      const { boundaryArn, name, tags, trustPolicy } = action.role
      await iam.send(
        new CreateRoleCommand({
          RoleName: name,
          AssumeRolePolicyDocument: trustPolicy,
          Tags: tagList(tags),
          ...(boundaryArn !== undefined && { PermissionsBoundary: boundaryArn }),
        }),
      )
      return true
    }
    case 'put-trust':
      await iam.send(
        new UpdateAssumeRolePolicyCommand({
          RoleName: action.role,
          PolicyDocument: action.after,
        }),
      )
      return true
    case 'attach-policy':
      await iam.send(
        new AttachRolePolicyCommand({ RoleName: action.role, PolicyArn: action.policyArn }),
      )
      return true
    case 'put-inline-policy':
      await iam.send(
        new PutRolePolicyCommand({
          RoleName: action.role,
          PolicyName: action.name,
          PolicyDocument: action.after,
        }),
      )
      return true
    case 'tag-role':
      await iam.send(new TagRoleCommand({ RoleName: action.role, Tags: tagList(action.after) }))
      return true
    default:
      return false
  }
}

const nameOf = (clusterArn: string): string => clusterArn.slice(clusterArn.indexOf('/') + 1)

async function inEks(action: PlanAction, { eks }: Hands): Promise<boolean> {
  if (!('cluster' in action)) return false
  const clusterName = nameOf(action.cluster)
  switch (action.do) {
    case 'create-addon': {
      const { name, settings, tags } = action.addon
      const associations = settings.associations.map((one) => ({ ...one }))
      await eks.send(
        new CreateAddonCommand({
          clusterName,
          addonName: name,
          addonVersion: settings.version,
          tags: { ...tags },
          ...(associations.length > 0 && { podIdentityAssociations: associations }),
        }),
      )
      await waitUntilAddonActive(
        { client: eks, maxWaitTime: 30, minDelay: 1, maxDelay: 1 },
        { clusterName, addonName: name },
      )
      return true
    }
    case 'create-association': {
      const { serviceAccount, settings, tags } = action.association
      await eks.send(
        new CreatePodIdentityAssociationCommand({
          clusterName,
          namespace: serviceAccount.namespace,
          serviceAccount: serviceAccount.name,
          ...settings,
          tags: { ...tags },
        }),
      )
      return true
    }
    case 'create-access-entry': {
      const { groups, principalArn, tags, type, username } = action.entry
      await eks.send(
        new CreateAccessEntryCommand({
          clusterName,
          principalArn,
          type,
          tags: { ...tags },
          ...(groups !== undefined && { kubernetesGroups: [...groups] }),
          ...(username !== undefined && { username }),
        }),
      )
      return true
    }
    case 'associate-access-policy': {
      const { namespaces, policyArn } = action.after
      const accessScope =
        namespaces === undefined
          ? { type: 'cluster' as const }
          : { type: 'namespace' as const, namespaces: [...namespaces] }
      const { principalArn } = action
      await eks.send(
        new AssociateAccessPolicyCommand({ clusterName, principalArn, policyArn, accessScope }),
      )
      return true
    }
    default:
      return false
  }
}

async function inKube(action: PlanAction, { kube }: Hands): Promise<boolean> {
  switch (action.do) {
    case 'create-namespace':
      await kube.create(NAMESPACES, { metadata: { name: action.namespace } })
      return true
    case 'create-service-account': {
      const { annotations, labels, serviceAccount } = action.object
      await kube.create<ServiceAccount>(SERVICE_ACCOUNTS, {
        metadata: { ...serviceAccount, labels: { ...labels }, annotations: { ...annotations } },
      })
      return true
    }
    case 'patch-service-account':
      await kube.mergePatch(SERVICE_ACCOUNTS, action.serviceAccount, { metadata: action.after })
      return true
    default:
      return false
  }
}
