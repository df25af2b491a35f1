/** Steps as the commands of the AWS CLI and kubectl that do them, for whoever may. Pure. */
import { parseArn } from '../../iam/arn.ts'
import { OWNER_TAG } from '../../iam/tags.ts'
import { isKubernetesAction } from '../apply/action-port.ts'
import {
  accessPolicyOf,
  addonChange,
  associationChange,
  entryChange,
  newAddon,
  newAssociation,
  newEntry,
} from '../apply/eks-requests.ts'
import { type IamCall, iamCallOf } from '../apply/iam-call.ts'
import { newAddonInput } from '../eks/eks-addons.ts'
import type { ClusterAction, KubernetesAction, PlanAction } from '../plan/plan.ts'

/** A step in somebody else's hands: one command, and the file that it reads. */
export interface HandedCommand {
  /** `create-role`: for the file's name. */
  readonly name: string
  /** The words of the command, for the file's name in its folder. */
  readonly words: (file: string) => readonly string[]
  /** JSON; undefined where the command says all. */
  readonly input?: object
  /** What is to be waited for behind it: another command. */
  readonly wait?: readonly string[]
}

export interface HandOverPlace {
  /** Where IAM is asked: it decides the partition. */
  readonly region: string
  /** Names the context of kubectl, where a plan is for several clusters. */
  readonly withContexts: boolean
}

/** Undefined for what neither program can do: associations on a broker, the webhook. */
export function commandOf(action: PlanAction, place: HandOverPlace): HandedCommand | undefined {
  if (!('cluster' in action)) {
    const { input, operation } = iamCallOf(action)
    return awsCommand({ service: 'iam', operation: IAM_OPERATIONS[operation], input }, place.region)
  }
  if (isKubernetesAction(action)) return kubectlCommand(action, place)
  const { region, service } = parseArn(action.cluster)
  return service === 'eks' ? eksCommand(action, region) : undefined
}

/** As botocore's `xform_name` spells them. */
const IAM_OPERATIONS: { readonly [K in IamCall['operation']]: string } = {
  CreateOpenIDConnectProvider: 'create-open-id-connect-provider',
  DeleteOpenIDConnectProvider: 'delete-open-id-connect-provider',
  AddClientIDToOpenIDConnectProvider: 'add-client-id-to-open-id-connect-provider',
  RemoveClientIDFromOpenIDConnectProvider: 'remove-client-id-from-open-id-connect-provider',
  CreateRole: 'create-role',
  DeleteRole: 'delete-role',
  UpdateAssumeRolePolicy: 'update-assume-role-policy',
  AttachRolePolicy: 'attach-role-policy',
  DetachRolePolicy: 'detach-role-policy',
  PutRolePolicy: 'put-role-policy',
  DeleteRolePolicy: 'delete-role-policy',
  PutRolePermissionsBoundary: 'put-role-permissions-boundary',
  DeleteRolePermissionsBoundary: 'delete-role-permissions-boundary',
  TagRole: 'tag-role',
  UntagRole: 'untag-role',
}

interface AwsCall {
  readonly service: 'iam' | 'eks'
  readonly operation: string
  readonly input: object
  /** Words behind `aws eks wait`. */
  readonly wait?: readonly string[]
}

const awsCommand = (
  { input, operation, service, wait }: AwsCall,
  region: string,
): HandedCommand => ({
  name: operation,
  input,
  words: (file) => [
    'aws',
    service,
    operation,
    '--region',
    region,
    '--cli-input-json',
    `file://${file}`,
  ],
  ...(wait !== undefined && { wait: ['aws', service, 'wait', ...wait, '--region', region] }),
})

function eksCommand(action: ClusterAction, region: string): HandedCommand | undefined {
  const clusterName = nameOf(action.cluster)
  const call = addonCall(action, clusterName) ?? memberCall(action, clusterName)
  return call === undefined ? undefined : awsCommand({ service: 'eks', ...call }, region)
}

const nameOf = (clusterArn: string): string => clusterArn.slice(clusterArn.indexOf('/') + 1)

type EksCall = Omit<AwsCall, 'service'>

