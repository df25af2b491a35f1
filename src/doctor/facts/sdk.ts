import { PodroleError } from '../../lib/errors.ts'
import minimums from './sdk-minimums.json'

/** An SDK of a workload, as somebody who knows it says. */
export interface KnownSdk {
  readonly name: keyof typeof minimums
  /** A version, or for some a date of release. */
  readonly version: string
}

/** How an SDK comes by credentials: it asks STS itself, or asks at 169.254.170.23. */
export type SdkWay = 'irsa' | 'pod-identity'

export const SDK_NAMES: readonly string[] = Object.keys(minimums)

/**
 * Reads `boto3@1.34.41`.
 * @throws PodroleError `UnknownSdk`
 */
export function parseSdk(text: string): KnownSdk {
  const [, name = '', version = ''] = /^([a-z0-9-]+)@v?([0-9]+(?:[.-][0-9]+)*)$/.exec(text) ?? []
  if (isSdkName(name)) {
    const date = Object.values(minimums[name]).find((one) => DATE.test(one))
    if (date === undefined || DATE.test(version)) return { name, version }
    throw new PodroleError(
      'UnknownSdk',
      `${name}@${version} is of one of its modules, and AWS counts its releases by date: wanted ${name}@YYYY-MM-DD, such as ${name}@${date}`,
      { hint: 'its change log names the day of the release that the module came with' },
    )
  }
  throw new PodroleError(
    'UnknownSdk',
    `Cannot read SDK ${JSON.stringify(text.slice(0, 60))}: wanted NAME@VERSION with a name of ${SDK_NAMES.join(', ')}`,
  )
}

const DATE = /^\d{4}-\d\d-\d\d$/

const isSdkName = (name: string): name is KnownSdk['name'] => Object.hasOwn(minimums, name)

/** How SDKs name themselves in the user agent that CloudTrail records. */
const AGENTS: readonly (readonly [RegExp, KnownSdk['name']])[] = [
  [/\baws-cli\/(1\.[\d.]+)/, 'aws-cli-v1'],
  [/\baws-cli\/(2\.[\d.]+)/, 'aws-cli-v2'],
  [/\bBoto3\/(\d[\d.]*)/, 'boto3'],
  [/\baws-sdk-go\/(1\.[\d.]+)/, 'go-v1'],
  [/\baws-sdk-java\/(1\.[\d.]+)/, 'java-v1'],
  [/\baws-sdk-java\/(2\.[\d.]+)/, 'java-v2'],
  [/\baws-sdk-nodejs\/(2\.[\d.]+)/, 'js-v2'],
  [/\baws-sdk-js\/(3\.[\d.]+)/, 'js-v3'],
  [/\baws-sdk-php\/(\d[\d.]*)/, 'php'],
  [/\baws-sdk-ruby3\/(\d[\d.]*)/, 'ruby'],
]

/**
 * Whether an SDK asks a proxy of the environment for container credentials. Go's client takes
 * `http.ProxyFromEnvironment`; botocore's ContainerMetadataFetcher has a session without any proxy,
 * Smithy's handler for Node takes `node:http`. Of the others it is not known.
 */
const ASKS_PROXIES: Partial<Readonly<Record<KnownSdk['name'], boolean>>> = {
  'go-v1': true,
  'go-v2': true,
  boto3: false,
  'aws-cli-v1': false,
  'aws-cli-v2': false,
  'js-v3': false,
}

/** Whether a proxy of the environment is asked for the agent's address; undefined: not known. */
export const asksProxies = (sdk: KnownSdk | undefined): boolean | undefined =>
  sdk && ASKS_PROXIES[sdk.name]

/** The SDK that a text with a user agent in it was sent by; the first that is known. */
export function sdkOfUserAgent(text: string): KnownSdk | undefined {
  for (const [pattern, name] of AGENTS) {
    const version = pattern.exec(text)?.[1]
    if (version !== undefined) return { name, version: version.replace(/\.+$/, '') }
  }
  return undefined
}

/**
 * The first version that knows the way; undefined where each does, or AWS names none.
 * https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts-minimum-sdk.html
 * https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html
 */
export function minimumOf({ name }: KnownSdk, way: SdkWay): string | undefined {
  const known: Partial<Readonly<Record<SdkWay, string>>> = minimums[name]
  return known[way]
}

export function isNewEnough(sdk: KnownSdk, way: SdkWay): boolean {
  const minimum = minimumOf(sdk, way)
  if (minimum === undefined) return true
  const [has, wants] = [sdk.version, minimum].map((text) => text.split(/[.-]/).map(Number))
  for (const [at, want] of (wants ?? []).entries()) {
    const part = has?.[at] ?? 0
    if (part !== want) return part > want
  }
  return true
}
