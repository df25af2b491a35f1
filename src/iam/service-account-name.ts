import { PodroleError } from '../lib/errors.ts'

/** A Kubernetes service account, written `NAMESPACE/NAME`. */
export interface ServiceAccountName {
  readonly namespace: string
  readonly name: string
}

/** RFC 1123 label: what Kubernetes takes as a namespace. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
/** RFC 1123 subdomain: what Kubernetes takes as a service account's name. */
const SUBDOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/
const MAX_LABEL = 63
const MAX_SUBDOMAIN = 253

/**
 * Reads `NAMESPACE/NAME` by Kubernetes' rules for names.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
 * @throws PodroleError `InvalidServiceAccountName`.
 */
export function parseServiceAccountName(text: string): ServiceAccountName {
  const serviceAccount = splitServiceAccount(text)
  checkServiceAccountName(serviceAccount)
  return serviceAccount
}

/**
 * Reads `NAMESPACE/NAME`, both of which may hold `*`; see `checkServiceAccountPattern`.
 * @throws PodroleError `InvalidServiceAccountName`.
 */
export function parseServiceAccountPattern(text: string): ServiceAccountName {
  const serviceAccount = splitServiceAccount(text)
  if (isServiceAccountPattern(serviceAccount)) checkServiceAccountPattern(serviceAccount)
  else checkServiceAccountName(serviceAccount)
  return serviceAccount
}

function splitServiceAccount(text: string): ServiceAccountName {
  const [namespace, name, ...rest] = text.split('/', 3)
  if (namespace === undefined || name === undefined || rest.length > 0) {
    throw invalid(text, 'it must be written NAMESPACE/NAME')
  }
  return { namespace, name }
}

/** `NAMESPACE/NAME`. */
export function formatServiceAccountName(serviceAccount: ServiceAccountName): string {
  return `${serviceAccount.namespace}/${serviceAccount.name}`
}

/**
 * Checks both names by Kubernetes' rules.
 * @throws PodroleError `InvalidServiceAccountName`.
 */
export function checkServiceAccountName(serviceAccount: ServiceAccountName): void {
  const { namespace, name } = serviceAccount
  const fault =
    nameFault('namespace', namespace, LABEL, MAX_LABEL) ??
    nameFault('name', name, SUBDOMAIN, MAX_SUBDOMAIN)
  if (fault !== undefined) throw invalid(formatServiceAccountName(serviceAccount), fault)
}

/**
 * Checks names that may hold `*` for a trust policy's StringLike. The namespace must begin with
 * something else: a star there would trust whoever may create a namespace.
 * @throws PodroleError `InvalidServiceAccountName`.
 */
export function checkServiceAccountPattern(pattern: ServiceAccountName): void {
  if (pattern.namespace.startsWith('*')) {
    throw invalid(
      formatServiceAccountName(pattern),
      'its namespace begins with "*", which would trust service accounts of any namespace',
    )
  }
  // A star stands for characters that are allowed in its place, so check with one of them.
  try {
    checkServiceAccountName({
      namespace: pattern.namespace.replaceAll('*', 'x'),
      name: pattern.name.replaceAll('*', 'x'),
    })
  } catch (error) {
    throw invalid(
      formatServiceAccountName(pattern),
      'without its "*" it breaks the rules for names',
      error,
    )
  }
}

/** Whether the name is a pattern. */
export function isServiceAccountPattern(serviceAccount: ServiceAccountName): boolean {
  return serviceAccount.namespace.includes('*') || serviceAccount.name.includes('*')
}

/** The `sub` of the service account's own tokens. */
export function subjectOf(serviceAccount: ServiceAccountName): string {
  return `system:serviceaccount:${serviceAccount.namespace}:${serviceAccount.name}`
}

/** The `sub` of a fleet token: the cluster, then the service account's own subject. */
export function fleetSubject(cluster: string, serviceAccount: ServiceAccountName): string {
  return `cluster:${cluster}:${subjectOf(serviceAccount)}`
}

function nameFault(
  what: 'namespace' | 'name',
  value: string,
  rule: RegExp,
  maxLength: number,
): string | undefined {
  if (value === '') return `its ${what} is empty`
  if (value.length > maxLength) {
    return `its ${what} has ${value.length} characters, at most ${maxLength} are allowed`
  }
  if (rule.test(value)) return undefined
  const dots = what === 'name' ? ', "-" and "."' : ' and "-"'
  return `its ${what} must be lower-case letters, digits${dots}, and begin and end with a letter or digit`
}

function invalid(text: string, fault: string, cause?: unknown): PodroleError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text
  return new PodroleError(
    'InvalidServiceAccountName',
    `Cannot use service account ${JSON.stringify(shown)}: ${fault}`,
    { hint: 'Write it like payments/worker.', status: 400, cause },
  )
}
