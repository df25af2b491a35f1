import { codeOf, messageOf } from '../../lib/errors.ts'
import { faultFields } from '../../lib/log.ts'
import type { Secret } from '../../lib/secret.ts'
import { serviceAccountOf, type ServiceAccountIdentity } from '../../token/claims.ts'
import { verifyToken } from '../../token/verify.ts'
import { admit } from './admission.ts'
import type { ClusterCore, Operation } from './core.ts'
import { checkKind, decodeAs } from './decoding.ts'
import { ApiFault, badRequest, conflict, internalError, invalid, notFound } from './faults.ts'
import { formatTime, omit, recordAt, stringAt, type ApiObject, type JsonRecord } from './objects.ts'
import type { ResourceType } from './resource-types.ts'
import { NODES, SECRETS, SERVICE_ACCOUNTS } from './types/core.ts'
import { validateTokenSeconds } from './types/pod-validation.ts'
import { asPod, PODS } from './types/pods.ts'
import { TOKEN_REQUEST } from './types/reviews.ts'
import { AUTHENTICATED, type UserInfo } from './users.ts'

const TOKEN_REQUESTS = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' }
/** What the ServiceAccount admission asks for; only then is a token extended. */
const EXTENDED_SECONDS_ASKED = 3607
const YEAR_SECONDS = 365 * 24 * 60 * 60
/** A deleted object's tokens are taken this long after its deletion, as kube-apiserver does. */
const DELETION_LEEWAY_MS = 60_000

interface BoundObject {
  readonly kind: 'pod' | 'node' | 'secret'
  readonly name: string
  readonly uid: string
  /** The node of a bound pod. */
  readonly node?: { readonly name: string; readonly uid?: string }
}

/**
 * Answers a TokenRequest on a service account's token subresource
 * (kubernetes/kubernetes pkg/registry/core/serviceaccount/storage/token.go).
 * @throws ApiFault NotFound, BadRequest, Invalid, Conflict, Forbidden
 */
export async function createTokenRequest(
  core: ClusterCore,
  ref: { readonly namespace: string; readonly name: string },
  body: JsonRecord,
  operation: Operation,
): Promise<JsonRecord> {
  const account = core.store.get(SERVICE_ACCOUNTS, ref.namespace, ref.name)
  if (account === undefined) throw notFound(SERVICE_ACCOUNTS, ref.name)
  const spec = await readRequest(core, ref, body, operation)
  const bound = findBoundObject(core, account, spec.boundObjectRef)
  const nowSeconds = Math.floor(core.clock.now() / 1000)
  const isExtended =
    bound?.kind === 'pod' &&
    spec.expirationSeconds === EXTENDED_SECONDS_ASKED &&
    spec.audiences.every((audience) => core.apiAudiences.includes(audience))
  const { maxTokenSeconds: maxSeconds = Number.POSITIVE_INFINITY } = core.tokenKeys
  const claims = {
    aud: spec.audiences,
    exp: nowSeconds + (isExtended ? Math.min(YEAR_SECONDS, maxSeconds) : spec.expirationSeconds),
    iat: nowSeconds,
    iss: core.issuer,
    jti: crypto.randomUUID(),
    'kubernetes.io': {
      namespace: ref.namespace,
      ...boundClaims(bound),
      serviceaccount: { name: ref.name, uid: account.metadata.uid },
      ...(isExtended && { warnafter: nowSeconds + spec.expirationSeconds }),
    },
    nbf: nowSeconds,
    sub: `system:serviceaccount:${ref.namespace}:${ref.name}`,
  }
  const token = await signWith(core, claims)
  core.issued.add(token.reveal())
  core.decisions.record({
    atMs: core.clock.now(),
    kind: 'token',
    outcome: 'allowed',
    user: operation.user.username,
    subject: `token of ${ref.namespace}/${ref.name}`,
    reason: `audiences ${spec.audiences.join(', ')}`,
    annotations: { 'authentication.kubernetes.io/issued-credential-id': `JTI=${claims.jti}` },
  })
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: {
      name: ref.name,
      namespace: ref.namespace,
      creationTimestamp: formatTime(nowSeconds * 1000),
    },
    spec: {
      audiences: spec.audiences,
      expirationSeconds: spec.expirationSeconds,
      boundObjectRef: spec.boundObjectRef ?? null,
    },
    status: {
      // The one answer that must hold the token itself.
      token: token.reveal(),
      expirationTimestamp: formatTime((nowSeconds + spec.expirationSeconds) * 1000),
    },
  }
}

