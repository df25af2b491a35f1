import { formatServiceAccountName } from '../iam/service-account-name.ts'
import { type JsonPatch, type JsonPatchOperation, jsonPointer } from '../kube/json-patch.ts'
import type { ServiceAccount } from '../kube/objects.ts'
import { parseCsvRecord, parseGoBool, parseTokenSeconds } from './annotations.ts'
import { WEB_IDENTITY_TOKEN_PATH, WEB_IDENTITY_VOLUME, type WebhookConfig } from './config.ts'
import { type ContainerView, type PodView, UnreadablePod, viewPod } from './pod-view.ts'

/** Why a pod was or was not mutated. Stable: a log field, an audit annotation, a metric label. */
export type ReasonCode =
  /** The patch gives the pod's containers credentials. */
  | 'Mutated'
  /** Everything is there already, by an earlier run or by the user. */
  | 'AlreadyPresent'
  /** `skip-containers` names every container; the volume is added all the same. */
  | 'AllContainersSkipped'
  /** The service account has neither an association nor a `role-arn` annotation. */
  | 'NoRole'
  /** The `role-arn` annotation holds something else. */
  | 'InvalidRoleArn'
  | 'ServiceAccountNotFound'
  /** Not a pod that the API server would accept. */
  | 'InvalidPod'

export type MutationMethod = 'irsa' | 'container-credentials' | 'none'

/** What to do with a pod: a value that is logged, answered and compared in tests. */
export interface Mutation {
  /** Empty where nothing is to be done. */
  readonly patch: JsonPatch
  readonly method: MutationMethod
  readonly reason: ReasonCode
  /** For the person who created the pod, each at most 256 characters. */
  readonly warnings: readonly string[]
  /** Keys hold no slash: the API server puts the webhook's name in front. */
  readonly auditAnnotations: Readonly<Record<string, string>>
}

export interface MutationInput {
  /** A Pod's JSON, unchecked. */
  readonly pod: unknown
  readonly namespace: string
  readonly serviceAccount: ServiceAccount | undefined
  /** Whether the service account has an association. */
  readonly containerCredentials: boolean
  readonly config: WebhookConfig
  /** From 0 to below 1. */
  readonly random: () => number
}

/** The label that AWS's webhook gives to pods with container credentials, prefix fixed. */
const POD_IDENTITY_LABEL = 'eks.amazonaws.com/pod-identity'

/** What an annotation must hold to be a role; partitions of every kind. */
export const ROLE_ARN = /^arn:aws[a-z0-9-]*:iam::\d{12}:role\/[\w\-/.@+=,]+$/
const REGION_VARIABLES = ['AWS_DEFAULT_REGION', 'AWS_REGION']
const STS_VARIABLE = 'AWS_STS_REGIONAL_ENDPOINTS'
const WEB_IDENTITY_VARIABLES = ['AWS_ROLE_ARN', 'AWS_WEB_IDENTITY_TOKEN_FILE']
const CONTAINER_VARIABLES = [
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
]
/** The life that AWS's webhook spreads, and the shortest that it makes of it. */
const SPREAD_SECONDS = 86_400
const SPREAD_FROM_SECONDS = 79_200
/** kube-apiserver's limit of operations in one patch. */
const MAX_OPERATIONS = 10_000
const MAX_WARNINGS = 10
const MAX_WARNING_CHARACTERS = 256

/** Everything of the mutation that is the same for each container. */
interface Injection {
  readonly method: 'irsa' | 'container-credentials'
  readonly roleArn: string | undefined
  readonly volume: string
  readonly mountPath: string
  readonly tokenPath: string
  readonly audience: string
  readonly expirationSeconds: number
  /** The variables that carry the credentials, by name. */
  readonly credentials: Readonly<Record<string, string>>
  readonly region: string
  readonly stsRegional: boolean
}

type EnvEntry = { readonly name: string; readonly value: string }

