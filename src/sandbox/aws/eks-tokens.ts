import { readSignature, type WireRequest } from '../../aws/sigv4-verify.ts'
import { authenticate } from './identity/authentication.ts'
import { AwsFault } from './wire/fault.ts'
import type { World } from './world.ts'

/** Whose EKS token it is. */
export interface EksTokenIdentity {
  readonly accountId: string
  /** As GetCallerIdentity shows it. */
  readonly arn: string
  /** Of the role, with its path, or of the user. */
  readonly principalArn: string
  /** `AROA…` or `AIDA…` */
  readonly uniqueId: string
  readonly sessionName?: string
  readonly accessKeyId: string
}

const PREFIX = 'k8s-aws-v1.'
const TOKEN_MAX = 4096
/** What X-Amz-Expires may say at most, though STS does not look at it. */
const MAX_EXPIRES_SECONDS = 900
const CLUSTER_HEADER = 'x-k8s-aws-id'
const PARAMETERS = new Set([
  'action',
  'version',
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-signedheaders',
  'x-amz-user-agent',
])
const STS_HOST = /^sts(?:-fips)?(?:\.[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?$/

/**
 * Verifies an EKS token: `k8s-aws-v1.` and, in base64url without padding, a presigned
 * GetCallerIdentity whose signature covers the header `x-k8s-aws-id`, the cluster's name (EKS User
 * Guide, "Grant IAM users access to Kubernetes"; aws-iam-authenticator, "API Authorization from
 * Outside a Cluster"). The URL names STS, or the sandbox's own endpoint on the loopback.
 * @returns undefined for anything else
 */
export function verifyEksToken(
  world: World,
  token: string,
  clusterName: string,
): EksTokenIdentity | undefined {
  const wire = readToken(token, clusterName)
  const signature = wire && readSignature(wire)
  if (wire === undefined || signature === undefined || 'ok' in signature) return undefined
  if (signature.service !== 'sts' || !signature.presigned) return undefined
  if (!signature.signedHeaders.includes(CLUSTER_HEADER)) return undefined
  if ((signature.expiresSeconds ?? Infinity) > MAX_EXPIRES_SECONDS) return undefined
  try {
    const request = { wire, body: new Uint8Array(), signature }
    const { caller } = authenticate(world, request, 'query')
    const { accessKeyId } = signature
    if (caller.kind === 'user') {
      const { accountId, arn, userId } = caller
      return { accountId, arn, principalArn: arn, uniqueId: userId, accessKeyId }
    }
    if (caller.kind !== 'role-session') return undefined
    const { accountId, arn, roleArn, roleId, sessionName } = caller
    return { accountId, arn, principalArn: roleArn, uniqueId: roleId, sessionName, accessKeyId }
  } catch (error) {
    if (error instanceof AwsFault) return undefined
    throw error
  }
}

/** The request that a token presigns, as the API server sends it for this cluster. */
function readToken(token: string, clusterName: string): WireRequest | undefined {
  if (!token.startsWith(PREFIX) || token.length > TOKEN_MAX) return undefined
  const encoded = token.slice(PREFIX.length)
  if (!/^[A-Za-z0-9_-]+$/.test(encoded)) return undefined
  const text = Buffer.from(encoded, 'base64url').toString('utf8')
  const url = URL.parse(text)
  if (url === null || (url.pathname !== '/' && url.pathname !== '')) return undefined
  const { username, password, hash } = url
  if (username + password + hash !== '' || !isStsHost(url)) return undefined
  const names = [...url.searchParams.keys()].map((name) => name.toLowerCase())
  if (new Set(names).size !== names.length) return undefined
  if (names.some((name) => !PARAMETERS.has(name))) return undefined
  if (url.searchParams.get('Action') !== 'GetCallerIdentity') return undefined
  return {
    method: 'GET',
    path: '/',
    query: text.slice(text.indexOf('?') + 1),
    headers: new Headers({ host: url.host, [CLUSTER_HEADER]: clusterName }),
  }
}

function isStsHost({ protocol, hostname }: URL): boolean {
  const isLoopback = hostname === '127.0.0.1' || hostname === 'localhost' || hostname === '[::1]'
  return isLoopback || (protocol === 'https:' && STS_HOST.test(hostname))
}
