import type * as IamSdk from '@aws-sdk/client-iam'
import type { AwsAccount } from '../../aws/account.ts'
import { callSdk } from '../../aws/sdk-fault.ts'
import { outlastThrottling } from '../../aws/throttling.ts'
import type { Tags } from '../../iam/tags.ts'
import { codeOf } from '../../lib/errors.ts'
import { objectOf } from '../plan/action-id.ts'
import { providerOf } from '../observe/iam-reader.ts'
import type { PlanRole } from '../plan/observed-state.ts'
import type { RoleAction } from '../plan/plan.ts'
import type { KeepPriorTrust } from '../roles/prior-trust.ts'
import { type IamCall, iamCallOf } from './iam-call.ts'
import type { Found } from './slots.ts'

export interface IamPort {
  look(action: RoleAction): Promise<Found>
  act(action: RoleAction): Promise<void>
}

interface Iam {
  readonly sdk: typeof IamSdk
  readonly client: IamSdk.IAMClient
  readonly call: <T>(what: string, send: () => Promise<T>) => Promise<T>
}

/**
 * Roles and OIDC providers of an account, by the AWS SDK. A trust policy is kept as it was before it
 * is written: IAM keeps no versions.
 */
export async function iamPort(account: AwsAccount, keep: KeepPriorTrust): Promise<IamPort> {
  const sdk = await import('@aws-sdk/client-iam')
  const iam: Iam = {
    sdk,
    client: new sdk.IAMClient(account.clientConfig),
    call: (what, send) => outlastThrottling(() => callSdk(what, send)),
  }
  return {
    look: (action) => look(iam, action),
    act: async (action) => {
      if (action.do === 'put-trust') {
        keep({ accountId: account.accountId, name: action.role }, action.before)
      }
      const wanted = iamCallOf(action)
      await iam.call(`${wanted.operation} ${objectOf(action)}`, () => send(iam, wanted))
    },
  }
}

async function look(iam: Iam, action: RoleAction): Promise<Found> {
  switch (action.do) {
    case 'create-provider':
    case 'delete-provider':
      return lookAtProvider(iam, action.provider.arn)
    case 'add-client-id':
    case 'remove-client-id':
      return lookAtProvider(iam, action.arn)
    case 'create-role':
    case 'delete-role':
      return foundRole(await readRole(iam, action.role.name, { policies: true, inline: true }))
    case 'attach-policy':
    case 'detach-policy':
      return foundRole(await readRole(iam, action.role, { policies: true }))
    case 'put-inline-policy':
    case 'delete-inline-policy':
      return foundRole(await readRole(iam, action.role, { inlineName: action.name }))
    default:
      return foundRole(await readRole(iam, action.role, {}))
  }
}

const foundRole = (role: PlanRole | undefined): Found => (role === undefined ? {} : { role })

async function lookAtProvider(iam: Iam, arn: string): Promise<Found> {
  const { call, client, sdk } = iam
  const found = await orNothing(() =>
    call(`GetOpenIDConnectProvider ${arn}`, () =>
      client.send(new sdk.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: arn })),
    ),
  )
  if (found === undefined) return {}
  return { provider: providerOf(arn, found) }
}

interface RoleParts {
  readonly policies?: boolean
  /** The names of its inline policies; their texts are left out. */
  readonly inline?: boolean
  /** The text of this one. */
  readonly inlineName?: string
}

/** A role with those parts of it that are asked for, each a call of its own. */
async function readRole(
  iam: Iam,
  RoleName: string,
  parts: RoleParts,
): Promise<PlanRole | undefined> {
  const { call, client, sdk } = iam
  return orNothing(async () => {
    const [{ Role }, policyArns, inline] = await Promise.all([
      call(`GetRole ${RoleName}`, () => client.send(new sdk.GetRoleCommand({ RoleName }))),
      parts.policies === true ? attachedTo(iam, RoleName) : [],
      inlineOf(iam, RoleName, parts),
    ])
    const boundaryArn = Role?.PermissionsBoundary?.PermissionsBoundaryArn
    return {
      name: RoleName,
      arn: Role?.Arn ?? '',
      trustPolicy: decodeURIComponent(Role?.AssumeRolePolicyDocument ?? ''),
      tags: tagsOf(Role?.Tags),
      policyArns,
      inline,
      ...(boundaryArn !== undefined && { boundaryArn }),
    }
  })
}