/**
 * Decides what a pod needs to get its service account's role, as a patch of single fields: what it
 * does not name stays as it is, byte for byte. Pods come out as amazon-eks-pod-identity-webhook
 * makes them (its README; an association wins over a `role-arn` annotation), except that an ARN
 * that is not one is refused, names in `skip-containers` are trimmed, `spec.os` counts, and no
 * second volume is mounted on one path. Never throws for any pod.
 */
export function decideMutation(input: MutationInput): Mutation {
  const warnings: string[] = []
  const warn = (text: string): void => {
    if (warnings.length < MAX_WARNINGS) warnings.push(text.slice(0, MAX_WARNING_CHARACTERS))
  }
  const nothing = (reason: ReasonCode, details: Record<string, string> = {}): Mutation => ({
    patch: [],
    method: 'none',
    reason,
    warnings,
    auditAnnotations: { reason, ...details },
  })
  const { serviceAccount, containerCredentials } = input
  const roleArn = annotation(serviceAccount, input, 'role-arn') ?? ''
  if (!containerCredentials && serviceAccount === undefined) {
    return nothing('ServiceAccountNotFound')
  }
  if (!containerCredentials && roleArn === '') return nothing('NoRole')
  if (!containerCredentials && !ROLE_ARN.test(roleArn)) {
    warn(`${roleArnPlace(input)} is ${quote(roleArn)}, not a role's ARN: no AWS credentials`)
    return nothing('InvalidRoleArn')
  }
  let pod: PodView
  try {
    pod = viewPod(input.pod)
  } catch (error) {
    if (error instanceof UnreadablePod) return nothing('InvalidPod', { detail: error.message })
    throw error
  }
  const injection = describeInjection(input, pod, warn)
  const skipped = readSkipped(input, pod, warn)
  const patch = [
    ...labelOperations(injection, pod),
    ...volumeOperations(injection, pod, warn),
    ...pod.containers
      .filter(({ name }) => !skipped.has(name))
      .flatMap((container) => containerOperations(injection, container, warn)),
  ]
  if (patch.length > MAX_OPERATIONS) {
    return nothing('InvalidPod', { detail: `it needs more than ${MAX_OPERATIONS} changes` })
  }
  const reason = reasonOf(patch, pod, skipped)
  const { method } = injection
  const role = injection.roleArn === undefined ? {} : { 'role-arn': injection.roleArn }
  return { patch, method, reason, warnings, auditAnnotations: { reason, method, ...role } }
}

type Warn = (text: string) => void

function reasonOf(patch: JsonPatch, pod: PodView, skipped: ReadonlySet<string>): ReasonCode {
  if (pod.containers.every(({ name }) => skipped.has(name))) return 'AllContainersSkipped'
  return patch.length === 0 ? 'AlreadyPresent' : 'Mutated'
}

function describeInjection(input: MutationInput, pod: PodView, warn: Warn): Injection {
  const { config, serviceAccount } = input
  const stsText = annotation(serviceAccount, input, 'sts-regional-endpoints')
  const common = {
    region: config.awsDefaultRegion,
    stsRegional: parseGoBool(stsText ?? '') ?? config.stsRegionalEndpoint,
  }
  const seconds = tokenSeconds(input, pod, warn)
  const tokenFile = (mountPath: string, tokenPath: string): string => {
    const path = `${mountPath}/${tokenPath}`
    return pod.windows ? `C:${path.replaceAll('/', '\\')}` : path
  }
  if (input.containerCredentials) {
    const mountPath = config.containerCredentialsTokenMountPath
    const tokenPath = config.containerCredentialsTokenPath
    return {
      ...common,
      method: 'container-credentials',
      roleArn: undefined,
      volume: config.containerCredentialsTokenVolumeName,
      mountPath,
      tokenPath,
      audience: config.containerCredentialsAudience,
      expirationSeconds: spread(seconds, input.random),
      credentials: {
        AWS_CONTAINER_CREDENTIALS_FULL_URI: config.containerCredentialsFullUri,
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile(mountPath, tokenPath),
      },
    }
  }
  const mountPath = config.tokenMountPath
  const roleArn = annotation(serviceAccount, input, 'role-arn') ?? ''
  return {
    ...common,
    method: 'irsa',
    roleArn,
    volume: WEB_IDENTITY_VOLUME,
    mountPath,
    tokenPath: WEB_IDENTITY_TOKEN_PATH,
    audience: annotation(serviceAccount, input, 'audience') || config.tokenAudience,
    expirationSeconds: seconds,
    credentials: {
      AWS_ROLE_ARN: roleArn,
      AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile(mountPath, WEB_IDENTITY_TOKEN_PATH),
    },
  }
}

