/** Reads the log of a verify's pod. Whatever is in it, little is taken, and none of it is trusted. */

/** The credential providers that the AWS CLI names. */
export type Provider = 'environment' | 'web-identity' | 'container' | 'node-role' | 'none' | 'other'

export interface CheckSaid {
  readonly succeeded: boolean
  /** Whether the text that was expected is in what the command printed. */
  readonly hasText: boolean
  /** Why the command failed. */
  readonly fault?: string
}

/** What the pod said. */
export interface Said {
  /** Names of variables that an SDK takes credentials by. */
  readonly variables: readonly string[]
  /** By the AWS CLI's word; undefined where it failed to find out. */
  readonly provider?: Provider
  readonly providerFault?: string
  /** The ARN of GetCallerIdentity. */
  readonly identity?: string
  readonly identityFault?: string
  /** `aws-cli/VERSION`, where it gave no identity and told it. */
  readonly cli?: string
  /** In the order of the file, as far as they ran. */
  readonly checks: readonly CheckSaid[]
}

export type Reading =
  | { readonly kind: 'complete'; readonly said: Said }
  /** It ends before its end, or a line is of no form that the script has; no line is quoted. */
  | { readonly kind: 'unreadable'; readonly why: string }

/** What is asked of the API server, in bytes. */
export const MAX_LOG_BYTES = 1 << 17

/** `credentials.method` of botocore. */
const PROVIDERS: Readonly<Record<string, Provider>> = {
  env: 'environment',
  'assume-role-with-web-identity': 'web-identity',
  'container-role': 'container',
  'iam-role': 'node-role',
  none: 'none',
}

const VARIABLE = /^variable (AWS_[A-Z_]{1,60})$/
const PROVIDER = /^provider ([\w-]{1,64})$/
const NO_PROVIDER = /^no provider: (.*)$/
const IDENTITY = /^identity (arn:[\w-]{1,20}:(?:sts|iam)::\d{12}:[\w+=,.@/-]{1,300})$/
const NO_IDENTITY = /^no identity: (.*)$/
const CLI = /^cli (aws-cli\/\d{1,3}(?:\.\d{1,5}){1,3})$/
const CHECK = /^check (\d{1,3}) (?:succeeded, (with|without) the text|failed: (.*))$/
const NO_PROGRAM = /^no program: (\w{1,20})$/
const PREFIX = 'podrole: '

/** Reads the whole log; `checks` is how many commands were to run. */
export function readSaid(log: string, checks: number): Reading {
  const lines = log.split('\n')
  if (lines.pop() !== '') return unreadable('its last line is cut')
  const texts = lines.map((one) => (one.startsWith(PREFIX) ? one.slice(PREFIX.length) : undefined))
  const strange = texts.indexOf(undefined)
  if (strange !== -1) return unreadable(`line ${strange + 1} is not one of podrole's`)
  return readLines(
    texts.filter((text) => text !== undefined),
    checks,
  )
}

function readLines(lines: readonly string[], checks: number): Reading {
  const rest = [...lines]
  const take = (form: RegExp): RegExpExecArray | undefined => {
    const match = form.exec(rest[0] ?? '') ?? undefined
    if (match !== undefined) rest.shift()
    return match
  }
  const missing = take(NO_PROGRAM)?.[1]
  if (missing !== undefined) return unreadable(`its image has no ${missing}`)
  const variables: string[] = []
  for (let found = take(VARIABLE); found; found = take(VARIABLE)) variables.push(found[1] ?? '')
  const provider = take(PROVIDER)?.[1]
  const providerFault = provider === undefined ? take(NO_PROVIDER)?.[1] : undefined
  const identity = take(IDENTITY)?.[1]
  const identityFault = identity === undefined ? take(NO_IDENTITY)?.[1] : undefined
  const cli = identityFault === undefined ? undefined : take(CLI)?.[1]
  const outcomes: CheckSaid[] = []
  for (let found = take(CHECK); found; found = take(CHECK)) {
    const [, number, text, fault] = found
    if (Number(number) !== outcomes.length + 1) return unreadable('its checks are out of order')
    outcomes.push({
      succeeded: text !== undefined,
      hasText: text === 'with',
      ...(fault !== undefined && { fault: shown(fault) }),
    })
  }
  const isWhole =
    rest.length === 1 &&
    rest[0] === 'end' &&
    (provider ?? providerFault) !== undefined &&
    (identity ?? identityFault) !== undefined &&
    outcomes.length === checks
  if (!isWhole) {
    const at = lines.length - rest.length + 1
    return unreadable(
      rest.length === 0 ? 'it ends too early' : `line ${at} is not what comes there`,
    )
  }
  return {
    kind: 'complete',
    said: {
      variables,
      ...(provider !== undefined && { provider: PROVIDERS[provider] ?? 'other' }),
      ...(providerFault !== undefined && { providerFault: shown(providerFault) }),
      ...(identity !== undefined && { identity }),
      ...(identityFault !== undefined && { identityFault: shown(identityFault) }),
      ...(cli !== undefined && { cli }),
      checks: outcomes,
    },
  }
}

const unreadable = (why: string): Reading => ({ kind: 'unreadable', why })

const MAX_SHOWN = 400
const KEY = /(?:AKIA|ASIA)[A-Z0-9]{8,}|eyJ[\w-]+(?:\.[\w-]*)*|IQoJ[\w+/=-]+/g

/** As a terminal may be given it: on one line, without control characters, keys and tokens. */
export const shown = (text: string): string =>
  text
    .replaceAll(/\p{Cc}|\p{Cf}/gu, ' ')
    .replaceAll(KEY, '[secret]')
    .slice(0, MAX_SHOWN)
