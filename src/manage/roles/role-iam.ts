import type * as IamSdk from '@aws-sdk/client-iam'
import type { AwsAccount } from '../../aws/account.ts'
import type { Environment } from '../../aws/endpoints.ts'
import { readIamQuota } from '../../aws/iam-quotas.ts'
import { callSdk } from '../../aws/sdk-fault.ts'
import { tagList } from '../../iam/tags.ts'
import type { Clock } from '../../lib/clock.ts'
import { codeOf } from '../../lib/errors.ts'
import { POLICY_NAME, type ObservedRole, type RolePort } from './role-port.ts'

type Sdk = typeof IamSdk

/** The roles of an account, by the AWS SDK's IAM client. */
export async function iamRoles(
  account: AwsAccount,
  around: { readonly environment: Environment; readonly clock: Clock },
): Promise<RolePort> {
  const sdk = await import('@aws-sdk/client-iam')
  const iam = new sdk.IAMClient(account.clientConfig)
  const send = async (name: string, role: string, call: () => Promise<unknown>): Promise<void> => {
    await callSdk(`${name} ${role}`, call)
  }
  return {
    partition: account.partition,
    accountId: account.accountId,
    get: (name) => getRole(sdk, iam, name),
    trustPolicyOf: async (name) =>
      trustOf((await requireRole(sdk, iam, name)).AssumeRolePolicyDocument),
    create: async (role) => {
      const made = await callSdk(`CreateRole ${role.name}`, () =>
        iam.send(
          new sdk.CreateRoleCommand({
            RoleName: role.name,
            AssumeRolePolicyDocument: role.trustPolicy,
            Tags: tagList(role.tags),
            ...(role.path !== undefined && { Path: role.path }),
            ...(role.description !== undefined && { Description: role.description }),
            ...(role.maxSessionSeconds !== undefined && {
              MaxSessionDuration: role.maxSessionSeconds,
            }),
            ...(role.boundaryArn !== undefined && { PermissionsBoundary: role.boundaryArn }),
          }),
        ),
      )
      return made.Role?.Arn ?? ''
    },
    attach: (RoleName, PolicyArn) =>
      send('AttachRolePolicy', RoleName, () =>
        iam.send(new sdk.AttachRolePolicyCommand({ RoleName, PolicyArn })),
      ),
    putPolicy: (RoleName, PolicyDocument) =>
      send('PutRolePolicy', RoleName, () =>
        iam.send(
          new sdk.PutRolePolicyCommand({ RoleName, PolicyName: POLICY_NAME, PolicyDocument }),
        ),
      ),
    tag: (RoleName, tags) =>
      send('TagRole', RoleName, () =>
        iam.send(new sdk.TagRoleCommand({ RoleName, Tags: tagList(tags) })),
      ),
    putTrustPolicy: (RoleName, PolicyDocument) =>
      send('UpdateAssumeRolePolicy', RoleName, () =>
        iam.send(new sdk.UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument })),
      ),
    clientIdsOf: async (OpenIDConnectProviderArn) => {
      const provider = await orNothing(() =>
        callSdk(`GetOpenIDConnectProvider ${OpenIDConnectProviderArn}`, () =>
          iam.send(new sdk.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn })),
        ),
      )
      return provider === undefined ? undefined : (provider.ClientIDList ?? [])
    },
    trustQuota: () => readIamQuota(account, 'trust-policy-characters', around),
  }
}

async function requireRole(
  sdk: Sdk,
  iam: IamSdk.IAMClient,
  name: string,
): Promise<Partial<IamSdk.Role>> {
  const { Role } = await callSdk(`GetRole ${name}`, () =>
    iam.send(new sdk.GetRoleCommand({ RoleName: name })),
  )
  return Role ?? {}
}

async function getRole(
  sdk: Sdk,
  iam: IamSdk.IAMClient,
  name: string,
): Promise<ObservedRole | undefined> {
  const role = await orNothing(() => requireRole(sdk, iam, name))
  if (role === undefined) return undefined
  const [policyArns, policy] = await Promise.all([
    attachedPolicies(sdk, iam, name),
    orNothing(() =>
      callSdk(`GetRolePolicy ${name}`, () =>
        iam.send(new sdk.GetRolePolicyCommand({ RoleName: name, PolicyName: POLICY_NAME })),
      ),
    ),
  ])
  const boundaryArn = role.PermissionsBoundary?.PermissionsBoundaryArn
  return {
    name: role.RoleName ?? name,
    arn: role.Arn ?? '',
    path: role.Path ?? '/',
    maxSessionSeconds: role.MaxSessionDuration ?? 3600,
    trustPolicy: trustOf(role.AssumeRolePolicyDocument),
    tags: Object.fromEntries((role.Tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value])),
    policyArns,
    ...(role.Description !== undefined && { description: role.Description }),
    ...(boundaryArn !== undefined && { boundaryArn }),
    ...(policy?.PolicyDocument !== undefined && {
      policy: decodeURIComponent(policy.PolicyDocument),
    }),
  }
}

async function attachedPolicies(
  sdk: Sdk,
  iam: IamSdk.IAMClient,
  name: string,
): Promise<readonly string[]> {
  const arns: string[] = []
  let Marker: string | undefined
  do {
    const page = await callSdk(`ListAttachedRolePolicies ${name}`, () =>
      iam.send(new sdk.ListAttachedRolePoliciesCommand({ RoleName: name, Marker })),
    )
    arns.push(...(page.AttachedPolicies ?? []).flatMap(({ PolicyArn }) => PolicyArn ?? []))
    Marker = page.IsTruncated === true ? page.Marker : undefined
  } while (Marker !== undefined)
  return arns
}

/** IAM sends policies URL-encoded (RFC 3986). */
const trustOf = (document: string | undefined): string => decodeURIComponent(document ?? '')

async function orNothing<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (codeOf(error) === 'NoSuchEntity') return undefined
    throw error
  }
}