async function attachedTo(
  { call, client, sdk }: Iam,
  RoleName: string,
): Promise<readonly string[]> {
  return call(`ListAttachedRolePolicies ${RoleName}`, async () => {
    const pages = await Array.fromAsync(
      sdk.paginateListAttachedRolePolicies({ client }, { RoleName }),
    )
    return pages
      .flatMap(({ AttachedPolicies }) => AttachedPolicies ?? [])
      .flatMap(({ PolicyArn }) => PolicyArn ?? [])
  })
}

async function inlineOf(
  { call, client, sdk }: Iam,
  RoleName: string,
  { inline, inlineName: PolicyName }: RoleParts,
): Promise<Record<string, string>> {
  if (PolicyName !== undefined) {
    const found = await orNothing(() =>
      call(`GetRolePolicy ${RoleName} ${PolicyName}`, () =>
        client.send(new sdk.GetRolePolicyCommand({ RoleName, PolicyName })),
      ),
    )
    return found === undefined
      ? {}
      : { [PolicyName]: decodeURIComponent(found.PolicyDocument ?? '') }
  }
  if (inline !== true) return {}
  return call(`ListRolePolicies ${RoleName}`, async () => {
    const pages = await Array.fromAsync(sdk.paginateListRolePolicies({ client }, { RoleName }))
    const names = pages.flatMap(({ PolicyNames }) => PolicyNames ?? [])
    return Object.fromEntries(names.map((name) => [name, '']))
  })
}

const tagsOf = (tags: readonly IamSdk.Tag[] = []): Tags =>
  Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]))

async function orNothing<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (codeOf(error) === 'NoSuchEntity') return undefined
    throw error
  }
}

/** The client's own command for each operation. */
async function send({ client, sdk }: Iam, { input, operation }: IamCall): Promise<void> {
  switch (operation) {
    case 'CreateOpenIDConnectProvider':
      return void (await client.send(new sdk.CreateOpenIDConnectProviderCommand(input)))
    case 'DeleteOpenIDConnectProvider':
      return void (await client.send(new sdk.DeleteOpenIDConnectProviderCommand(input)))
    case 'AddClientIDToOpenIDConnectProvider':
      return void (await client.send(new sdk.AddClientIDToOpenIDConnectProviderCommand(input)))
    case 'RemoveClientIDFromOpenIDConnectProvider':
      return void (await client.send(new sdk.RemoveClientIDFromOpenIDConnectProviderCommand(input)))
    case 'CreateRole':
      return void (await client.send(new sdk.CreateRoleCommand(input)))
    case 'DeleteRole':
      return void (await client.send(new sdk.DeleteRoleCommand(input)))
    case 'UpdateAssumeRolePolicy':
      return void (await client.send(new sdk.UpdateAssumeRolePolicyCommand(input)))
    case 'AttachRolePolicy':
      return void (await client.send(new sdk.AttachRolePolicyCommand(input)))
    case 'DetachRolePolicy':
      return void (await client.send(new sdk.DetachRolePolicyCommand(input)))
    case 'PutRolePolicy':
      return void (await client.send(new sdk.PutRolePolicyCommand(input)))
    case 'DeleteRolePolicy':
      return void (await client.send(new sdk.DeleteRolePolicyCommand(input)))
    case 'PutRolePermissionsBoundary':
      return void (await client.send(new sdk.PutRolePermissionsBoundaryCommand(input)))
    case 'DeleteRolePermissionsBoundary':
      return void (await client.send(new sdk.DeleteRolePermissionsBoundaryCommand(input)))
    case 'TagRole':
      return void (await client.send(new sdk.TagRoleCommand(input)))
    case 'UntagRole':
      return void (await client.send(new sdk.UntagRoleCommand(input)))
    default:
      return input satisfies never
  }
}
