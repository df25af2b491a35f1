/** IAM of one account by the AWS SDK, read only. */
import type * as IamSdk from '@aws-sdk/client-iam'
import type { AwsAccount } from '../../aws/account.ts'
import { callSdk } from '../../aws/sdk-fault.ts'
import { outlastThrottling } from '../../aws/throttling.ts'
import { tryParseArn } from '../../iam/arn.ts'
import { orAbsent, readFact } from './fact.ts'
import type { IamPort } from './ports.ts'
import type { PolicyFact, RoleFact } from './workload-facts.ts'

type Call = <T>(what: string, send: () => Promise<T>) => Promise<T>

interface Iam {
  readonly sdk: typeof IamSdk
  readonly client: IamSdk.IAMClient
  readonly call: Call
  readonly timeoutMs: number
}

export async function iamPort(account: AwsAccount, timeoutMs: number): Promise<IamPort> {
  const sdk = await import('@aws-sdk/client-iam')
  const client = new sdk.IAMClient(account.clientConfig)
  const call: Call = (what, send) => outlastThrottling(() => callSdk(what, send))
  const iam: Iam = { sdk, client, call, timeoutMs }
  return {
    role: (name) => orAbsent(() => readRole(iam, name)),
    provider: (arn) =>
      orAbsent(async () => {
        const found = await call(`GetOpenIDConnectProvider ${arn}`, () =>
          client.send(new sdk.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: arn })),
        )
        const { ClientIDList: clientIds = [], ThumbprintList: thumbprints = [] } = found
        return { arn, clientIds, thumbprints }
      }),
    providerArns: async () => {
      const found = await call('ListOpenIDConnectProviders', () =>
        client.send(new sdk.ListOpenIDConnectProvidersCommand({})),
      )
      return (found.OpenIDConnectProviderList ?? []).flatMap(({ Arn }) => Arn ?? [])
    },
    allowedByOrganization: async (PolicySourceArn, action, resource) => {
      const input = { PolicySourceArn, ActionNames: [action], ResourceArns: [resource] }
      const { EvaluationResults: [first] = [] } = await call(
        `SimulatePrincipalPolicy ${PolicySourceArn}`,
        () => client.send(new sdk.SimulatePrincipalPolicyCommand(input)),
      )
      return first?.OrganizationsDecisionDetail?.AllowedByOrganizations
    },
    resourcePolicy: (resource) => readBucketPolicy(account, call, resource),
  }
}

async function readRole(iam: Iam, RoleName: string): Promise<RoleFact> {
  const { call, client, sdk, timeoutMs } = iam
  const [{ Role }, policies] = await Promise.all([
    call(`GetRole ${RoleName}`, () => client.send(new sdk.GetRoleCommand({ RoleName }))),
    readFact(() => readPolicies(iam, RoleName), timeoutMs),
  ])
  const boundaryArn = Role?.PermissionsBoundary?.PermissionsBoundaryArn
  return {
    arn: Role?.Arn ?? '',
    name: Role?.RoleName ?? RoleName,
    id: Role?.RoleId ?? '',
    trustPolicy: decodeURIComponent(Role?.AssumeRolePolicyDocument ?? ''),
    maxSessionSeconds: Role?.MaxSessionDuration ?? 3600,
    policies,
    ...(boundaryArn !== undefined && {
      boundary: await readFact(() => readManaged(iam, boundaryArn), timeoutMs),
    }),
  }
}

/** At most 20 managed policies and 10,240 characters of inline ones (IAM quotas): a page each. */
async function readPolicies(iam: Iam, RoleName: string): Promise<readonly PolicyFact[]> {
  const { call, client, sdk } = iam
  const [inline, attached] = await Promise.all([
    call(`ListRolePolicies ${RoleName}`, () =>
      client.send(new sdk.ListRolePoliciesCommand({ RoleName })),
    ),
    call(`ListAttachedRolePolicies ${RoleName}`, () =>
      client.send(new sdk.ListAttachedRolePoliciesCommand({ RoleName })),
    ),
  ])
  return Promise.all([
    ...(inline.PolicyNames ?? []).map(async (PolicyName) => {
      const found = await call(`GetRolePolicy ${RoleName} ${PolicyName}`, () =>
        client.send(new sdk.GetRolePolicyCommand({ RoleName, PolicyName })),
      )
      return { name: `inline:${PolicyName}`, text: decodeURIComponent(found.PolicyDocument ?? '') }
    }),
    ...(attached.AttachedPolicies ?? []).map(({ PolicyArn = '' }) => readManaged(iam, PolicyArn)),
  ])
}

async function readManaged({ call, client, sdk }: Iam, PolicyArn: string): Promise<PolicyFact> {
  const { Policy } = await call(`GetPolicy ${PolicyArn}`, () =>
    client.send(new sdk.GetPolicyCommand({ PolicyArn })),
  )
  const VersionId = Policy?.DefaultVersionId ?? ''
  const { PolicyVersion } = await call(`GetPolicyVersion ${PolicyArn}`, () =>
    client.send(new sdk.GetPolicyVersionCommand({ PolicyArn, VersionId })),
  )
  return { name: PolicyArn, text: decodeURIComponent(PolicyVersion?.Document ?? '') }
}

/** Buckets are the resources whose policies are read. */
async function readBucketPolicy(
  account: AwsAccount,
  call: Call,
  resource: string,
): Promise<PolicyFact | undefined> {
  const arn = tryParseArn(resource)
  const bucket = /^[^/*?]+/.exec(arn?.resource ?? '')?.[0]
  if (arn?.service !== 's3' || bucket === undefined) return undefined
  const { GetBucketPolicyCommand, S3Client } = await import('@aws-sdk/client-s3')
  const s3 = new S3Client({ ...account.clientConfig, forcePathStyle: true })
  return orAbsent(async () => {
    const { Policy } = await call(`GetBucketPolicy ${bucket}`, () =>
      s3.send(new GetBucketPolicyCommand({ Bucket: bucket })),
    )
    return Policy === undefined ? undefined : { name: `bucket:${bucket}`, text: Policy }
  })
}