/** The pod's annotation, else the service account's, else the setting. */
function tokenSeconds(input: MutationInput, pod: PodView, warn: Warn): number {
  const key = `${input.config.annotationPrefix}/token-expiration`
  const texts: readonly [string, unknown][] = [
    ['the pod', pod.annotations[key]],
    ['the service account', input.serviceAccount?.metadata.annotations?.[key]],
  ]
  for (const [owner, text] of texts) {
    if (text === undefined || text === null || text === '') continue
    const seconds = typeof text === 'string' ? parseTokenSeconds(text) : undefined
    if (seconds !== undefined) return seconds
    warn(`${owner}'s annotation ${key} is not a number of seconds and is ignored`)
  }
  return input.config.tokenExpirationSeconds
}

/** A day becomes 22 to 24 hours, so that pods started together do not renew together. */
function spread(seconds: number, random: () => number): number {
  if (seconds !== SPREAD_SECONDS) return seconds
  return SPREAD_FROM_SECONDS + Math.floor(random() * (SPREAD_SECONDS - SPREAD_FROM_SECONDS + 1))
}

function readSkipped(input: MutationInput, pod: PodView, warn: Warn): ReadonlySet<string> {
  const key = `${input.config.annotationPrefix}/skip-containers`
  if (input.serviceAccount?.metadata.annotations?.[key] !== undefined) {
    warn(`annotation ${key} on a service account does nothing: it belongs on the pod`)
  }
  const text = pod.annotations[key]
  if (typeof text !== 'string' || text === '') return new Set()
  const names = parseCsvRecord(text)
  if (names === undefined) {
    warn(`annotation ${key} is not a comma-separated list and is ignored`)
    return new Set()
  }
  const known = new Set(pod.containers.map(({ name }) => name))
  for (const name of names) {
    if (name !== '' && !known.has(name)) {
      warn(`annotation ${key} names ${quote(name)}: the pod has no such container`)
    }
  }
  return new Set(names)
}

function labelOperations(injection: Injection, pod: PodView): JsonPatchOperation[] {
  if (injection.method !== 'container-credentials') return []
  if (pod.labels === undefined) {
    return [{ op: 'add', path: '/metadata/labels', value: { [POD_IDENTITY_LABEL]: 'enabled' } }]
  }
  if (pod.labels[POD_IDENTITY_LABEL] === 'enabled') return []
  const path = jsonPointer('metadata', 'labels', POD_IDENTITY_LABEL)
  return [{ op: 'add', path, value: 'enabled' }]
}

function volumeOperations(injection: Injection, pod: PodView, warn: Warn): JsonPatchOperation[] {
  const { audience, expirationSeconds, tokenPath } = injection
  const source = { audience, expirationSeconds, path: tokenPath }
  const volume = {
    name: injection.volume,
    projected: { sources: [{ serviceAccountToken: source }] },
  }
  const present = pod.volumes?.find(({ name }) => name === injection.volume)
  if (present !== undefined) {
    if (!projectsToken(present, injection)) {
      warn(
        `the pod's own volume ${quote(injection.volume)} is kept, and it holds no token for ${quote(audience)}`,
      )
    }
    return []
  }
  return pod.volumes === undefined
    ? [{ op: 'add', path: '/spec/volumes', value: [volume] }]
    : [{ op: 'add', path: '/spec/volumes/0', value: volume }]
}

