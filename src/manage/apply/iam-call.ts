/** The one call of IAM by which an action is done, as a value: made here, or handed to somebody. Pure. */
import type * as Iam from '@aws-sdk/client-iam'
import { tagList } from '../../iam/tags.ts'
import type { RoleAction } from '../plan/plan.ts'

interface Inputs {
  CreateOpenIDConnectProvider: Iam.CreateOpenIDConnectProviderCommandInput
  DeleteOpenIDConnectProvider: Iam.DeleteOpenIDConnectProviderCommandInput
  AddClientIDToOpenIDConnectProvider: Iam.AddClientIDToOpenIDConnectProviderCommandInput
  RemoveClientIDFromOpenIDConnectProvider: Iam.RemoveClientIDFromOpenIDConnectProviderCommandInput
  CreateRole: Iam.CreateRoleCommandInput
  DeleteRole: Iam.DeleteRoleCommandInput
  UpdateAssumeRolePolicy: Iam.UpdateAssumeRolePolicyCommandInput
  AttachRolePolicy: Iam.AttachRolePolicyCommandInput
  DetachRolePolicy: Iam.DetachRolePolicyCommandInput
  PutRolePolicy: Iam.PutRolePolicyCommandInput
  DeleteRolePolicy: Iam.DeleteRolePolicyCommandInput
  PutRolePermissionsBoundary: Iam.PutRolePermissionsBoundaryCommandInput
  DeleteRolePermissionsBoundary: Iam.DeleteRolePermissionsBoundaryCommandInput
  TagRole: Iam.TagRoleCommandInput
  UntagRole: Iam.UntagRoleCommandInput
}

export type IamCall = {
  readonly [K in keyof Inputs]: { readonly operation: K; readonly input: Inputs[K] }
}[keyof Inputs]

export function iamCallOf(action: RoleAction): IamCall {
  switch (action.do) {
    case 'create-provider': {
      const { arn, clientIds, tags, thumbprints } = action.provider
      const Url = `https://${arn.slice(arn.indexOf('/') + 1)}`
      const input = {
        Url,
        ClientIDList: [...clientIds],
        Tags: tagList(tags),
        ...(thumbprints !== undefined && { ThumbprintList: [...thumbprints] }),
      }
      return { operation: 'CreateOpenIDConnectProvider', input }
    }
    case 'delete-provider': {
      const input = { OpenIDConnectProviderArn: action.provider.arn }
      return { operation: 'DeleteOpenIDConnectProvider', input }
    }
    case 'add-client-id': {
      const input = { OpenIDConnectProviderArn: action.arn, ClientID: action.clientId }
      return { operation: 'AddClientIDToOpenIDConnectProvider', input }
    }
    case 'remove-client-id': {
      const input = { OpenIDConnectProviderArn: action.arn, ClientID: action.clientId }
      return { operation: 'RemoveClientIDFromOpenIDConnectProvider', input }
    }
    case 'create-role': {
      const { arn, boundaryArn, name: RoleName, tags, trustPolicy } = action.role
      const input = {
        RoleName,
        Path: /:role(\/(?:.*\/)?)/.exec(arn)?.[1] ?? '/',
        AssumeRolePolicyDocument: trustPolicy,
        Tags: tagList(tags),
        ...(boundaryArn !== undefined && { PermissionsBoundary: boundaryArn }),
      }
      return { operation: 'CreateRole', input }
    }
    case 'delete-role':
      return { operation: 'DeleteRole', input: { RoleName: action.role.name } }
    default:
      return roleCallOf(action)
  }
}

type OfRole = Extract<RoleAction, { readonly role: string }>

function roleCallOf(action: OfRole): IamCall {
  const RoleName = action.role
  switch (action.do) {
    case 'put-trust': {
      const input = { RoleName, PolicyDocument: action.after }
      return { operation: 'UpdateAssumeRolePolicy', input }
    }
    case 'attach-policy':
      return { operation: 'AttachRolePolicy', input: { RoleName, PolicyArn: action.policyArn } }
    case 'detach-policy':
      return { operation: 'DetachRolePolicy', input: { RoleName, PolicyArn: action.policyArn } }
    case 'put-inline-policy': {
      const input = { RoleName, PolicyName: action.name, PolicyDocument: action.after }
      return { operation: 'PutRolePolicy', input }
    }
    case 'delete-inline-policy':
      return { operation: 'DeleteRolePolicy', input: { RoleName, PolicyName: action.name } }
    case 'put-boundary': {
      const input = { RoleName, PermissionsBoundary: action.after }
      return { operation: 'PutRolePermissionsBoundary', input }
    }
    case 'delete-boundary':
      return { operation: 'DeleteRolePermissionsBoundary', input: { RoleName } }
    case 'tag-role':
      return { operation: 'TagRole', input: { RoleName, Tags: tagList(action.after) } }
    case 'untag-role': {
      const input = { RoleName, TagKeys: Object.keys(action.before) }
      return { operation: 'UntagRole', input }
    }
    default:
      return action satisfies never
  }
}
