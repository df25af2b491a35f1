/** Tokens and policies, without any server. */
import { createPublicKey, sign, verify } from 'node:crypto'
import { authorize, authorizeTrust } from '../src/iam/evaluate.ts'
import { parsePolicy } from '../src/iam/policy.ts'
import type { PolicyKind } from '../src/iam/policy-document.ts'
import { principalContext } from '../src/iam/principal.ts'
import type { AccessRequest } from '../src/iam/request.ts'
import { fleetSubject, subjectOf } from '../src/iam/service-account-name.ts'
import { fleetTrust, irsaTrust } from '../src/iam/trust.ts'
import { jwksOf } from '../src/issuer/documents.ts'
import { generateSigningKey } from '../src/issuer/keys.ts'
import { signToken } from '../src/issuer/sign.ts'
import { createKeySet } from '../src/token/jwks.ts'
import { verifyToken } from '../src/token/verify.ts'
import { ACCOUNT, ISSUER, podClaims, ROLE } from './fixtures.ts'
import { type Bench, compareFunctions, type Comparison } from './measure.ts'

/** A projected pod token, verified and signed; the keys are imported beforehand on both sides. */
export async function measureTokens(bench: Bench): Promise<Comparison[]> {
  const comparisons: Comparison[] = []
  for (const algorithm of ['ES256', 'RS256'] as const) {
    const key = await generateSigningKey(algorithm)
    const claims = podClaims(1)
    const token = (await signToken(key, claims)).reveal()
    const keys = createKeySet(jwksOf([key]))
    const { privateKey } = key
    const publicKey = createPublicKey(privateKey)
    const cut = token.lastIndexOf('.')
    const data = Buffer.from(token.slice(0, cut))
    const signature = Buffer.from(token.slice(cut + 1), 'base64url')
    const dsaEncoding = 'ieee-p1363'
    const isGood = (): boolean => verify('sha256', data, { key: publicKey, dsaEncoding }, signature)
    if (!isGood()) throw new Error('the floor verifies nothing')
    comparisons.push(
      await compareFunctions(bench, {
        name: `token: verifyToken ${algorithm}`,
        floorDoes: 'node:crypto verify',
        own: () => verifyToken(token, { keys, issuer: ISSUER, nowMs: Date.now() }),
        floor: isGood,
      }),
      await compareFunctions(bench, {
        name: `token: signToken ${algorithm}`,
        floorDoes: 'node:crypto sign',
        own: () => signToken(key, claims),
        floor: () => sign('sha256', data, { key: privateKey, dsaEncoding }),
      }),
    )
  }
  return comparisons
}

const PROVIDER = `arn:aws:iam::${ACCOUNT}:oidc-provider/fleet.example`
const CLUSTERS = Array.from({ length: 30 }, (_, number) => `cluster-${number}`)
const subject = { namespace: 'shop', name: 'worker' }

/** Decisions over parsed policies, and the parsing that comes before them. */
export async function measurePolicies(bench: Bench): Promise<Comparison[]> {
  const common = { partition: 'aws', accountId: ACCOUNT, issuer: 'https://fleet.example' }
  const last = CLUSTERS.at(-1) ?? ''
  const trusts = [
    { trust: irsaTrust({ ...common, subjects: [subject] }), sub: subjectOf(subject) },
    {
      trust: fleetTrust({ ...common, clusters: CLUSTERS, serviceAccount: subject }),
      sub: fleetSubject(last, subject),
    },
  ]
  const identities = [identityPolicy(1), identityPolicy(25)]
  const comparisons: Comparison[] = []
  for (const [at, text] of identities.entries()) {
    comparisons.push(await measureIdentity(bench, sized('authorize', at, text), text))
  }
  for (const [at, { trust, sub }] of trusts.entries()) {
    const text = JSON.stringify(trust)
    const name = sized('authorizeTrust', at, text)
    comparisons.push(await measureTrust(bench, { name, text, sub }))
  }
  for (const [at, text] of identities.entries()) {
    const name = sized('parsePolicy', at, text)
    comparisons.push(await compareWithJson(bench, { name, text, kind: 'identity' }))
  }
  return comparisons
}

const sized = (name: string, at: number, text: string): string =>
  `policy: ${name}, ${at === 0 ? 'small' : 'large'} (${(text.length / 1000).toFixed(1)} kB)`

function measureIdentity(bench: Bench, name: string, text: string): Promise<Comparison> {
  const caller = {
    kind: 'role-session',
    accountId: ACCOUNT,
    arn: `arn:aws:sts::${ACCOUNT}:assumed-role/worker/s`,
    roleArn: ROLE,
    roleId: 'AROAEXAMPLE',
    sessionName: 's',
  } as const
  const request: AccessRequest = {
    caller,
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::bucket-0/shop/a/b/c.txt',
    resourceAccountId: ACCOUNT,
    context: {
      ...principalContext(caller),
      'aws:PrincipalTag/kubernetes-namespace': 'shop',
      'aws:SourceIp': '10.1.2.3',
    },
  }
  const document = parsePolicy(text, 'identity')
  const own = (): unknown => authorize(request, { identity: [{ name: 'inline', document }] })
  return compareDecision(bench, { name, text, own })
}

function measureTrust(
  bench: Bench,
  measure: { readonly name: string; readonly text: string; readonly sub: string },
): Promise<Comparison> {
  const { name, text, sub } = measure
  const request: AccessRequest = {
    caller: { kind: 'web-identity', provider: PROVIDER },
    action: 'sts:AssumeRoleWithWebIdentity',
    resource: ROLE,
    resourceAccountId: ACCOUNT,
    context: {
      'fleet.example:aud': 'sts.amazonaws.com',
      'fleet.example:sub': sub,
      'sts:RoleAuthorizedByIdp': 'true',
    },
  }
  const trust = { name: 'trust', document: parsePolicy(text, 'trust') }
  return compareDecision(bench, {
    name,
    text,
    own: () => authorizeTrust(request, trust, { identity: [] }),
  })
}

function compareDecision(
  bench: Bench,
  measure: { readonly name: string; readonly text: string; readonly own: () => unknown },
): Promise<Comparison> {
  const { name, text, own } = measure
  const decision = own() as { allowed: boolean; text: string }
  if (!decision.allowed) throw new Error(`${name}: ${decision.text}`)
  const floor = (): unknown => JSON.parse(text)
  return compareFunctions(bench, { name, floorDoes: 'JSON.parse of the policy', own, floor })
}

function compareWithJson(
  bench: Bench,
  measure: { readonly name: string; readonly text: string; readonly kind: PolicyKind },
): Promise<Comparison> {
  const { name, text, kind } = measure
  return compareFunctions(bench, {
    name,
    floorDoes: 'JSON.parse of the policy',
    own: () => parsePolicy(text, kind),
    floor: () => JSON.parse(text) as unknown,
  })
}

/** Statements of which the last one allows: every one is judged in any case. */
function identityPolicy(statements: number): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: Array.from({ length: statements }, (_, index) => {
      const number = statements - 1 - index
      return {
        Sid: `Read${number}`,
        Effect: 'Allow',
        Action: ['s3:Get*', 's3:ListBucket'],
        Resource: [
          `arn:aws:s3:::bucket-${number}`,
          `arn:aws:s3:::bucket-${number}/\${aws:PrincipalTag/kubernetes-namespace}/*`,
        ],
        Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
      }
    }),
  })
}
