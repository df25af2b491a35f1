/** The claims of a token, checked for their types (RFC 7519 section 4.1). */
export interface TokenClaims {
  readonly iss: string
  readonly sub: string
  /** Always a list, also where the token holds one string. */
  readonly aud: readonly string[]
  readonly azp?: string
  /** Seconds since the epoch, integers: AWS STS takes no others. */
  readonly exp: number
  readonly iat?: number
  readonly nbf?: number
  readonly jti?: string
  /** Every claim as it stands in the token. */
  readonly raw: Readonly<Record<string, unknown>>
}

/** Who a service account token is for, and what it is bound to. */
export interface ServiceAccountIdentity {
  readonly namespace: string
  readonly name: string
  readonly uid?: string
  readonly podName?: string
  readonly podUid?: string
  readonly nodeName?: string
  readonly nodeUid?: string
}

/** A claim that is missing or of the wrong type. */
export interface ClaimProblem {
  readonly claim: string
  readonly missing: boolean
  readonly wanted: string
}

const MAX_AUDIENCES = 100

/** Reads the claims of a decoded token; a problem instead where one is missing or of another type. */
export function readClaims(raw: Readonly<Record<string, unknown>>): TokenClaims | ClaimProblem {
  const problem = firstProblem(raw)
  if (problem !== undefined) return problem
  const { iss, sub, azp, exp, iat, nbf, jti } = raw
  return {
    iss: String(iss),
    sub: String(sub),
    aud: audiencesOf(raw['aud']) ?? [],
    ...(typeof azp === 'string' && { azp }),
    exp: Number(exp),
    ...(typeof iat === 'number' && { iat }),
    ...(typeof nbf === 'number' && { nbf }),
    ...(typeof jti === 'string' && { jti }),
    raw,
  }
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

/** Made once: every token is held against it. */
const RULES: readonly {
  readonly claim: string
  readonly required: boolean
  readonly isGood: (value: unknown) => boolean
  readonly wanted: string
}[] = [
  { claim: 'iss', required: true, isGood: isText, wanted: 'a string' },
  { claim: 'sub', required: true, isGood: isText, wanted: 'a string' },
  {
    claim: 'aud',
    required: true,
    isGood: (value) => audiencesOf(value) !== undefined,
    wanted: 'a string or a list of strings',
  },
  { claim: 'exp', required: true, isGood: Number.isSafeInteger, wanted: 'an integer' },
  { claim: 'iat', required: false, isGood: Number.isSafeInteger, wanted: 'an integer' },
  { claim: 'nbf', required: false, isGood: Number.isSafeInteger, wanted: 'an integer' },
  { claim: 'azp', required: false, isGood: isText, wanted: 'a string' },
  {
    claim: 'jti',
    required: false,
    isGood: (value) => typeof value === 'string',
    wanted: 'a string',
  },
]

function firstProblem(raw: Readonly<Record<string, unknown>>): ClaimProblem | undefined {
  for (const { claim, required, isGood, wanted } of RULES) {
    const missing = !Object.hasOwn(raw, claim)
    if (missing ? required : !isGood(raw[claim])) return { claim, missing, wanted }
  }
  return undefined
}

function audiencesOf(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string' && value !== '') return [value]
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_AUDIENCES) return undefined
  const list: unknown[] = value
  return list.every((entry) => typeof entry === 'string') ? list : undefined
}

const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const DNS_SUBDOMAIN = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/

/**
 * The service account of a Kubernetes token, from its `kubernetes.io` claim (Kubernetes: "Schema
 * for service account private claims"). Undefined where the claim is missing or malformed, or names
 * another service account than `sub` does.
 */
export function serviceAccountOf(claims: TokenClaims): ServiceAccountIdentity | undefined {
  const kubernetes = recordOf(claims.raw, 'kubernetes.io')
  const serviceAccount = recordOf(kubernetes, 'serviceaccount')
  const namespace = textOf(kubernetes, 'namespace')
  const name = textOf(serviceAccount, 'name')
  if (namespace === undefined || name === undefined) return undefined
  if (!DNS_LABEL.test(namespace) || !DNS_SUBDOMAIN.test(name)) return undefined
  if (claims.sub !== `system:serviceaccount:${namespace}:${name}`) return undefined
  const pod = recordOf(kubernetes, 'pod')
  const node = recordOf(kubernetes, 'node')
  const bound = {
    uid: textOf(serviceAccount, 'uid'),
    podName: textOf(pod, 'name'),
    podUid: textOf(pod, 'uid'),
    nodeName: textOf(node, 'name'),
    nodeUid: textOf(node, 'uid'),
  }
  const known = Object.entries(bound).filter(([, value]) => value !== undefined)
  return { namespace, name, ...Object.fromEntries(known) }
}

function recordOf(parent: unknown, key: string): object | undefined {
  const value: unknown = own(parent, key)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
}

function textOf(parent: unknown, key: string): string | undefined {
  const value: unknown = own(parent, key)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Own members only: `__proto__` of a hostile document gives nothing. */
function own(parent: unknown, key: string): unknown {
  if (typeof parent !== 'object' || parent === null || !Object.hasOwn(parent, key)) return undefined
  return Reflect.get(parent, key)
}
