import { PodroleError } from '../lib/errors.ts'

/** The six parts of an Amazon Resource Name, without the leading `arn`. */
export interface Arn {
  readonly partition: string
  readonly service: string
  readonly region: string
  readonly accountId: string
  /** All that follows the fifth colon; may itself hold colons. */
  readonly resource: string
}

const MAX_ARN_LENGTH = 2048
const ACCOUNT_ID = /^[0-9]{12}$/
const ROLE_NAME = /^[\w+=,.@-]{1,64}$/
/** IAM's path rule: `/`, or printable ASCII between two slashes. */
const ROLE_PATH = /^\/(?:[\x21-\x7e]{1,510}\/)?$/
const MAX_ISSUER_LENGTH = 255

/**
 * Reads `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`. Region and account may be empty.
 * @throws PodroleError `InvalidArn`.
 */
export function parseArn(text: string): Arn {
  const [prefix, partition, service, region, accountId, ...rest] = text.split(':', 4096)
  const resource = rest.join(':')
  if (
    prefix !== 'arn' ||
    !partition ||
    !service ||
    region === undefined ||
    accountId === undefined ||
    resource === '' ||
    text.length > MAX_ARN_LENGTH
  ) {
    throw new PodroleError(
      'InvalidArn',
      `Cannot read ARN ${quoteShort(text)}: wanted arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`,
      { status: 400 },
    )
  }
  return { partition, service, region, accountId, resource }
}

/** The parts of an ARN; undefined for what is none. */
export function tryParseArn(text: string): Arn | undefined {
  try {
    return parseArn(text)
  } catch {
    return undefined
  }
}

/** The text of an ARN; `parseArn` of it gives the same parts back. */
export function formatArn(arn: Arn): string {
  return `arn:${arn.partition}:${arn.service}:${arn.region}:${arn.accountId}:${arn.resource}`
}

/**
 * The ARN of an IAM role. `path` is `/` or `/…/` (default `/`).
 * @throws PodroleError `InvalidArn` when account, path or name break IAM's rules.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 */
export function roleArn(role: {
  readonly partition: string
  readonly accountId: string
  readonly path?: string | undefined
  readonly name: string
}): string {
  const path = role.path ?? '/'
  checkAccountId(role.accountId)
  if (!ROLE_PATH.test(path)) {
    throw new PodroleError(
      'InvalidArn',
      `Cannot build a role ARN: path ${quoteShort(path)} must be "/" or begin and end with "/"`,
      { status: 400 },
    )
  }
  if (!ROLE_NAME.test(role.name)) {
    throw new PodroleError(
      'InvalidArn',
      `Cannot build a role ARN: name ${quoteShort(role.name)} must be 1 to 64 letters, digits or +=,.@_-`,
      { status: 400 },
    )
  }
  const resource = `role${path}${role.name}`
  return formatArn({ ...role, service: 'iam', region: '', resource })
}

/**
 * The ARN of the IAM OIDC provider of an issuer.
 * @throws PodroleError `InvalidArn` (account), `InvalidIssuerUrl`.
 */
export function oidcProviderArn(provider: {
  readonly partition: string
  readonly accountId: string
  /** `https://…`, exactly as in the tokens' `iss`. */
  readonly issuer: string
}): string {
  checkAccountId(provider.accountId)
  const resource = `oidc-provider/${issuerHostPath(provider.issuer)}`
  return formatArn({ ...provider, service: 'iam', region: '', resource })
}

/**
 * An issuer's URL without `https://`, otherwise unchanged (case and a trailing slash count): what
 * provider ARNs and condition keys are built from.
 * The URL must be `https`, at most 255 characters, and hold no port, query, fragment or user.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
 * @throws PodroleError `InvalidIssuerUrl`.
 */
export function issuerHostPath(issuerUrl: string): string {
  const fault = issuerFault(issuerUrl)
  if (fault !== undefined) {
    throw new PodroleError(
      'InvalidIssuerUrl',
      `Cannot use issuer URL ${quoteShort(issuerUrl)}: ${fault}`,
      {
        hint: 'Use a URL such as https://issuer.example.com/cluster-1.',
        status: 400,
      },
    )
  }
  return issuerUrl.slice('https://'.length)
}

/**
 * The issuer, without `https://`, of an IAM OIDC provider's ARN, or the name itself of one of AWS's
 * built-in web identity providers (`accounts.google.com`); undefined for a SAML provider and for
 * what is neither.
 */
export function issuerHostPathOf(federated: string): string | undefined {
  const { service, resource = '' } = tryParseArn(federated) ?? {}
  if (service === 'iam') return /^oidc-provider\/(.+)$/s.exec(resource)?.[1]
  return service === undefined && /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(federated)
    ? federated
    : undefined
}

function issuerFault(issuerUrl: string): string | undefined {
  if (!issuerUrl.startsWith('https://')) return 'it must begin with https://'
  if (issuerUrl.length > MAX_ISSUER_LENGTH) {
    return `it has ${issuerUrl.length} characters, at most ${MAX_ISSUER_LENGTH} are allowed`
  }
  if (/[^\x21-\x7e]/.test(issuerUrl)) return 'it must hold printable ASCII characters only'
  const hostPath = issuerUrl.slice('https://'.length)
  if (hostPath.includes('?')) return 'it must not hold a query'
  if (hostPath.includes('#')) return 'it must not hold a fragment'
  const slash = hostPath.indexOf('/')
  const host = slash === -1 ? hostPath : hostPath.slice(0, slash)
  if (host.includes('@')) return 'it must not hold a user name'
  if (host.includes(':')) return 'it must not hold a port'
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host)) return 'it must name a host'
  return undefined
}

function checkAccountId(accountId: string): void {
  if (ACCOUNT_ID.test(accountId)) return
  throw new PodroleError(
    'InvalidArn',
    `Cannot build an ARN: account ${quoteShort(accountId)} must be 12 digits`,
    { status: 400 },
  )
}

function quoteShort(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}
