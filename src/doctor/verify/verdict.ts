/** What a verify found, out of what its pod did and said. Pure. */
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import { isNewEnough, minimumOf, sdkOfUserAgent, type SdkWay } from '../facts/sdk.ts'
import type { Check } from './checks-file.ts'
import { type ExpectedRole, isSessionOf } from './expected-role.ts'
import type { CheckSaid, Provider, Reading, Said } from './said.ts'

/** What became of the pod. */
export type PodEnd =
  | { readonly kind: 'no-service-account' }
  /** The API server did not take it; its words. */
  | { readonly kind: 'refused'; readonly why: string }
  | {
      readonly kind: 'not-started'
      readonly because: 'image' | 'unschedulable' | 'other'
      readonly why: string
    }
  /** It ran, and did not come to its end in time. */
  | { readonly kind: 'no-answer'; readonly why: string }
  | { readonly kind: 'ended'; readonly reading: Reading; readonly exit: string }

export const VERIFY_CODES = [
  'service-account-missing',
  'admission-refused',
  'image-not-pulled',
  'unschedulable',
  'not-started',
  'no-answer',
  'unreadable-answer',
  'cli-too-old',
  'no-credentials',
  'credentials-refused',
  'node-role',
  'wrong-role',
  'role-not-known',
  'check-failed',
] as const
export type VerifyCode = (typeof VERIFY_CODES)[number]

export interface VerifyFinding {
  readonly code: VerifyCode
  readonly severity: 'error' | 'warning'
  readonly sentence: string
  /** What to do next. */
  readonly hint?: string
}

export interface CheckOutcome {
  readonly name: string
  readonly expected: string
  readonly outcome: 'as-expected' | 'failed'
  /** What the command did. */
  readonly did: string
}

export interface Verification {
  readonly serviceAccount: string
  /** Undefined where there never was one. */
  readonly pod?: { readonly name: string; readonly node?: string; readonly image: string }
  readonly provider?: Provider
  /** The ARN of GetCallerIdentity. */
  readonly identity?: string
  readonly expectedRole?: { readonly arn: string; readonly source: string }
  readonly checks: readonly CheckOutcome[]
  readonly findings: readonly VerifyFinding[]
  /** `doubtful`: with warnings alone. */
  readonly verdict: 'ok' | 'doubtful' | 'broken'
}

export interface VerifyInput {
  readonly serviceAccount: ServiceAccountName
  readonly pod?: Verification['pod']
  readonly end: PodEnd
  readonly expected: ExpectedRole
  readonly checks: readonly Check[]
}

export function judge({ checks, end, expected, pod, serviceAccount }: VerifyInput): Verification {
  const subject = `${serviceAccount.namespace}/${serviceAccount.name}`
  const said =
    end.kind === 'ended' && end.reading.kind === 'complete' ? end.reading.said : undefined
  const outcomes =
    said === undefined ? [] : checks.map((check, at) => outcomeOf(check, said, said.checks[at]))
  const findings =
    said === undefined
      ? [endFinding(end, subject)]
      : [
          ...identityFindings(said, expected, subject),
          ...(said.identity === undefined ? [] : outcomes.flatMap(checkFinding)),
        ]
  const isBroken = findings.some(({ severity }) => severity === 'error')
  return {
    serviceAccount: subject,
    ...(pod !== undefined && { pod }),
    ...(said?.provider !== undefined && { provider: said.provider }),
    ...(said?.identity !== undefined && { identity: said.identity }),
    ...(expected.kind === 'known' && {
      expectedRole: { arn: expected.roleArn, source: expected.source },
    }),
    checks: outcomes,
    findings,
    verdict: isBroken ? 'broken' : findings.length > 0 ? 'doubtful' : 'ok',
  }
}

const error = (code: VerifyCode, sentence: string, hint?: string): VerifyFinding => ({
  code,
  severity: 'error',
  sentence,
  ...(hint !== undefined && { hint }),
})

function endFinding(end: PodEnd, subject: string): VerifyFinding {
  switch (end.kind) {
    case 'no-service-account':
      return error('service-account-missing', `there is no service account ${subject}`)
    case 'refused':
      return error(
        'admission-refused',
        `the API server does not take the pod: ${end.why}`,
        refusedHint(end.why),
      )
    case 'not-started':
      return notStarted(end)
    case 'no-answer':
      return error('no-answer', `the pod started and did not end: ${end.why}`, LONGER)
    case 'ended': {
      const why = end.reading.kind === 'unreadable' ? end.reading.why : ''
      return error('unreadable-answer', `the pod did not say all: ${why} (${end.exit})`, SHELL)
    }
    default:
      return end satisfies never
  }
}

function notStarted({ because, why }: PodEnd & { kind: 'not-started' }): VerifyFinding {
  if (because === 'image') {
    return error('image-not-pulled', `its image cannot be had: ${why}`, IMAGE)
  }
  return because === 'unschedulable'
    ? error('unschedulable', `no node took the pod in time: ${why}`)
    : error('not-started', `the pod did not start: ${why}`)
}

/** Of clusters that choose a user for each namespace. */
const refusedHint = (why: string): string | undefined =>
  /runAsUser|fsGroup|security context constraint/i.test(why)
    ? '--run-as-user none leaves the user to the cluster, as OpenShift wants.'
    : undefined
const IMAGE = 'Name an image with sh and the AWS CLI that the nodes reach, with --image.'
const LONGER = 'Give it longer with --timeout; what it waits for may be AWS itself.'
const SHELL = 'The image needs sh, grep and aws.'