interface TokenSpec {
  readonly audiences: readonly string[]
  readonly expirationSeconds: number
  readonly boundObjectRef?: JsonRecord
}

async function readRequest(
  core: ClusterCore,
  ref: { readonly namespace: string; readonly name: string },
  body: JsonRecord,
  operation: Operation,
): Promise<TokenSpec> {
  checkKind('authentication.k8s.io/v1', 'TokenRequest', body)
  const { metadata } = body
  const rest = omit(body, 'apiVersion', 'kind', 'metadata')
  const decoded = decodeAs(TOKEN_REQUEST, { kind: 'TokenRequest', version: 'v1' }, rest, operation)
  const namespace = stringAt(metadata, 'namespace')
  if (namespace !== '' && namespace !== ref.namespace) {
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request`,
    )
  }
  const name = stringAt(metadata, 'name')
  if (name !== '' && name !== ref.name) {
    throw badRequest(`the name of the provided object does not match the name sent on the request`)
  }
  const given = recordAt(decoded, 'spec')
  const seconds = given['expirationSeconds'] ?? 3600
  const causes = validateTokenSeconds(Number(seconds), 'spec')
  if (causes.length > 0) throw invalid(TOKEN_REQUESTS, '', causes)
  const audiences = given['audiences'] as string[] | undefined
  const bound = given['boundObjectRef'] as JsonRecord | undefined
  const spec: TokenSpec = {
    audiences: audiences ?? core.apiAudiences,
    expirationSeconds: limitSeconds(core, Number(seconds), operation),
    ...(bound !== undefined && { boundObjectRef: bound }),
  }
  await admit(core, {
    type: SERVICE_ACCOUNTS,
    kind: TOKEN_REQUESTS,
    subresource: 'token',
    operation: 'CREATE',
    namespace: ref.namespace,
    name: ref.name,
    object: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: { name: ref.name, namespace: ref.namespace },
      spec,
    },
    context: operation,
  })
  return spec
}

/** An external signer's own limit, which kube-apiserver shortens to with a warning. */
function limitSeconds({ tokenKeys }: ClusterCore, asked: number, operation: Operation): number {
  const { maxTokenSeconds = asked } = tokenKeys
  if (asked <= maxTokenSeconds) return asked
  operation.warn(`requested expiration of ${asked} seconds shortened to ${maxTokenSeconds} seconds`)
  return maxTokenSeconds
}

/** @throws ApiFault InternalError, in kube-apiserver's words */
async function signWith(
  { tokenKeys, log }: ClusterCore,
  claims: Readonly<Record<string, unknown>>,
): Promise<Secret> {
  try {
    return await tokenKeys.sign(claims)
  } catch (error) {
    log.error('token not signed', faultFields(error))
    throw internalError(`failed to generate token: while signing jwt: ${messageOf(error)}`)
  }
}

const BINDABLE: Readonly<Record<string, ResourceType>> = {
  Pod: PODS,
  Secret: SECRETS,
  Node: NODES,
}

function findBoundObject(
  core: ClusterCore,
  account: ApiObject,
  ref: JsonRecord | undefined,
): BoundObject | undefined {
  if (ref === undefined) return undefined
  const [kind, name] = [stringAt(ref, 'kind'), stringAt(ref, 'name')]
  const type = Object.hasOwn(BINDABLE, kind) ? BINDABLE[kind] : undefined
  const version = stringAt(ref, 'apiVersion')
  if (type === undefined || version !== 'v1') {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(account.metadata.name)} to type ${version.includes('/') ? version : `/${version}`}, Kind=${kind}`,
    )
  }
  const namespace = type.namespaced ? account.metadata.namespace : undefined
  const object = core.store.get(type, namespace, name)
  if (object === undefined) throw notFound(type, name)
  const { uid = '' } = object.metadata
  if (type === PODS && asPod(object).spec.serviceAccountName !== account.metadata.name) {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(account.metadata.name)} to pod running with different serviceaccount name.`,
    )
  }
  const wanted = stringAt(ref, 'uid')
  if (wanted !== '' && wanted !== uid) {
    throw conflict(
      { group: '', plural: kind },
      name,
      `the UID in the bound object reference (${wanted}) does not match the UID in record. The object might have been deleted and then recreated`,
    )
  }
  const bound = { kind: kind.toLowerCase() as BoundObject['kind'], name, uid }
  const nodeName = type === PODS ? asPod(object).spec.nodeName : undefined
  if (nodeName === undefined) return bound
  const nodeUid = core.store.get(NODES, undefined, nodeName)?.metadata.uid
  return { ...bound, node: { name: nodeName, ...(nodeUid !== undefined && { uid: nodeUid }) } }
}

function boundClaims(bound: BoundObject | undefined): JsonRecord {
  if (bound === undefined) return {}
  return {
    ...(bound.node !== undefined && { node: bound.node }),
    [bound.kind]: { name: bound.name, uid: bound.uid },
  }
}

/** What a token of this cluster says, when it holds; else why it does not. */
export type TokenVerdict =
  | { readonly user: UserInfo; readonly audiences: readonly string[] }
  | { readonly refusal: string }

/**
 * Checks a service account token: signature, times, and that the account and what the token is
 * bound to are still there with the same uid.
 */
export async function verifyServiceAccountToken(
  core: ClusterCore,
  token: string,
): Promise<TokenVerdict> {
  try {
    const { claims } = await verifyToken(token, {
      keys: await core.tokenKeys.keysFor(token),
      nowMs: core.clock.now(),
      issuer: core.issuer,
    })
    const identity = serviceAccountOf(claims)
    if (identity === undefined) return { refusal: 'the token names no service account' }
    const secret = recordAt(recordAt(claims.raw, 'kubernetes.io'), 'secret')
    const gone = findMissing(core, identity, secret)
    if (gone !== undefined) return { refusal: gone }
    return { user: userOf(identity, claims.jti), audiences: claims.aud }
  } catch (thrown) {
    if (thrown instanceof ApiFault || codeOf(thrown) !== 'TokenFault') throw thrown
    return { refusal: messageOf(thrown) }
  }
}

function findMissing(
  core: ClusterCore,
  identity: ServiceAccountIdentity,
  secret: JsonRecord,
): string | undefined {
  const { namespace, name, uid, podName, podUid, nodeName, nodeUid } = identity
  const isThere = (
    type: ResourceType,
    wanted: { readonly name: string; readonly uid: string | undefined },
  ): boolean => {
    const object = core.store.get(type, type.namespaced ? namespace : undefined, wanted.name)
    if (object === undefined || object.metadata.uid !== wanted.uid) return false
    const { deletionTimestamp } = object.metadata
    return (
      deletionTimestamp === undefined ||
      Date.parse(deletionTimestamp) + DELETION_LEEWAY_MS > core.clock.now()
    )
  }
  if (!isThere(SERVICE_ACCOUNTS, { name, uid })) {
    return 'service account token has been invalidated: the account is gone or was made again'
  }
  if (podName !== undefined) {
    return isThere(PODS, { name: podName, uid: podUid })
      ? undefined
      : 'service account token has been invalidated: its pod is gone'
  }
  const secretName = stringAt(secret, 'name')
  if (secretName !== '' && !isThere(SECRETS, { name: secretName, uid: stringAt(secret, 'uid') })) {
    return 'service account token has been invalidated: its secret is gone'
  }
  if (nodeName !== undefined && !isThere(NODES, { name: nodeName, uid: nodeUid })) {
    return 'service account token has been invalidated: its node is gone'
  }
  return undefined
}

const EXTRA = 'authentication.kubernetes.io/'

function userOf(identity: ServiceAccountIdentity, jti: string | undefined): UserInfo {
  const { namespace, name, uid, podName, podUid, nodeName, nodeUid } = identity
  const extra = Object.entries({
    [`${EXTRA}credential-id`]: jti === undefined ? undefined : `JTI=${jti}`,
    [`${EXTRA}node-name`]: nodeName,
    [`${EXTRA}node-uid`]: nodeUid,
    [`${EXTRA}pod-name`]: podName,
    [`${EXTRA}pod-uid`]: podUid,
  }).flatMap(([key, value]) => (value === undefined ? [] : [[key, [value]] as const]))
  return {
    username: `system:serviceaccount:${namespace}:${name}`,
    ...(uid !== undefined && { uid }),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, AUTHENTICATED],
    extra: Object.fromEntries(extra),
  }
}