function addonCall(action: ClusterAction, clusterName: string): EksCall | undefined {
  const waitFor = (state: string, addonName: string): readonly string[] => [
    state,
    '--cluster-name',
    clusterName,
    '--addon-name',
    addonName,
  ]
  switch (action.do) {
    case 'create-addon': {
      const input = { clusterName, ...newAddonInput(newAddon(action.addon)) }
      const wait = waitFor('addon-active', action.addon.name)
      return { operation: 'create-addon', input, wait }
    }
    case 'update-addon': {
      const { name: addonName } = action
      const input = { clusterName, addonName, ...addonChange(action) }
      return { operation: 'update-addon', input, wait: waitFor('addon-active', addonName) }
    }
    case 'delete-addon': {
      const { name: addonName } = action.addon
      const wait = waitFor('addon-deleted', addonName)
      return { operation: 'delete-addon', input: { clusterName, addonName }, wait }
    }
    case 'update-authentication-mode': {
      const input = { name: clusterName, accessConfig: { authenticationMode: action.after } }
      const wait = ['cluster-active', '--name', clusterName]
      return { operation: 'update-cluster-config', input, wait }
    }
    default:
      return undefined
  }
}

function memberCall(action: ClusterAction, clusterName: string): EksCall | undefined {
  switch (action.do) {
    case 'create-association': {
      const input = { clusterName, ...newAssociation(action.association) }
      return { operation: 'create-pod-identity-association', input }
    }
    case 'update-association': {
      const { after, associationId } = action
      const input = { clusterName, associationId, ...associationChange(after) }
      return { operation: 'update-pod-identity-association', input }
    }
    case 'delete-association': {
      const { associationId } = action.association
      if (associationId === undefined) return undefined
      const input = { clusterName, associationId }
      return { operation: 'delete-pod-identity-association', input }
    }
    case 'tag-resource': {
      const input = { resourceArn: action.arn, tags: action.after }
      return { operation: 'tag-resource', input }
    }
    case 'untag-resource': {
      const input = { resourceArn: action.arn, tagKeys: Object.keys(action.before) }
      return { operation: 'untag-resource', input }
    }
    default:
      return entryCall(action, clusterName)
  }
}

function entryCall(action: ClusterAction, clusterName: string): EksCall | undefined {
  switch (action.do) {
    case 'create-access-entry':
      return {
        operation: 'create-access-entry',
        input: { clusterName, ...newEntry(action.entry) },
      }
    case 'update-access-entry': {
      const { principalArn } = action
      const input = { clusterName, principalArn, ...entryChange(action) }
      return { operation: 'update-access-entry', input }
    }
    case 'delete-access-entry': {
      const { principalArn } = action.entry
      return { operation: 'delete-access-entry', input: { clusterName, principalArn } }
    }
    case 'associate-access-policy': {
      const { after, principalArn } = action
      const input = { clusterName, principalArn, ...accessPolicyOf(after) }
      return { operation: 'associate-access-policy', input }
    }
    case 'disassociate-access-policy': {
      const { before, principalArn } = action
      const input = { clusterName, principalArn, policyArn: before.policyArn }
      return { operation: 'disassociate-access-policy', input }
    }
    default:
      return undefined
  }
}

/** `create` and not `apply`, which would add an annotation of its own. */
function kubectlCommand(action: KubernetesAction, { withContexts }: HandOverPlace): HandedCommand {
  const kubectl = ['kubectl', ...(withContexts ? ['--context', action.cluster] : [])]
  const create = (file: string): readonly string[] => [...kubectl, 'create', '-f', file]
  const name = action.do
  switch (action.do) {
    case 'create-namespace': {
      const metadata = { name: action.namespace, annotations: OWNER_TAG }
      return { name, words: create, input: { apiVersion: 'v1', kind: 'Namespace', metadata } }
    }
    case 'delete-namespace':
      return { name, words: () => [...kubectl, 'delete', 'namespace', action.namespace] }
    case 'create-service-account': {
      const { annotations, labels, serviceAccount } = action.object
      const metadata = { ...serviceAccount, labels, annotations }
      return { name, words: create, input: { apiVersion: 'v1', kind: 'ServiceAccount', metadata } }
    }
    case 'delete-service-account': {
      const { name: of, namespace } = action.object.serviceAccount
      const words = [...kubectl, 'delete', 'serviceaccount', of, '--namespace', namespace]
      return { name, words: () => words }
    }
    case 'patch-service-account': {
      const { name: of, namespace } = action.serviceAccount
      const patch = [...kubectl, 'patch', 'serviceaccount', of, '--namespace', namespace]
      return {
        name,
        words: (file) => [...patch, '--type', 'merge', '--patch-file', file],
        input: { metadata: action.after },
      }
    }
    default:
      return action satisfies never
  }
}
