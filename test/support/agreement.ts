/** What `explain` says of a token and a trust policy, and what the sandbox's STS does. */
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  GetRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { explain } from '../../src/doctor/explain/explain.ts'
import { known, unknown } from '../../src/doctor/facts/fact.ts'
import { tokenFact } from '../../src/doctor/facts/token-fact.ts'
import type { ProviderFact, WorkloadFacts } from '../../src/doctor/facts/workload-facts.ts'
import { jwksOf } from '../../src/issuer/documents.ts'
import { issuerApp } from '../../src/issuer/issuer-app.ts'
import {
  type AwsFixture,
  REGION,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../../src/sandbox/aws/aws-fixture.suite.ts'
import type { JsonPolicy } from '../oracle/oracle.ts'
import type { Answer } from '../oracle/calls.ts'
import type { Claims } from '../oracle/web-identity.ts'
import {
  ACCOUNT_ID,
  HOST,
  OTHER_HOST,
  PROVIDERS,
  providerArn,
  REQUEST_KEYS,
  ROLE_ARN,
  ROLE_NAME,
  STRANGE_HOST,
} from '../oracle/web-identity-pools.ts'

export interface AgreementStage {
  readonly nowSeconds: number
  /** Signed by the issuer that the claims name; published where STS fetches it. */
  sign(claims: Claims): Promise<string>
  /** What each token gets of the role under that policy, both over the wire. */
  askSts(trust: JsonPolicy, tokens: readonly string[]): Promise<readonly Answer[]>
  /** What is told of each before anybody asks STS. */
  askExplain(trust: JsonPolicy, tokens: readonly string[]): readonly (Answer | 'maybe')[]
  stop(): Promise<void>
}

/** A sandbox with the role, the issuers and the account's providers. */
export async function startAgreementStage(): Promise<AgreementStage> {
  const fixture = await startAwsFixture()
  const { iam } = fixture.clients(fixture.admin)
  const jwks = (): ReturnType<typeof jwksOf> => jwksOf([fixture.key])
  for (const host of [HOST, OTHER_HOST, STRANGE_HOST]) {
    const issuer = `https://${host}`
    fixture.aws.addIssuer(new URL(issuer).hostname, issuerApp({ issuer, jwks }))
  }
  for (const [Url, clientIds] of Object.entries(PROVIDERS)) {
    await iam.send(new CreateOpenIDConnectProviderCommand({ Url, ClientIDList: [...clientIds] }))
  }
  const AssumeRolePolicyDocument = trustOf({ AWS: ACCOUNT_ID }, 'sts:AssumeRole')
  await iam.send(new CreateRoleCommand({ RoleName: ROLE_NAME, AssumeRolePolicyDocument }))
  return {
    nowSeconds: Math.floor(fixture.clock.now() / 1000),
    // The fixture's own times come first: a claim that is undefined is left out.
    sign: (claims) => fixture.token({ iat: undefined, exp: undefined, ...claims }),
    askSts: async (trust, tokens) => {
      const put = putTrust(iam, trust)
      if (!(await put)) return tokens.map(() => 'refused')
      return Promise.all(tokens.map((token) => assume(fixture.endpoint, token)))
    },
    askExplain: (trust, tokens) =>
      tokens.map((token) => foresee(factsOf(JSON.stringify(trust), token, fixture.clock.now()))),
    stop: () => fixture.stop(),
  }
}

type IamClient = ReturnType<AwsFixture['clients']>['iam']

/** False where IAM does not take the policy; what it keeps is what was given. */
export async function putTrust(iam: IamClient, trust: JsonPolicy): Promise<boolean> {
  const PolicyDocument = JSON.stringify(trust)
  const put = iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: ROLE_NAME, PolicyDocument }))
  try {
    await put
  } catch {
    const { code, message } = await refusalOf(put)
    if (code.startsWith('MalformedPolicyDocument')) return false
    throw new Error(`${code}: ${message}`)
  }
  const { Role } = await iam.send(new GetRoleCommand({ RoleName: ROLE_NAME }))
  const kept: unknown = JSON.parse(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? ''))
  if (!Bun.deepEquals(kept, JSON.parse(PolicyDocument))) {
    throw new Error(`IAM kept ${JSON.stringify(kept)} of ${PolicyDocument}`)
  }
  return true
}

/** Codes of a refusal that is the token's or the trust policy's doing. */
const REFUSALS = /<Code>(?:AccessDenied|InvalidIdentityToken|ExpiredTokenException)<\/Code>/

/** What a token gets of the role. */
export async function assume(endpoint: string, token: string): Promise<Answer> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'user-agent': REQUEST_KEYS['aws:UserAgent'],
    },
    body: new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: ROLE_ARN,
      RoleSessionName: REQUEST_KEYS['sts:RoleSessionName'],
      WebIdentityToken: token,
    }),
    proxy: false,
    signal: AbortSignal.timeout(60_000),
  })
  const text = await response.text()
  if (response.ok && text.includes('<SecretAccessKey>')) return 'yes'
  if (REFUSALS.test(text)) return 'no'
  throw new Error(`STS answered ${response.status} ${text}`)
}

/** What `explain` says of the links at which AWS decides over the role. */
export function foresee(facts: WorkloadFacts): Answer | 'maybe' {
  const { links } = explain(facts)
  // Whose token it is makes no difference to STS.
  const decisive = links.filter(
    (said) =>
      ['token', 'provider', 'trust'].includes(said.link) &&
      !(said.status === 'broken' && said.reason === 'token-of-another'),
  )
  if (decisive.some(({ status }) => status === 'broken')) return 'no'
  const open = decisive.find(({ status }) => status === 'unknown')
  if (open === undefined) return 'yes'
  return open.text.includes('cannot be judged') ? 'refused' : 'maybe'
}

/** A workload whose service account is annotated with the role, and the token that was given. */
function factsOf(trustPolicy: string, text: string, nowMs: number): WorkloadFacts {
  const token = tokenFact(text)
  return {
    ...roleFacts(trustPolicy, nowMs),
    token,
    provider: known(providerOf(token.issuer)),
    providerArns: known(Object.keys(PROVIDERS).map((url) => arnOf(url))),
  }
}

const offline = unknown('nothing is asked')

/** The role and its service account; nobody asks for it yet. */
export function roleFacts(trustPolicy: string, nowMs: number): WorkloadFacts {
  return {
    nowMs,
    subject: { namespace: 'shop', name: 'web' },
    account: { accountId: ACCOUNT_ID, partition: 'aws', region: REGION },
    cluster: { kind: 'not-named', isAutoMode: false, issuer: offline, keys: offline },
    serviceAccount: known({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: {
        namespace: 'shop',
        name: 'web',
        annotations: { 'eks.amazonaws.com/role-arn': ROLE_ARN },
      },
    }),
    pod: known(undefined),
    webhooks: offline,
    outside: offline,
    role: known({
      arn: ROLE_ARN,
      name: ROLE_NAME,
      id: 'AROAEXAMPLEEXAMPLE111',
      trustPolicy,
      maxSessionSeconds: 3600,
      policies: known([]),
    }),
    provider: known(undefined),
    providerArns: known([]),
    association: known(undefined),
    targetRole: known(undefined),
    agent: offline,
    networkPolicies: offline,
    policyEnforcer: offline,
  }
}

const arnOf = (issuer: string): string => providerArn(issuer.slice('https://'.length))

function providerOf(issuer: string): ProviderFact | undefined {
  const clientIds = Object.entries(PROVIDERS).find(([url]) => url === issuer)?.[1]
  return clientIds && { arn: arnOf(issuer), clientIds, thumbprints: [] }
}