function identityFindings(
  said: Said,
  expected: ExpectedRole,
  subject: string,
): readonly VerifyFinding[] {
  const { identity, provider } = said
  const explain = `podrole explain ${subject} tells why.`
  const notGiven = said.variables.length === 0 ? ', and no webhook gave the pod any' : ''
  if (identity === undefined) {
    const old = oldCli(said)
    if (old !== undefined) return [old]
    return provider === 'none'
      ? [error('no-credentials', `no credential provider answered${notGiven}`, explain)]
      : [
          error(
            'credentials-refused',
            `${triedName(said)} gave no identity: ${said.providerFault ?? said.identityFault ?? ''}`,
            explain,
          ),
        ]
  }
  const isNode = provider === 'node-role'
  if (expected.kind === 'known') {
    if (isSessionOf(identity, expected.roleArn)) return []
    return isNode
      ? [error('node-role', `the node's own role answered${notGiven}: ${identity}`, explain)]
      : [error('wrong-role', `the pod is ${identity}, wanted ${expected.roleArn}`, explain)]
  }
  const unknown =
    expected.kind === 'unread'
      ? `which role is wanted is not known: ${expected.why}`
      : 'no annotation, association or --expect-role says which role is wanted'
  return isNode
    ? [
        {
          code: 'node-role',
          severity: 'warning',
          sentence: `the node's own role answered${notGiven}; ${unknown}`,
        },
      ]
    : [{ code: 'role-not-known', severity: 'warning', sentence: unknown }]
}

/** Words of AWS, and of the AWS CLI on an agent or a place that it did ask. */
const ASKED = /An error occurred \(|Error retrieving metadata|endpoint URL/

/** Its AWS CLI is older than the first that knows the way, and did not go it. */
function oldCli(said: Said): VerifyFinding | undefined {
  const { cli = '', identityFault = '', providerFault, variables } = said
  const fault = providerFault ?? identityFault
  const sdk = sdkOfUserAgent(cli)
  const way = wayOf(variables)
  if (sdk === undefined || way === undefined) return undefined
  if (isNewEnough(sdk, way) || ASKED.test(fault)) return undefined
  const what = way === 'irsa' ? 'web identities' : 'Pod Identity'
  return error(
    'cli-too-old',
    `the AWS CLI ${sdk.version} of the image does not know ${what}, ${minimumOf(sdk, way)} is the first that does: ${fault}`,
    NEWER_CLI,
  )
}

const NEWER_CLI =
  'Name an image with a newer AWS CLI, with --image. Programs need SDKs that are new enough too; podrole explain --sdk knows which are.'

/** What the pod was given, in the order of the SDKs' chain; undefined where keys go before it. */
function wayOf(variables: Said['variables']): SdkWay | undefined {
  if (variables.includes('AWS_ACCESS_KEY_ID')) return undefined
  if (variables.includes('AWS_WEB_IDENTITY_TOKEN_FILE')) return 'irsa'
  return variables.includes('AWS_CONTAINER_CREDENTIALS_FULL_URI') ? 'pod-identity' : undefined
}

/** What was asked: by the AWS CLI's word, else by the variables, in the order of the SDKs' chain. */
function triedName({ provider, variables }: Said): string {
  if (provider !== undefined) return PROVIDER_NAMES[provider]
  if (variables.includes('AWS_ACCESS_KEY_ID')) return PROVIDER_NAMES.environment
  if (variables.includes('AWS_WEB_IDENTITY_TOKEN_FILE')) return PROVIDER_NAMES['web-identity']
  return variables.some((name) => name.startsWith('AWS_CONTAINER_CREDENTIALS'))
    ? PROVIDER_NAMES.container
    : 'the credential chain'
}

export const PROVIDER_NAMES: Readonly<Record<Provider, string>> = {
  environment: 'keys in the environment',
  'web-identity': 'web identity (IRSA)',
  container: 'container credentials (Pod Identity)',
  'node-role': "the node's role (instance metadata)",
  none: 'none',
  other: 'another provider of the AWS CLI',
}

/** AWS's codes for what no policy allows. */
const DENIED =
  /\((?:AccessDenied|AccessDeniedException|AccessDeniedFault|UnauthorizedOperation|AuthorizationError|AuthorizationErrorException|403)\)|\bForbidden\b/

/** Without an identity a refusal is of the credentials, not of the command. */
function outcomeOf(
  { expect, name }: Check,
  { identity }: Said,
  said: CheckSaid | undefined,
): CheckOutcome {
  const isMet = identity !== undefined && said !== undefined && meets(said, expect.kind)
  return {
    name,
    expected: expect.kind === 'output' ? `output with ${JSON.stringify(expect.text)}` : expect.kind,
    outcome: isMet ? 'as-expected' : 'failed',
    did: identity === undefined ? 'there was no identity to run it with' : didOf(expect.kind, said),
  }
}

function meets({ fault = '', hasText, succeeded }: CheckSaid, kind: ExpectedKind): boolean {
  if (kind === 'access-denied') return !succeeded && DENIED.test(fault)
  return succeeded && (kind === 'success' || hasText)
}

type ExpectedKind = Check['expect']['kind']

function didOf(kind: ExpectedKind, said: CheckSaid | undefined): string {
  if (said === undefined) return 'it did not run'
  if (!said.succeeded) return `it failed: ${said.fault ?? ''}`
  if (kind !== 'output') return 'it succeeded'
  return said.hasText ? 'it printed that' : 'it succeeded and did not print that'
}

const checkFinding = ({ did, expected, name, outcome }: CheckOutcome): readonly VerifyFinding[] =>
  outcome === 'failed'
    ? [error('check-failed', `check ${JSON.stringify(name)} wanted ${expected}: ${did}`)]
    : []