/** Whether a volume holds the token that the variables point to. */
function projectsToken(volume: unknown, injection: Injection): boolean {
  const sources = member(member(volume, 'projected'), 'sources')
  if (!Array.isArray(sources)) return false
  return sources.some((source: unknown) => {
    const token = member(source, 'serviceAccountToken')
    return (
      member(token, 'audience') === injection.audience &&
      member(token, 'path') === injection.tokenPath
    )
  })
}

function containerOperations(
  injection: Injection,
  container: ContainerView,
  warn: Warn,
): JsonPatchOperation[] {
  const names = new Set(container.env)
  const has = (...any: readonly string[]): boolean => any.some((name) => names.has(name))
  const carriers = injection.method === 'irsa' ? WEB_IDENTITY_VARIABLES : CONTAINER_VARIABLES
  if (injection.method === 'container-credentials' && has(...WEB_IDENTITY_VARIABLES)) {
    warn(
      `container ${quote(container.name)} sets AWS_ROLE_ARN or AWS_WEB_IDENTITY_TOKEN_FILE, which SDKs try before its EKS Pod Identity`,
    )
  }
  const complete = has(...carriers) && has(...REGION_VARIABLES) && has(STS_VARIABLE)
  if (complete) return []
  const { region } = injection
  const entries: EnvEntry[] = [
    ...(injection.stsRegional && !has(STS_VARIABLE)
      ? [{ name: STS_VARIABLE, value: 'regional' }]
      : []),
    ...(region !== '' && !has(...REGION_VARIABLES)
      ? REGION_VARIABLES.map((name) => ({ name, value: region }))
      : []),
    ...(has(...carriers)
      ? []
      : Object.entries(injection.credentials).map(([name, value]) => ({ name, value }))),
  ]
  return [
    ...appendAll(container.env, ['spec', ...container.place, 'env'], entries),
    ...mountOperations(injection, container, warn),
  ]
}

function mountOperations(
  injection: Injection,
  container: ContainerView,
  warn: Warn,
): JsonPatchOperation[] {
  const { volume, mountPath } = injection
  const who = `container ${quote(container.name)}`
  const own = container.mounts?.filter(({ name }) => name === volume) ?? []
  if (own.length > 0) {
    if (own.every(({ path }) => path !== mountPath)) {
      warn(`${who} mounts ${quote(volume)} elsewhere, so its token file is not at ${mountPath}`)
    }
    return []
  }
  // A second mount on one path would make the API server refuse the pod.
  if (container.mounts?.some(({ path }) => path === mountPath)) {
    warn(`${who} mounts another volume at ${mountPath}: the token is not mounted`)
    return []
  }
  const mount = { name: volume, readOnly: true, mountPath }
  return appendAll(container.mounts, ['spec', ...container.place, 'volumeMounts'], [mount])
}

function appendAll(
  present: readonly unknown[] | undefined,
  place: readonly (string | number)[],
  values: readonly object[],
): JsonPatchOperation[] {
  if (values.length === 0) return []
  const path = jsonPointer(...place)
  if (present === undefined) return [{ op: 'add', path, value: values }]
  return values.map((value) => ({ op: 'add', path: `${path}/-`, value }))
}

function annotation(
  serviceAccount: ServiceAccount | undefined,
  { config }: MutationInput,
  name: string,
): string | undefined {
  const value: unknown =
    serviceAccount?.metadata.annotations?.[`${config.annotationPrefix}/${name}`]
  return typeof value === 'string' ? value : undefined
}

const roleArnPlace = ({ serviceAccount, namespace, config }: MutationInput): string =>
  `annotation ${config.annotationPrefix}/role-arn of ${formatServiceAccountName({
    namespace,
    name: serviceAccount?.metadata.name ?? '',
  })}`

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 63))
