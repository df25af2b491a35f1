import { EKS } from '@aws-sdk/client-eks'
import { IAM } from '@aws-sdk/client-iam'
import { type Credentials, STS } from '@aws-sdk/client-sts'
import { did, equal, present, refused, SETTINGS } from './checks.ts'
import { serviceAccountToken } from './kubernetes.ts'

const AUDIENCE = 'sts.amazonaws.com'

export async function runSts(): Promise<void> {
  const sts = new STS(SETTINGS)
  const { Account, Arn } = await sts.getCallerIdentity({})
  const account = present(Account)
  equal('who I am', Arn, `arn:aws:iam::${account}:user/admin`)
  did('sts', 'caller-identity', 'read')
  const { accessKeyId } = await sts.config.credentials()
  const info = await sts.getAccessKeyInfo({ AccessKeyId: accessKeyId })
  equal('whose key it is', info.Account, account)
  did('sts', 'access-key-info', 'read')
  const issued = await sts.getSessionToken({ DurationSeconds: 900 })
  equal("a user's session", await callerOf(issued.Credentials), Arn)
  did('sts', 'user-session', 'create')
  await roleSession(sts, account)
  await webIdentitySession(account)
}

/** Who those credentials say that they are. */
async function callerOf(issued: Credentials | undefined): Promise<string | undefined> {
  const credentials = {
    accessKeyId: present(issued?.AccessKeyId),
    secretAccessKey: present(issued?.SecretAccessKey),
    sessionToken: present(issued?.SessionToken),
  }
  return (await new STS({ ...SETTINGS, credentials }).getCallerIdentity({})).Arn
}

async function createRole(RoleName: string, statement: object): Promise<string> {
  const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] }
  const { Role } = await new IAM(SETTINGS).createRole({
    RoleName,
    AssumeRolePolicyDocument: JSON.stringify(trust),
  })
  return present(Role?.Arn)
}

async function roleSession(sts: STS, account: string): Promise<void> {
  const RoleArn = await createRole('reader', {
    Principal: { AWS: account },
    Action: 'sts:AssumeRole',
    Condition: { StringEquals: { 'sts:ExternalId': 'the-id' } },
  })
  const input = { RoleArn, RoleSessionName: 'js' }
  await refused('AccessDenied', sts.assumeRole(input))
  const issued = await sts.assumeRole({ ...input, ExternalId: 'the-id' })
  const wanted = `arn:aws:sts::${account}:assumed-role/reader/js`
  equal("the session's ARN", issued.AssumedRoleUser?.Arn, wanted)
  equal("a role's session", await callerOf(issued.Credentials), wanted)
  did('sts', 'role-session', 'create')
}

async function webIdentitySession(account: string): Promise<void> {
  const eks = new EKS(SETTINGS)
  const name = present((await eks.listClusters({})).clusters?.[0])
  const { cluster } = await eks.describeCluster({ name })
  const issuer = present(cluster?.identity?.oidc?.issuer)
  const provider = await new IAM(SETTINGS).createOpenIDConnectProvider({
    Url: issuer,
    ClientIDList: [AUDIENCE],
  })
  const host = issuer.replace('https://', '')
  const subject = 'system:serviceaccount:default:js'
  const RoleArn = await createRole('pod', {
    Principal: { Federated: provider.OpenIDConnectProviderArn },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: { StringEquals: { [`${host}:aud`]: AUDIENCE, [`${host}:sub`]: subject } },
  })
  const WebIdentityToken = await serviceAccountToken('js', AUDIENCE)
  // STS is asked without any key: the SDK signs this call with none.
  const nobody = new STS({ ...SETTINGS, credentials: () => Promise.reject(new Error('no key')) })
  const input = { RoleArn, RoleSessionName: 'js', WebIdentityToken }
  const issued = await nobody.assumeRoleWithWebIdentity(input)
  equal("the token's subject", issued.SubjectFromWebIdentityToken, subject)
  equal("the token's audience", issued.Audience, AUDIENCE)
  const session = `arn:aws:sts::${account}:assumed-role/pod/js`
  equal("a pod's session", await callerOf(issued.Credentials), session)
  did('sts', 'web-identity-session', 'create')
}
