/** What a cluster is registered with, and whose tokens that makes good. */
import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { CLUSTER_NAME_PATTERN } from '../associations/rules.ts'
import { formatServiceAccountName, parseServiceAccountName } from '../iam/service-account-name.ts'
import { issuerBase } from '../issuer/documents.ts'
import { kidOf } from '../issuer/keys.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import { createKeySet, type Jwk, type Jwks, type KeySet, parseJwks } from '../token/jwks.ts'
import { EksFault } from './eks-wire.ts'
import type { RegisteredCluster } from './store.ts'

/** The audience of the tokens that pods get for container credentials. */
export const PODS_AUDIENCE = 'pods.eks.amazonaws.com'
/** The audience of the token that an agent shows to a broker. */
export const AGENT_AUDIENCE = 'podrole-broker'

/** Where a broker's clusters are: it has one place for all. */
export interface BrokerPlace {
  readonly partition: string
  readonly region: string
  readonly accountId: string
}

/** What `PUT /podrole/v1/clusters/NAME` takes. */
export interface ClusterRegistration {
  readonly issuer: string
  /** JSON text; undefined where the keys are those that the issuer publishes. */
  readonly jwks: string | undefined
  readonly audiences: readonly string[]
  /** Service accounts, `NAMESPACE/NAME`, whose tokens prove an agent. */
  readonly agents: readonly string[]
}

/** Whom the agent's own manifests run it as. */
export const DEFAULT_AGENT = 'podrole-system/podrole-agent'

const PRINTABLE = /^[\u0021-\u007e]{1,255}$/

const schema = z.strictObject({
  issuer: z.string().regex(PRINTABLE, 'wanted 1 to 255 characters without spaces'),
  jwks: z.union([z.string(), z.looseObject({ keys: z.array(z.unknown()) })]).optional(),
  followIssuer: z.boolean().optional(),
  audiences: z
    .array(z.string().regex(PRINTABLE, 'wanted 1 to 255 characters without spaces'))
    .min(1)
    .max(10)
    .refine((list) => !list.includes(AGENT_AUDIENCE), `${AGENT_AUDIENCE} is for agents alone`)
    .optional(),
  agents: z.array(z.string().max(320).transform(readAgent)).min(1).max(10).optional(),
})

/** @throws EksFault `InvalidParameterException` with every fault of the body */
export function readRegistration(name: string, body: unknown): ClusterRegistration {
  const faults: string[] = []
  if (!CLUSTER_NAME_PATTERN.test(name)) {
    faults.push(
      `cluster name ${JSON.stringify(name.slice(0, 100))} is not one: wanted 1 to 100 letters, digits, - and _`,
    )
  }
  const read = schema.safeParse(body)
  if (!read.success) {
    faults.push(
      ...read.error.issues
        .slice(0, 20)
        .map((issue) => `${issue.path.map(String).join('.') || 'body'}: ${issue.message}`),
    )
    throw new EksFault('InvalidParameterException', faults.join('; '))
  }
  const { issuer, audiences = [PODS_AUDIENCE], agents = [DEFAULT_AGENT] } = read.data
  let jwks: string | undefined
  try {
    jwks = keysOf(read.data)
  } catch (error) {
    faults.push(messageOf(error))
  }
  if (faults.length > 0) throw new EksFault('InvalidParameterException', faults.join('; '))
  return { issuer, jwks, audiences, agents }
}

function keysOf({ followIssuer, issuer, jwks }: z.infer<typeof schema>): string | undefined {
  if (followIssuer === true) {
    if (jwks !== undefined) throw new Error('jwks: wanted none beside followIssuer')
    issuerBase(issuer)
    return undefined
  }
  if (jwks === undefined) throw new Error('jwks: wanted the keys, or followIssuer')
  try {
    return storedKeys(parseJwks(typeof jwks === 'string' ? jwks : JSON.stringify(jwks)))
  } catch (error) {
    throw new Error(`jwks: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * Keys as they are kept: their public members that were understood, so that a private key is never
 * stored.
 * @throws PodroleError `InvalidJwks`: none of them can verify a token
 */
export function storedKeys(keys: Jwks): string {
  if (createKeySet(keys).size === 0) {
    throw new PodroleError('InvalidJwks', 'none of its keys can verify a token')
  }
  return JSON.stringify(keys)
}

function readAgent(text: string, context: z.RefinementCtx): string {
  try {
    return formatServiceAccountName(parseServiceAccountName(text))
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) })
    return z.NEVER
  }
}

/** `arn:PARTITION:podrole:REGION:ACCOUNT:cluster/NAME`, which no EKS cluster can have. */
export function clusterArnOf(place: BrokerPlace, name: string): string {
  return `arn:${place.partition}:podrole:${place.region}:${place.accountId}:cluster/${name}`
}

/**
 * Another cluster whose tokens this registration would take: the same issuer and a key in common.
 * The same issuer alone is usual (`https://kubernetes.default.svc.cluster.local`).
 */
export function indistinguishableFrom(
  registration: Pick<RegisteredCluster, 'issuer' | 'jwks'>,
  others: readonly RegisteredCluster[],
): RegisteredCluster | undefined {
  const prints = thumbprints(registration.jwks)
  return others.find(
    (other) =>
      other.issuer === registration.issuer && !prints.isDisjointFrom(thumbprints(other.jwks)),
  )
}

function thumbprints(jwks: string): Set<string> {
  return new Set(parseJwks(jwks).keys.map(thumbprint))
}

/** A key is its type and numbers, whatever its kid says and however its numbers are written. */
function thumbprint(jwk: Jwk): string {
  try {
    return kidOf(createPublicKey({ key: { ...jwk }, format: 'jwk' }))
  } catch {
    // Not a key: it verifies nothing.
    return JSON.stringify(jwk)
  }
}

/** The keys of clusters, imported once for each text. */
export function createKeySets(): (jwks: string) => KeySet {
  const known = new Map<string, KeySet>()
  return (jwks) => {
    let set = known.get(jwks)
    if (set === undefined) {
      set = createKeySet(parseJwks(jwks))
      // Texts that no cluster has any more go with the rest.
      if (known.size >= 1000) known.clear()
      known.set(jwks, set)
    }
    return set
  }
}
